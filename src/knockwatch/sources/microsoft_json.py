"""Exports of Syslog, CommonSecurityLog and DeviceProcessEvents as JSON documents. JSON lines are another module.

A document is an array, an object that holds one (``{"value": […]}`` of REST APIs, ``{"Results": […]}`` of
Defender's), or objects one after the other that span lines. Records are read one at a time, whatever the size.
"""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import polars as pl

from knockwatch.microsoft import TABLES, columns
from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._json_lines import object_of
from knockwatch.sources._microsoft_columns import Export, recognise
from knockwatch.sources._microsoft_export import FILLS, SAMPLE_RECORDS, TITLE, batch

HOLDERS = ("value", "Results", "results")
"""Keys under which APIs put the rows: Log Analytics, Defender's advanced hunting, Microsoft Graph."""
BATCH_RECORDS = 5_000
MAX_RECORD = 16 << 20
"""Longest record read, in bytes: a crafted one must not fill memory."""

Record = tuple[int, Any]


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
        stream = _Stream(reading.evidence.chunks())

        def work(records: list[Record]) -> Batch:
            return _parse(records, export, reading)

        for result in reading.map(work, _batches(stream, prefix)):
            result.malformed, stream.malformed = stream.malformed, 0
            yield result
        if stream.fault is not None:
            number, why = stream.fault
            reading.evidence.problems.append(
                f"the JSON breaks at record {number} ({why}); nothing after it was read"
            )
            fault = pl.DataFrame({"line": [number], "text": [why]}, schema=_MISFITS)
            yield Batch(1, {}, fault)


_MISFITS = {"line": pl.Int64(), "text": pl.String()}


class _Stream:
    """A file's bytes for the JSON reader, made valid UTF-8, which stops in a record that is too long."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self.since_record = 0
        self.malformed = 0
        self.fault: tuple[int, str] | None = None

    def read(self, size: int) -> bytes:
        """Give the next bytes; none where the file or a bearable record ends."""
        if size == 0 or self.since_record > MAX_RECORD:
            return b""
        while not self._rest:
            chunk = next(self._chunks, None)
            text = self._decoder.decode(chunk or b"", final=chunk is None)
            # A replacement character that the file itself holds counts too; both are rare.
            self.malformed += text.count("\ufffd")
            self._rest = text.encode()
            if chunk is None:
                break
        piece = self._rest[:size]
        self._rest = self._rest[len(piece) :]
        self.since_record += len(piece)
        return piece


def _recognised(head: Head) -> tuple[str, Export] | None:
    """Find where the records are (as ijson's prefix) and which table they are of."""
    start = head.data.removeprefix(codecs.BOM_UTF8).lstrip()
    if start[:1] not in (b"[", b"{"):
        return None
    prefix = _prefix(start)
    if prefix is None or (prefix == "" and object_of(head.lines[0]) is not None):
        return None
    stream = _Stream(iter([start]))
    records = [record for _, record in islice(_records(stream, prefix), SAMPLE_RECORDS)]
    found = [record for record in records if isinstance(record, Mapping)]
    names = dict.fromkeys(name for record in found for name in record)
    export = recognise(names, [str(record.get("Type") or "") for record in found])
    return (prefix, export) if export else None


def _prefix(start: bytes) -> str | None:
    """Find the array that holds the records: ``item``, ``value.item``, or nothing for objects in a row."""
    import ijson

    if start.startswith(b"["):
        return "item"
    known = {name for table in TABLES for name in columns(table)}
    try:
        for prefix, event, value in ijson.parse(io.BytesIO(start), multiple_values=True):
            if event == "start_array" and prefix in HOLDERS:
                return f"{prefix}.item"
            if prefix == "" and event == "map_key" and str(value).split(" [")[0] in known:
                return ""
    except ijson.JSONError:
        pass
    return None


def _records(stream: _Stream, prefix: str) -> Iterator[Record]:
    """Read numbered records one at a time; a fault ends them and is kept in the stream."""
    import ijson

    number = 0
    try:
        # A small buffer keeps the count of bytes since the last record honest.
        for number, record in enumerate(
            ijson.items(stream, prefix, multiple_values=True, buf_size=1 << 16), 1
        ):
            stream.since_record = 0
            yield number, record
    except (ijson.JSONError, UnicodeDecodeError) as error:
        long = stream.since_record > MAX_RECORD
        why = f"longer than {MAX_RECORD} bytes" if long else _first_line(error)
        stream.fault = (number + 1, why)


def _first_line(error: Exception) -> str:
    """Give the reader's word for a fault, without its drawing of the place."""
    return str(error).strip("b'\"").partition("\n")[0].partition("\\n")[0].strip()


def _batches(stream: _Stream, prefix: str) -> Iterator[list[Record]]:
    """Gather records."""
    records = _records(stream, prefix)
    while gathered := list(islice(records, BATCH_RECORDS)):
        yield gathered


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
    odd = pl.DataFrame(bad, schema=_MISFITS, orient="row")
    result.misfits = odd if result.misfits is None else pl.concat([result.misfits, odd])
    return result


def as_text(value: Any) -> str | None:
    """Give a value as text: a string as it is, anything else as JSON; null where it nests beyond reason."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, dict | list):
        return str(value)
    try:
        return json.dumps(value, ensure_ascii=False, default=_number, separators=(",", ":"))
    except RecursionError:
        return None


def _number(value: Any) -> int | float | str:
    """Give a decimal number, or whatever else JSON has no name for, as JSON can write it."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return str(value)


SOURCE = MicrosoftJson()
