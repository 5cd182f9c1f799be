"""Exports of Sentinel's and Defender's tables as CSV or TSV. JSON and Parquet are other modules.

Fields follow RFC 4180, with commas or tabs whatever the file is called. Columns that Microsoft's table does not
have are ignored, of columns that come twice the first counts. A line break inside a field reads as a newline.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._delimited import Block, Layout, blocks, fields, split
from knockwatch.sources._microsoft_columns import Export, recognise
from knockwatch.sources._microsoft_export import FILLS, SAMPLE_RECORDS, TITLE, batch

_SEPARATORS = (",", "\t", ";")


@dataclass(frozen=True)
class _Layout:
    """How one file is laid out, and what its columns are."""

    fields: Layout
    export: Export


class MicrosoftCsv:
    """Reader of CSV and TSV exports."""

    format = Format(
        "microsoft-csv",
        f"{TITLE}, CSV or TSV",
        FILLS,
        "verified",
        "Azure/Azure-Sentinel, Sample Data; Log Analytics and Defender portals",
    )

    def confidence(self, head: Head) -> float:
        """Certain where the header is that of one of the tables."""
        return 1.0 if _layout(head) else 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read the records in blocks; one that has not the header's number of fields is a misfit."""
        layout = _layout(Head(reading.evidence.head()))
        if layout is None:
            reading.evidence.problems.append("has no header of a table that is known")
            return

        def work(block: Block) -> Batch:
            return _parse(block, layout, reading)

        yield from reading.map(work, blocks(reading))


def _layout(head: Head) -> _Layout | None:
    """Read the header, if it is one of ours."""
    lines = head.lines[: SAMPLE_RECORDS + 1]
    for separator in _SEPARATORS:
        if not lines or separator not in lines[0]:
            continue
        header = fields(lines[0], separator)
        if header is None:
            continue
        at = header.index("Type") if "Type" in header else len(header)
        rows = [fields(line, separator) or [] for line in lines[1:]]
        types = [row[at] for row in rows if at < len(header) == len(row)]
        if export := recognise(header, types):
            places = {known: header.index(name) for name, known in export.columns.items()}
            return _Layout(Layout(separator, len(header), places), export)
    return None


def _parse(block: Block, layout: _Layout, reading: Reading) -> Batch:
    """Split records into fields, then read them."""
    found, odd = split(block.records, layout.fields)
    result = batch(found, layout.export, reading)
    result.records += odd.height
    result.misfits = odd if result.misfits is None else pl.concat([result.misfits, odd])
    result.malformed = block.malformed
    return result


SOURCE = MicrosoftCsv()
