"""Exports of Log Analytics' table AuditLog_CL, whose rows hold one line of a Linux host's audit log each.

JSON documents, JSON lines, CSV and TSV. What auoms, Microsoft's own collector, writes to syslog is a body.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from knockwatch.sources import Batch, Format, Head, Reading, share
from knockwatch.sources._audit_log import FOUND, events, parsed
from knockwatch.sources._delimited import Layout, blocks, fields, split
from knockwatch.sources._json_records import JsonRecords

_SEPARATORS = (",", "\t", ";")
_COLUMNS = ("RawData", "Computer")
_LINE = "type="
_RECORD = "msg=audit("


class AuditLogCl(JsonRecords):
    """Reader of such exports."""

    format = Format(
        "audit-log-cl",
        "Log Analytics' AuditLog_CL: audit log lines collected from Linux hosts, JSON or CSV",
        ("processes", "changes"),
        "documented",
        "microsoft/msticpy docs/source/data_acquisition/CollectingLinuxAuditLogs.rst",
        numbered="record",
    )
    keys = _COLUMNS

    def confidence(self, head: Head) -> float:
        """Share of the first rows that hold a line of an audit log; a little less than certain."""
        layout = _layout(head)
        if layout is None:
            return super().confidence(head)
        at = layout.columns["RawData"]
        rows = [fields(line, layout.separator) or [] for line in head.lines[1:]]
        return 0.95 * share(["\t".join(row[at : at + 1]) for row in rows], _is_record)

    def belongs(self, record: Mapping[str, Any]) -> bool:
        """Tell whether a row holds a line of an audit log."""
        return _is_record(str(record.get("RawData") or ""))

    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        """Find the lines' records; they are gathered to events when all rows before have been read."""
        del reading
        lines = records.select(
            "line",
            pl.col("RawData").str.strip_chars().fill_null("?").alias("text"),
            pl.col("Computer").alias("computer"),
        )
        found, bad = parsed(lines)
        return Batch(records.height, {"found": found}, bad)

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read the export in the order of its rows."""
        layout = _layout(Head(reading.evidence.head()))
        batches = super().read(reading) if layout is None else self._delimited(reading, layout)
        yield from events(_pieces(batches))

    def _delimited(self, reading: Reading, layout: Layout) -> Iterator[Batch]:
        """Read a table of delimited fields."""
        for block in blocks(reading):
            found, odd = split(block.records, layout)
            batch = self.rows(found.select("line", *_columns_of(found)), reading)
            bad = (
                found.join(batch.misfits, on="line", how="semi") if batch.misfits is not None else odd.clear()
            )
            batch.misfits = pl.concat([odd, bad.select("line", "text")])
            batch.records, batch.malformed = block.records.height, block.malformed
            yield batch


def _pieces(batches: Iterator[Batch]) -> Iterator[tuple[pl.DataFrame, int, Batch]]:
    """Take the records out of batches."""
    end = 0
    for batch in batches:
        found = batch.tables.pop("found", pl.DataFrame(schema=FOUND))
        last = found["line"].max()
        end = last if isinstance(last, int) else end
        yield found, end, batch


def _columns_of(found: pl.DataFrame) -> list[pl.Expr]:
    """Select the columns that are read; not every export has them all."""
    return [
        pl.col(name) if name in found.columns else pl.lit(None, pl.String).alias(name) for name in _COLUMNS
    ]


def _layout(head: Head) -> Layout | None:
    """Read the header of a table of delimited fields; None where this is none."""
    first = head.lines[0] if head.lines else ""
    for separator in _SEPARATORS:
        header = fields(first, separator) or []
        if "RawData" in header:
            places = {name: header.index(name) for name in _COLUMNS if name in header}
            return Layout(separator, len(header), places)
    return None


def _is_record(text: str) -> bool:
    """Tell whether a text is a line of an audit log."""
    return _LINE in text and _RECORD in text


SOURCE = AuditLogCl()
