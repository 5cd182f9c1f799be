"""Evidence to tables: detect each file's format, read it in bounded batches, write Parquet, count what was lost."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import polars as pl

from knockwatch.cache import Cache, Entry, Unfinished, content_hash, key_of
from knockwatch.clock import (
    Clock,
    date_yearless,
    dates_in,
    moment_in,
    newest_yearless,
    rfc3339,
    zone_named,
)
from knockwatch.config import EvidenceSettings
from knockwatch.errors import EvidenceError
from knockwatch.evidence import HEAD_BYTES, Evidence, collect
from knockwatch.hoststate.snapshot import host_of
from knockwatch.sources import Batch, Head, Reading, detect
from knockwatch.tables import CANONICAL, conform

ROWS_PER_FILE = 200_000
"""Rows gathered before a Parquet file is written: large row groups for the engine, bounded memory for us.

What is cached of a file with fewer rows is gathered with others, since an engine opens each Parquet file many times.
"""
EXAMPLE_CHARACTERS = 200
"""How much of the first line not understood is quoted."""
RATE_LIMITED = (
    "UFW writes few lines a minute below its level full, so sequences in this log may be incomplete"
)
"""ufw(8): levels low to high limit the rate; 3 a minute after a burst of 10 in ufw-init's rules."""
PARQUET = b"PAR1"
"""How files begin whose table of contents stands at their end."""
NUMBERED = "file="
"""Begins the name of a folder that tells what the column `file` of its Parquet files is."""
EXPORTED = ("Syslog", "CommonSecurityLog", "DeviceProcessEvents")
"""Microsoft's tables whose exported rows are kept verbatim."""

_Packed = Literal["uncompressed", "zstd"]
_PACKED_LEVEL = 1
"""Halves what is cached, and costs less time than it saves in writing; what is removed at once is not compressed."""

Progress = Callable[[str, int], None]


@dataclass
class FileSummary:
    """What became of one file: counts of lines, rows and losses, and what was assumed of its times."""

    path: str
    format: str | None = None
    confidence: float = 0.0
    compression: str | None = None
    bytes: int = 0
    lines: int = 0
    not_understood: int = 0
    example: dict[str, int | str] | None = None
    malformed_lines: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    first_time: str | None = None
    last_time: str | None = None
    assumed: str | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def rate_limited(self) -> bool:
        """Whether its recorder leaves lines out."""
        return RATE_LIMITED in self.problems


