"""Writers of emulated evidence: one format per module, found without being named anywhere."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import Protocol

from knockwatch.emulation.estate import Estate
from knockwatch.emulation.stream import Rows


class File(Protocol):
    """A file of evidence that is being written."""

    def write(self, rows: Rows) -> None:
        """Add a slice of the stream."""

    def close(self) -> None:
        """Write what must come last."""


class Writer(Protocol):
    """A format that evidence is written in."""

    name: str
    """As `--format` names it, and as the evidence's folder is called."""
    title: str
    """What it is."""
    suffix: str
    """How its files' names end."""
    source: str
    """The format of `knockwatch sources list` that reads it."""

    def open(self, path: Path, estate: Estate) -> File:
        """Begin a file."""


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
