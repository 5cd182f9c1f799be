"""What programs that see packets are known to be, and traces of implants: `content/sniffers.csv`, `implant_traces.csv`.

Names prove little: whether a program is what its name says is judged by whoever asks.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, cast, get_args

from knockwatch.hoststate.bpf import Wait

Role = Literal["knock-daemon", "service", "monitor", "capture", "program"]
Trust = Literal["low", "medium", "high"]


@dataclass(frozen=True)
class Known:
    """A program that has a reason to see packets.

    Parameters
    ----------
    role
        ``service`` and ``monitor`` see them all day, ``capture`` is somebody's tool, ``program`` is one of BPF.
    waits
        What its filters may wait for; empty for anything.
    why
        What it is, in words.
    """

    role: Role
    waits: tuple[str, ...]
    why: str

    def expects(self, waits: Iterable[Wait]) -> bool:
        """Tell whether a filter is one that this program has."""
        if not self.waits:
            return True
        return all(any(word.startswith(known) for known in self.waits) for word in map(_word, waits))


@dataclass(frozen=True)
class Trace:
    """A fact that is known of an implant: of which family, how far it can be trusted, and what says so."""

    what: str
    value: str
    family: str
    trust: Trust
    source: str


def known_program(name: str) -> Known | None:
    """Look a program, or a BPF program, up by its name."""
    return next((known for pattern, known in _known() if pattern.fullmatch(name.lower())), None)


def traces(*what: str) -> Iterator[Trace]:
    """Give the traces of some sorts: ``file``, ``file-empty``, ``constant``, ``program``."""
    return (trace for trace in _traces() if trace.what in what)


def _word(wait: Wait) -> str:
    """Write what a filter waits for in one word, as ``udp/68``, ``icmp`` or ``ethertype=0x806``."""
    if wait.port or wait.source_port:
        return f"{wait.protocol}/{wait.port or wait.source_port}"
    return wait.protocol or next((told for told in wait.constants if told.startswith("ethertype")), "any")


@cache
def _known() -> tuple[tuple[re.Pattern[str], Known], ...]:
    """Load the programs."""
    rows = []
    for row in _rows("sniffers.csv"):
        if row["role"] not in get_args(Role):
            raise ValueError(f"sniffers.csv: no role {row['role']!r}")
        known = Known(cast(Role, row["role"]), tuple(row["waits"].split()), row["why"])
        rows.append((re.compile(row["program"]), known))
    return tuple(rows)


@cache
def _traces() -> tuple[Trace, ...]:
    """Load the traces."""
    return tuple(
        Trace(row["what"], row["value"], row["family"], cast(Trust, row["trust"]), row["source"])
        for row in _rows("implant_traces.csv")
    )


def _rows(name: str) -> list[dict[str, str]]:
    """Read a table."""
    return list(csv.DictReader((files("knockwatch.content") / name).read_text("utf-8").splitlines()))