@dataclass
class Workspace:
    """A folder of Parquet files made from evidence; a context manager that removes it in the end.

    Parameters
    ----------
    folder
        Where the files are, one subfolder a table.
    evidence
        The files that were read, by number.
    summaries
        What became of each.
    problems
        Sentences on what could not be read at all.
    cache
        Where what is parsed is kept for the next time; None for nowhere.
    """

    folder: Path
    evidence: list[Evidence] = field(default_factory=list)
    summaries: list[FileSummary] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    cache: Cache | None = None

    @classmethod
    def temporary(cls, cache: Cache | None = None) -> Workspace:
        """Make an empty workspace in the system's temporary folder; it closes the cache with itself."""
        return cls(Path(tempfile.mkdtemp(prefix="knockwatch-")), cache=cache)

    def __enter__(self) -> Self:
        """Use it in a `with` statement."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.cache is not None:
            self.cache.close()

    def files(self, table: str) -> list[Path]:
        """List the Parquet files of a table that hold rows of several files of evidence, oldest first."""
        return sorted((self.folder / table).glob("*.parquet"))

    def numbered(self, table: str) -> list[Path]:
        """List those of one file each, whose column `file` is told by their folder alone, as ``file=7``."""
        return sorted((self.folder / table).glob(f"{NUMBERED}*/*.parquet"))


class _Writer:
    """Gathers rows of one table and writes them as Parquet files, whose names begin with `begins`."""

    def __init__(
        self, folder: Path, table: str, begins: str = "", compression: _Packed = "uncompressed"
    ) -> None:
        self.folder = folder
        self.table = table
        self.begins = begins
        self.compression: _Packed = compression
        self.pending: list[pl.DataFrame] = []
        self.height = 0

    def add(self, frame: pl.DataFrame) -> None:
        self.pending.append(frame)
        self.height += frame.height
        if self.height >= ROWS_PER_FILE:
            self.flush()

    def flush(self) -> None:
        if not self.height:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / f"{self.begins}{len(list(self.folder.iterdir())):06d}.parquet"
        rows = pl.concat(self.pending, how="diagonal_relaxed")
        said = rows.columns
        if self.table in CANONICAL:
            # Most sources fill few of a table's columns; whoever reads fills in what lacks.
            said = [name for name in said if rows[name].null_count() < rows.height]
        rows.select(said).write_parquet(
            target,
            compression=self.compression,
            compression_level=_PACKED_LEVEL if self.compression == "zstd" else None,
            # Read back whole: statistics do not pay.
            statistics=False,
        )
        self.pending, self.height = [], 0


def ingest(
    arguments: Iterable[str],
    settings: EvidenceSettings,
    workspace: Workspace,
    progress: Progress | None = None,
    *,
    lean: bool = False,
) -> Workspace:
    """Read evidence into the tables of a workspace.

    Parameters
    ----------
    arguments
        Files, folders, globs or ``-``.
    settings
        How to read it.
    workspace
        Where the tables go; filled and returned.
    progress
        Called with a file's name and the bytes read since the last call.
    lean
        Leave out messages that became connections and say nothing else: detections do not need them, the views do.

    Raises
    ------
    EvidenceError
        If nothing at all could be read.
    """
    evidence, problems = collect(arguments, workspace.folder)
    workspace.evidence, workspace.problems = evidence, problems
    if not evidence:
        raise EvidenceError("; ".join(problems) or "there are no files: name some evidence")
    heads = {file.number: file.head() for file in evidence}
    clocks = _clocks(evidence, heads, settings)
    writers = {table: _Writer(workspace.folder / table, table) for table in (*CANONICAL, *EXPORTED)}
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as executor:
        for file in evidence:
            clock, assumed = clocks[file.number]
            summary = FileSummary(file.name, assumed=assumed)
            workspace.summaries.append(summary)
            reading = Reading(file, clock, settings, executor, lean)
            try:
                _obtain(reading, heads[file.number], summary, writers, workspace, progress)
            except OSError as error:
                summary.problems.append(f"reading stopped: {error.strerror or error}")
            summary.problems.extend(file.problems)
            summary.bytes = file.bytes_read
    for writer in writers.values():
        writer.flush()
    if all(
        summary.problems and (not summary.lines or summary.format is None) for summary in workspace.summaries
    ):
        raise EvidenceError(
            "; ".join(f"{summary.path}: {summary.problems[0]}" for summary in workspace.summaries)
        )
    return workspace


def _obtain(
    reading: Reading,
    head: bytes,
    summary: FileSummary,
    writers: dict[str, _Writer],
    workspace: Workspace,
    progress: Progress | None,
) -> None:
    """Get the rows and the summary of one file: from the cache, or by reading it, then for the cache too."""
    file = reading.evidence
    # Standard input hardly ever comes twice.
    if workspace.cache is None or file.name == "-":
        _read(reading, head, summary, writers, progress)
        return
    before = _state(file)
    key = _key(reading)
    entry = workspace.cache.find(key)
    if entry is not None:
        _remember(entry, file, summary)
        if progress:
            progress(file.name, file.bytes_read)
    elif unfinished := workspace.cache.begin(key):
        try:
            entry = _read_for_cache(reading, head, summary, unfinished, before, progress)
        except (_NotKeptError, OSError):
            unfinished.give_up()
            # The disk is full, or evidence cannot be read to its end: read it again as if there were no cache.
            file.problems, file.bytes_read = [], 0
            fresh = FileSummary(file.name, assumed=summary.assumed)
            for name in _REMEMBERED:
                setattr(summary, name, getattr(fresh, name))
        else:
            workspace.cache.add(entry)
    if entry is None:
        _read(reading, head, summary, writers, progress)
    else:
        _adopt(entry, file.number, summary, writers, workspace)


class _NotKeptError(Exception):
    """What was parsed cannot be written to the cache."""


class _KeptWriter(_Writer):
    """Writes for the cache, where a file's number, which is this scan's, has no place."""

    def add(self, frame: pl.DataFrame) -> None:
        super().add(frame.drop("file"))

    def flush(self) -> None:
        try:
            super().flush()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise _NotKeptError from error


_REMEMBERED = tuple(one.name for one in fields(FileSummary) if one.name not in ("path", "assumed"))
"""What the cache holds of a summary: all but what this scan calls the file, and why it assumed what it did."""


def _key(reading: Reading) -> str:
    """Give the key of a file in the cache: what decides the rows that are read from it.

    Its path and its time belong to that as far as a source looks at them: `last` has no years, and the files of a
    collected host are in folders of its name.
    """
    file, clock = reading.evidence, reading.clock
    return key_of(
        content_hash(file.path, reading.executor),
        reading.settings.model_dump(mode="json"),
        clock.zone,
        clock.newest.isoformat(),
        reading.lean,
        host_of(file.path),
        datetime.fromtimestamp(file.path.stat().st_mtime, UTC).year,
    )


def _state(file: Evidence) -> tuple[int, int]:
    """Tell whether a file is still what it was."""
    told = file.path.stat()
    return told.st_size, told.st_mtime_ns


def _read_for_cache(
    reading: Reading,
    head: bytes,
    summary: FileSummary,
    unfinished: Unfinished,
    before: tuple[int, int],
    progress: Progress | None,
) -> Entry:
    """Read one file into an entry of its own; one that changed meanwhile is not what its key says, and is not kept."""
    writers: dict[str, _Writer] = {
        table: _KeptWriter(unfinished.folder, table, f"{table}-", "zstd") for table in (*CANONICAL, *EXPORTED)
    }
    file = reading.evidence
    _read(reading, head, summary, writers, progress)
    for writer in writers.values():
        writer.flush()
    summary.bytes = file.bytes_read
    told = {name: value for name, value in asdict(summary).items() if name in _REMEMBERED}
    told = {"summary": told, "problems": file.problems}
    if _state(file) != before:
        return Entry(unfinished.folder, told, kept=False)
    try:
        return unfinished.keep(told)
    except OSError as error:
        raise _NotKeptError from error


def _remember(entry: Entry, file: Evidence, summary: FileSummary) -> None:
    """Take from the cache what became of a file."""
    for name, value in entry.told["summary"].items():
        setattr(summary, name, value)
    file.problems, file.bytes_read = list(entry.told["problems"]), summary.bytes


def _adopt(
    entry: Entry, number: int, summary: FileSummary, writers: dict[str, _Writer], workspace: Workspace
) -> None:
    """Make what is cached of a file part of the workspace."""
    for table, path in entry.files():
        if summary.rows[table] < ROWS_PER_FILE or not entry.kept:
            rows = pl.read_parquet(path, memory_map=False)
            writers[table].add(rows.with_columns(pl.lit(number, dtype=pl.Int32).alias("file")))
            continue
        folder = workspace.folder / table / f"{NUMBERED}{number}"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            (folder / path.name).symlink_to(path.absolute())
        except OSError:
            # Windows lets few users make links.
            shutil.copyfile(path, folder / path.name)
    if not entry.kept:
        shutil.rmtree(entry.folder, ignore_errors=True)


def _read(
    reading: Reading,
    head: bytes,
    summary: FileSummary,
    writers: dict[str, _Writer],
    progress: Progress | None,
) -> None:
    """Read one file into the writers and its summary."""
    evidence = reading.evidence
    summary.compression = evidence.compression()
    tail = evidence.tail() if head.startswith(PARQUET) else b""
    found = detect(Head(head, len(head) < HEAD_BYTES, tail))
    if found is None:
        _pass_over(evidence, summary)
        return
    source, summary.confidence = found
    summary.format = source.format.name
    before = 0
    for batch in source.read(reading):
        _take(batch, reading, summary, writers)
        if progress:
            progress(evidence.name, evidence.bytes_read - before)
            before = evidence.bytes_read


def _take(batch: Batch, reading: Reading, summary: FileSummary, writers: dict[str, _Writer]) -> None:
    """Write a batch's rows and add its counts to the summary."""
    summary.lines += batch.records
    summary.malformed_lines += batch.malformed
    number = pl.lit(reading.evidence.number, dtype=pl.Int32).alias("file")
    for table, rows in batch.tables.items():
        if rows.is_empty():
            continue
        frame = rows.with_columns(number)
        if table in CANONICAL:
            frame = conform(table, frame)
            _widen(summary, frame["time_us"])
        writers[table].add(frame)
        summary.rows[table] = summary.rows.get(table, 0) + frame.height
    if "connections" in batch.tables and RATE_LIMITED not in summary.problems:
        rules = batch.tables["connections"]
        if "rule" in rules.columns and rules["rule"].str.contains(r"^\[UFW ").any():
            summary.problems.append(RATE_LIMITED)
    if batch.misfits is not None:
        _count_misfits(batch.misfits, summary)


