"""Reading a file with one source, for tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from knockwatch.clock import Clock
from knockwatch.config import EvidenceSettings
from knockwatch.evidence import HEAD_BYTES, Evidence
from knockwatch.ingest import PARQUET
from knockwatch.sources import Head, Reading, Source
from knockwatch.tables import CANONICAL, conform

SAMPLES = Path(__file__).resolve().parent.parent / "data" / "sources"


@dataclass
class Read:
    """All that one source made of one file."""

    tables: dict[str, pl.DataFrame]
    misfits: pl.DataFrame
    records: int
    malformed: int
    problems: list[str]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Give a table's rows, every column of the canonical table in each."""
        return self.tables[table].to_dicts() if table in self.tables else []


def head_of(path: Path) -> Head:
    """Give what a format is told from."""
    evidence = Evidence(0, path, str(path))
    head = evidence.head()
    return Head(head, len(head) < HEAD_BYTES, evidence.tail() if head.startswith(PARQUET) else b"")


def read(
    source: Source, path: Path, clock: Clock | None = None, settings: EvidenceSettings | None = None
) -> Read:
    """Read a whole file."""
    evidence = Evidence(0, path, str(path))
    batches = list(source.read(Reading(evidence, clock or Clock(), settings or EvidenceSettings())))
    tables: dict[str, list[pl.DataFrame]] = {}
    for batch in batches:
        for table, rows in batch.tables.items():
            if rows.height:
                tables.setdefault(table, []).append(conform(table, rows) if table in CANONICAL else rows)
    bad = [batch.misfits for batch in batches if batch.misfits is not None]
    empty = pl.DataFrame(schema={"line": pl.Int64, "text": pl.String})
    return Read(
        {table: pl.concat(rows, how="diagonal_relaxed") for table, rows in tables.items()},
        pl.concat([empty, *bad]),
        sum(batch.records for batch in batches),
        sum(batch.malformed for batch in batches),
        evidence.problems,
    )


def read_text(source: Source, folder: Path, text: str | bytes, clock: Clock | None = None) -> Read:
    """Write a file and read it."""
    path = folder / "evidence"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(source, path, clock)
