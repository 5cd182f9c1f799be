"""Writers of emulated evidence: one format per module, found without being named anywhere."""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from functools import cache
from pathlib import Path
from typing import Protocol

from knockwatch.emulation.planted import Label, Site
from knockwatch.emulation.stream import Rows


class File(Protocol):
    """A file of evidence that is being written."""

    def write(self, rows: Rows) -> None:
        """Add a slice of the stream."""

    def close(self) -> None:
        """Write what must come last."""


class Writer(ABC):
    """A format that evidence is written in."""

    name: str
    """As `--format` names it, and as the evidence's folder is called."""
    title: str
    """What it is."""
    suffix: str
    """How its files' names end."""
    source: str
    """The format of `knockwatch sources list` that reads it."""

    lacks: str = ""
    """What of planted events it cannot tell; empty where it tells all."""

    @abstractmethod
    def open(self, path: Path, site: Site) -> File:
        """Begin a file."""

    def signals(self, label: Label, site: Site) -> bool:
        """Tell whether it holds the signal of an event; what logs traffic holds each."""
        del label, site
        return True

    def entries(self, label: Label, site: Site) -> bool:
        """Tell whether it holds the entry of an event that opened a door."""
        del label, site
        return True


@cache
def writers() -> dict[str, Writer]:
    """Load every writer, by name."""
    import knockwatch.emulation.writers as package

    found = [
        importlib.import_module(f"{package.__name__}.{module.name}").WRITER
        for module in pkgutil.iter_modules(package.__path__)
        if not module.name.startswith("_")
    ]
    return {writer.name: writer for writer in found}
