"""JSON documents read one record at a time, whatever their size: arrays, objects that hold one, objects in a row.

What the records mean is not here; JSON lines are `_json_lines`' business.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import polars as pl

from knockwatch.sources import Batch, Reading

BATCH_RECORDS = 5_000
MAX_RECORD = 16 << 20
"""Longest record read, in bytes: a crafted one must not fill memory."""
MISFITS = {"line": pl.Int64(), "text": pl.String()}

Record = tuple[int, Any]


class Stream:
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


def records_of(stream: Stream, prefix: str) -> Iterator[Record]:
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


def batches(stream: Stream, prefix: str) -> Iterator[list[Record]]:
    """Gather records."""
    records = records_of(stream, prefix)
    while gathered := list(islice(records, BATCH_RECORDS)):
        yield gathered


def fault_of(stream: Stream, reading: Reading) -> Iterator[Batch]:
    """Say where a document broke, and count what follows as one misfit; nothing where it is whole."""
    if stream.fault is not None:
        number, why = stream.fault
        reading.evidence.problems.append(
            f"the JSON breaks at record {number} ({why}); nothing after it was read"
        )
        yield Batch(1, {}, pl.DataFrame({"line": [number], "text": [why]}, schema=MISFITS))


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