def _count_misfits(misfits: pl.DataFrame, summary: FileSummary) -> None:
    """Count lines that were not understood, and keep the first as an example."""
    summary.not_understood += misfits.height
    if summary.example is None and misfits.height:
        line, text = misfits.sort("line").row(0)
        summary.example = {"line": line, "text": text[:EXAMPLE_CHARACTERS]}


def _widen(summary: FileSummary, times: pl.Series) -> None:
    """Widen the span of a file's times."""
    first, last = rfc3339(times.min()), rfc3339(times.max())  # type: ignore[arg-type]
    if first and last:
        summary.first_time = min(summary.first_time or first, first)
        summary.last_time = max(summary.last_time or last, last)


def _pass_over(evidence: Evidence, summary: FileSummary) -> None:
    """Count the lines of a file whose format nobody knows."""
    for lines in evidence.lines():
        full = lines.frame.filter(pl.col("text").str.strip_chars() != "")
        summary.lines += lines.frame.height
        summary.malformed_lines += lines.malformed
        _count_misfits(full, summary)
    if summary.lines:
        summary.problems.append("no known format: `knockwatch sources list` shows what can be read")
    elif not evidence.problems:
        summary.problems.append("is empty")


def _clocks(
    evidence: list[Evidence], heads: dict[int, bytes], settings: EvidenceSettings
) -> dict[int, tuple[Clock, str | None]]:
    """Decide, for each file, how its times are read, and say what was assumed."""
    zone = zone_named(settings.time.zone)
    dates = {file.number: dates_in(heads[file.number]) for file in evidence}
    clocks: dict[int, tuple[Clock, str | None]] = {}
    for file in evidence:
        head = heads[file.number]
        if newest_yearless(head, b"") is None:
            clocks[file.number] = Clock(zone), None
            continue
        newest = newest_yearless(head, file.tail())
        assert newest is not None
        if settings.time.year is not None:
            moment = moment_in(settings.time.year, newest) or datetime(settings.time.year, 12, 31, tzinfo=UTC)
            why = "the configuration"
        else:
            modified = datetime.fromtimestamp(file.path.stat().st_mtime, UTC)
            beside = [
                date
                for other in evidence
                if other.path.parent == file.path.parent
                for date in dates[other.number][:1]
            ]
            known = beside or [date for found in dates.values() for date in found[:1]]
            moment, dated = date_yearless(newest, known, modified)
            why = "dated evidence nearby" if dated else "the file's modification time"
        clocks[file.number] = (
            Clock(zone, moment),
            f"year {moment.year} for its newest line, from {why}; zone {settings.time.zone}",
        )
    return clocks
