"""JSON documents read one record at a time, whatever their size: arrays, objects that hold one, objects in a row.

What the records mean is not here; JSON lines are `_json_lines`' business.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from knockwatch.sources import Batch, Reading

BATCH_RECORDS = 5_000
MAX_RECORD = 16 << 20
"""Longest record read, in bytes: a crafted one must not fill memory."""
MAX_DIGITS = 600
"""Digits of the longest whole number read: ijson's parser in C follows a null pointer at one that Python refuses,
which is from 640 digits on at the lowest (sys.set_int_max_str_digits)."""
_LONG_NUMBER = re.compile(rb"(?<=[\s:,\[])-?[0-9]{%d}" % MAX_DIGITS)
_SPACING = MAX_DIGITS // 6
_LIKELY = re.compile(rb"[0-9]{5}")
"""What stands in every `_SPACING`th byte where such a number is, and hardly anywhere else."""
MAX_DEPTH = 6_000
"""Objects and arrays within each other that are read: ijson takes time with the square of their number."""
MISFITS = {"line": pl.Int64(), "text": pl.String()}

Record = tuple[int, Any]


class Stream:
    """A file's bytes for the JSON reader, made valid UTF-8, which stops in what is too long or too deep."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""
        self._before = b" "
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self.since_record = 0
        self.depth = 0
        self.malformed = 0
        self.long_number = self.too_deep = False
        self.fault: tuple[int, str] | None = None

    def read(self, size: int) -> bytes:
        """Give the next bytes; none where the file or a bearable record ends."""
        if size == 0 or self.too_deep or self.since_record > MAX_RECORD:
            return b""
        while not self._rest and not self.long_number:
            chunk = next(self._chunks, None)
            text = self._decoder.decode(chunk or b"", final=chunk is None)
            # A replacement character that the file itself holds counts too; both are rare.
            self.malformed += text.count("\ufffd")
            self._rest = self._bearable(text.encode())
            if chunk is None:
                break
        piece = self._rest[:size]
        self._rest = self._rest[len(piece) :]
        self.since_record += len(piece)
        return b"" if self._sinks(piece) else piece

    def _sinks(self, piece: bytes) -> bool:
        """Tell whether a piece leads too deep; brackets in texts count too, and mostly come in pairs."""
        depths = np.cumsum(_steps()[np.frombuffer(piece, dtype=np.uint8)], dtype=np.int32)
        if len(depths):
            self.too_deep = self.depth + int(depths.max()) > MAX_DEPTH
            self.depth = max(self.depth + int(depths[-1]), 0)
        return self.too_deep

    def _bearable(self, data: bytes) -> bytes:
        """Give what stands before a number that is too long; all where there is none."""
        whole = self._before + data
        self._before = whole[-MAX_DIGITS - 2 :]
        if not _LIKELY.search(whole[::_SPACING]) or (found := _LONG_NUMBER.search(whole)) is None:
            return data
        self.long_number = True
        return data[: max(found.start() + len(data) - len(whole), 0)]


@cache
def _steps() -> npt.NDArray[np.int8]:
    """Give what each byte adds to the depth."""
    steps = np.zeros(256, dtype=np.int8)
    steps[list(b"[{")], steps[list(b"]}")] = 1, -1
    return steps


def records_of(stream: Stream, prefix: str) -> Iterator[Record]:
    """Read numbered records one at a time; a fault ends them and is kept in the stream."""
    import ijson

    number = 0
    try:
        # A small buffer keeps the count of bytes since the last record honest.
        for number, record in enumerate(
            ijson.items(stream, prefix, multiple_values=True, buf_size=1 << 16), 1
        ):
            stream.since_record = stream.depth = 0
            yield number, record
    except (ijson.JSONError, UnicodeDecodeError) as error:
        stream.fault = (number + 1, _why(stream, error))


def _why(stream: Stream, error: Exception) -> str:
    """Say why nothing more could be read."""
    if stream.too_deep:
        return f"nested more than {MAX_DEPTH} deep"
    if stream.long_number:
        return f"a number of more than {MAX_DIGITS} digits"
    return f"longer than {MAX_RECORD} bytes" if stream.since_record > MAX_RECORD else _first_line(error)


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
