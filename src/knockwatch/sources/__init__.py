"""Sources: one module per format of evidence, found by scanning this package.

A source says how surely a file is its own (`confidence`) and turns it into rows of the tables (`read`). It knows
nothing of detections. Formats that live inside the messages of others (netfilter lines in a syslog, say) are
`bodies`: one module each in `sources/bodies`.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Literal, Protocol, TypeVar

import polars as pl

from knockwatch.clock import Clock
from knockwatch.config import EvidenceSettings
from knockwatch.evidence import Block, Evidence, Lines

Item = TypeVar("Item")

LOOKAHEAD = 6
"""Blocks in flight: enough to keep two cores busy, few enough to bound memory."""


@dataclass(frozen=True)
class Format:
    """What a reader of `knockwatch sources list` wants to know of a format.

    Parameters
    ----------
    name
        Short name, as in ``syslog``.
    title
        What it is, in a line.
    fills
        The tables it fills.
    status
        ``verified`` on a real sample, or ``documented``: on the vendor's published example only.
    reference
        Where the format is defined or the sample comes from.
    numbered
        What the column `line` counts: lines of text, records or frames.
    """

    name: str
    title: str
    fills: tuple[str, ...]
    status: Literal["verified", "documented"]
    reference: str
    numbered: Literal["line", "record", "frame"] = "line"


@dataclass(frozen=True)
class Head:
    """The start of a file, which its format is told from.

    Parameters
    ----------
    data
        Its first bytes, uncompressed.
    whole
        Whether they are all.
    tail
        The last bytes of a file that has its table of contents there (Parquet).
    """

    data: bytes
    whole: bool = False
    tail: bytes = b""

    # Some seventy sources look at the head of every file.
    @cached_property
    def text(self) -> str:
        """The start as text, malformed bytes escaped, without a byte order mark."""
        return self.data.decode("utf-8", "backslashreplace").removeprefix("\ufeff")

    @cached_property
    def lines(self) -> list[str]:
        """Its whole lines that are not blank; the last one may be cut and is left out."""
        lines = self.text.split("\n")
        if not self.whole and len(lines) > 1:
            lines = lines[:-1]
        return [line.rstrip("\r") for line in lines if line.strip()]


@dataclass
class Batch:
    """Rows read from one piece of a file.

    Parameters
    ----------
    records
        Lines or records read, whatever became of them.
    tables
        Table name to rows. Canonical tables may leave columns out; `Syslog`, `CommonSecurityLog` and
        `DeviceProcessEvents` hold exported rows under Microsoft's names.
    misfits
        `line` and `text` of what was not understood.
    malformed
        Lines that held bytes which are not UTF-8.
    redundant
        Of a body: lines whose message says nothing that the rows read from it do not.
    """

    records: int
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    misfits: pl.DataFrame | None = None
    malformed: int = 0
    redundant: pl.Series | None = None


@dataclass(frozen=True)
class Reading:
    """What a source needs to know while it reads one file.

    Parameters
    ----------
    evidence, clock, settings
        The file, how its times are read, and what the site says of evidence.
    executor
        Where work may run side by side; None for in turn.
    lean
        Whether messages that became rows of another table, and say nothing else, may be left out.
    """

    evidence: Evidence
    clock: Clock
    settings: EvidenceSettings
    executor: Executor | None = None
    lean: bool = False

    def map(self, work: Callable[[Item], Batch], items: Iterable[Item]) -> Iterator[Batch]:
        """Work on items side by side, results in order, a bounded number in flight."""
        if self.executor is None:
            yield from map(work, items)
            return
        pending: list[Future[Batch]] = []
        for item in items:
            pending.append(self.executor.submit(work, item))
            if len(pending) >= LOOKAHEAD:
                yield pending.pop(0).result()
        for future in pending:
            yield future.result()


class Source(Protocol):
    """A format of evidence files."""

    format: Format

    def confidence(self, head: Head) -> float:
        """Say how surely a file that starts so is of this format: 0 (no) to 1 (certain)."""

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read a file of this format."""


class LineSource(ABC):
    """Base of sources whose records are single lines, read independently of each other."""

    format: Format

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read the file in blocks of lines, several at a time."""
        return reading.map(lambda block: self.block(block, reading), reading.evidence.blocks())

    def block(self, block: Block, reading: Reading) -> Batch:
        """Read one block; lines that were cut are misfits."""
        lines = Lines.of(*block)
        whole, cut = lines.parted()
        batch = self.parse(whole, reading)
        batch.misfits = cut if batch.misfits is None else pl.concat([batch.misfits, cut])
        batch.records = lines.frame.height
        batch.malformed = lines.malformed
        return batch

    @abstractmethod
    def parse(self, lines: pl.DataFrame, reading: Reading) -> Batch:
        """Turn lines (`line`, `text`) into rows."""


def share(lines: list[str], fits: Callable[[str], Any], most: int = 50) -> float:
    """Give the share of the first lines that fit."""
    sample = lines[:most]
    return sum(1 for line in sample if fits(line)) / len(sample) if sample else 0.0


def misfits(lines: pl.DataFrame, fits: pl.Expr) -> pl.DataFrame:
    """Select the lines that do not fit and are not blank."""
    return lines.filter(~fits.fill_null(value=False) & (pl.col("text").str.strip_chars() != "")).select(
        "line", "text"
    )


@cache
def sources() -> tuple[Source, ...]:
    """Load every source of this package; a new module is found without being named anywhere."""
    import knockwatch.sources as package

    return tuple(
        importlib.import_module(module.name).SOURCE
        for module in pkgutil.iter_modules(package.__path__, "knockwatch.sources.")
        if not module.ispkg and not module.name.rpartition(".")[2].startswith("_")
    )


def detect(head: Head) -> tuple[Source, float] | None:
    """Find the source that claims a file most surely, with its confidence; None where none does."""
    claims = [(source.confidence(head), source) for source in sources()]
    confidence, best = max(claims, key=lambda claim: claim[0])
    return (best, confidence) if confidence > 0 else None
