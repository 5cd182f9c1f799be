"""Exports of Sentinel's and Defender's tables as JSON documents. JSON lines are another module.

A document is an array, an object that holds one (``{"value": […]}`` of REST APIs, ``{"Results": […]}`` of
Defender's), or objects one after the other that span lines. Records are read one at a time, whatever the size.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from itertools import islice

import polars as pl

from knockwatch.microsoft import columns
from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._json_documents import (
    MISFITS,
    Record,
    Stream,
    as_text,
    batches,
    fault_of,
    records_of,
)
from knockwatch.sources._json_lines import object_of
from knockwatch.sources._microsoft_columns import SHAPES, Export, recognise
from knockwatch.sources._microsoft_export import FILLS, SAMPLE_RECORDS, TITLE, batch

HOLDERS = ("value", "Results", "results")
"""Keys under which APIs put the rows: Log Analytics, Defender's advanced hunting, Microsoft Graph."""


class MicrosoftJson:
    """Reader of exports in JSON documents."""

    format = Format(
        "microsoft-json",
        f"{TITLE}, JSON",
        FILLS,
        "verified",
        "Azure/Azure-Sentinel, Sample Data/CEF/Fortigate.json; Defender's advanced hunting API",
        numbered="record",
    )

    def confidence(self, head: Head) -> float:
        """Certain where the first records have the columns of one of the tables."""
        return 1.0 if _recognised(head) else 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read the records; what follows a fault in the JSON cannot be told apart, which is said."""
        recognised = _recognised(Head(reading.evidence.head()))
        if recognised is None:
            reading.evidence.problems.append("has no columns of a table that is known")
            return
        prefix, export = recognised
        stream = Stream(reading.evidence.chunks())

        def work(records: list[Record]) -> Batch:
            return _parse(records, export, reading)

        for result in reading.map(work, batches(stream, prefix)):
            result.malformed, stream.malformed = stream.malformed, 0
            yield result
        yield from fault_of(stream, reading)


def _recognised(head: Head) -> tuple[str, Export] | None:
    """Find where the records are (as ijson's prefix) and which table they are of."""
    start = head.data.removeprefix(codecs.BOM_UTF8).lstrip()
    if start[:1] not in (b"[", b"{"):
        return None
    prefix = _prefix(start)
    if prefix is None or (prefix == "" and object_of(head.lines[0]) is not None):
        return None
    stream = Stream(iter([start]))
    records = [record for _, record in islice(records_of(stream, prefix), SAMPLE_RECORDS)]
    found = [record for record in records if isinstance(record, Mapping)]
    names = dict.fromkeys(name for record in found for name in record)
    export = recognise(names, [str(record.get("Type") or "") for record in found])
    return (prefix, export) if export else None


def _prefix(start: bytes) -> str | None:
    """Find the array that holds the records: ``item``, ``value.item``, or nothing for objects in a row."""
    import ijson

    if start.startswith(b"["):
        return "item"
    known = {name for table in SHAPES for name in columns(table)}
    try:
        for prefix, event, value in ijson.parse(Stream(iter([start])), multiple_values=True):
            if event == "start_array" and prefix in HOLDERS:
                return f"{prefix}.item"
            if prefix == "" and event == "map_key" and str(value).split(" [")[0] in known:
                return ""
    except ijson.JSONError:
        pass
    return None


def _parse(records: list[Record], export: Export, reading: Reading) -> Batch:
    """Read some records; what is no object is a misfit."""
    kinds = columns(export.table)
    cells: dict[str, list[str | None]] = {}
    lines: list[int] = []
    bad: list[tuple[int, str]] = []
    for number, record in records:
        if not isinstance(record, Mapping):
            bad.append((number, as_text(record) or "null"))
            continue
        for key, value in record.items():
            name = export.columns.get(key, key)
            if name in kinds and value is not None:
                column = cells.setdefault(name, [])
                column.extend([None] * (len(lines) - len(column)))
                if len(column) == len(lines):
                    column.append(as_text(value))
        lines.append(number)
    for column in cells.values():
        column.extend([None] * (len(lines) - len(column)))
    rows = pl.DataFrame(
        {"line": lines, **cells}, schema={"line": pl.Int64(), **dict.fromkeys(cells, pl.String())}
    )
    result = batch(rows, export, reading)
    result.records += len(bad)
    odd = pl.DataFrame(bad, schema=MISFITS, orient="row")
    result.misfits = odd if result.misfits is None else pl.concat([result.misfits, odd])
    return result


SOURCE = MicrosoftJson()
