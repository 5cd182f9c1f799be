"""Kinds of doors: one module each, which builds the firewall rules and daemons of doors as the data describes them.

A kind is a module with a function `build`: from a host, its doors of that kind and the folder for evidence, to parts.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Protocol

from knockwatch.lab import LabError
from knockwatch.lab.plan import Door, Host


@dataclass(frozen=True)
class Daemon:
    """A program that serves a door; its output is evidence if `output` names a file."""

    name: str
    command: tuple[str, ...]
    output: Path | None = None


@dataclass(frozen=True)
class Parts:
    """What doors add to a host.

    Parameters
    ----------
    chains
        Further iptables chains.
    first, rules
        Lines of the input chain before pings are let in, and after the open services; in the firewall's own language.
    sets
        Lines of an nftables table that define sets.
    daemons
        Programs to start.
    script
        Shell commands that set the door up, where it is set up while the lab is played.
    """

    chains: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    daemons: tuple[Daemon, ...] = ()
    script: str = ""


@dataclass
class Built:
    """The parts of all doors of a host."""

    parts: list[Parts] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """Put the lines of one kind together."""
        return [line for part in self.parts for line in getattr(part, name)]

    @property
    def daemons(self) -> list[Daemon]:
        """List every program."""
        return [daemon for part in self.parts for daemon in part.daemons]


def build(host: Host, doors: Iterable[Door], out: Path, version: int = 4) -> Built:
    """Build a host's doors, as far as they concern an IP version; files are written where daemons read them.

    Raises
    ------
    LabError
        If there is no such kind of door.
    """
    built = Built()
    ordered = sorted(
        (door for door in doors if version in door.versions), key=lambda door: (door.kind, door.instance)
    )
    for kind, group in groupby(ordered, key=lambda door: door.kind):
        built.parts += _module(kind).build(host, list(group), out, version)
    return built


def _module(kind: str) -> Kind:
    """Find the module of a kind."""
    try:
        return importlib.import_module(f"knockwatch.lab.doors.{kind}")
    except ModuleNotFoundError as error:
        raise LabError(f"there is no kind of door called {kind!r}") from error


class Kind(Protocol):
    """What a module of this package is, for type checkers."""

    def build(self, host: Host, doors: list[Door], out: Path, version: int) -> list[Parts]:
        """Build doors."""
