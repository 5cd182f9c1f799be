"""The systemd journal in its export format, `journalctl -o export`: a field a line, a blank line after each entry.

A field with bytes that are no text has its name on a line of its own, then the length of its value as a
little-endian 64-bit number, then the value. The `line` of an entry is the one where its message stands (its first
line if it has no message), so that the evidence quoted for it is the message.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import polars as pl

from knockwatch.evidence import BLOCK_BYTES, MAX_LINE
from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources.journald_json import FIELDS, TIMES, entries

_WANTED = {name.encode(): name for name in FIELDS}
_NAME = re.compile(rb"[A-Z0-9_]{1,64}")
_TIME = re.compile(rf"^(?:{'|'.join(TIMES)})=\d+$", re.MULTILINE)
_LENGTH_BYTES = 8


class JournaldExport:
    """Reader of the journal's export format."""

    format = Format(
        "journald-export",
        "systemd journal, journalctl -o export",
        ("messages", "connections"),
        "verified",
        "systemd.io/JOURNAL_EXPORT_FORMATS; own lab through journalctl",
    )

    def confidence(self, head: Head) -> float:
        """Near certain for a first line that is a field of the journal, and an entry's time after it."""
        first = head.lines[0] if head.lines else ""
        name, _, _ = first.partition("=")
        fits = _NAME.fullmatch(name.encode()) and name.startswith("_") and _TIME.search(head.text)
        return 0.95 if fits else 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read entry by entry, a bounded number of bytes at a time."""
        stream = io.BufferedReader(_Chunks(reading.evidence.chunks()), BLOCK_BYTES)
        gathered, size = list[_Entry](), 0
        for entry in _entries(stream):
            gathered.append(entry)
            size += entry.size
            if size > BLOCK_BYTES:
                yield _batch(gathered, reading)
                gathered, size = [], 0
        if gathered:
            yield _batch(gathered, reading)


@dataclass
class _Entry:
    """The wanted fields of one entry, the line it is told by, and what of it is damaged."""

    line: int
    size: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    damaged: str | None = None
    malformed: bool = False

    def add(self, name: bytes, value: bytes, line: int) -> None:
        """Keep a field; a further value of the same is kept only of messages."""
        wanted = _WANTED.get(name)
        if wanted is None:
            return
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            text, self.malformed = value.decode("utf-8", "backslashreplace"), True
        if wanted not in self.fields:
            self.fields[wanted] = text
            if wanted == "MESSAGE":
                self.line = line
        elif wanted == "MESSAGE" and len(self.fields[wanted]) < MAX_LINE:
            self.fields[wanted] += "\n" + text
        self.size += len(text)


def _entries(stream: BinaryIO) -> Iterator[_Entry]:
    """Cut a stream into entries; bytes that are no field end up in an entry's `damaged`."""
    number, entry = 1, None
    while read := _line(stream):
        text, overlong = read
        line, number = number, number + 1
        if not text:
            if entry:
                yield entry
            entry = None
            continue
        entry = entry or _Entry(line)
        # Fields nobody asks for count too, else an entry without end would fill memory with damage.
        entry.size += 1
        name, equals, value = text.partition(b"=")
        if overlong or not _NAME.fullmatch(name):
            entry.damaged = entry.damaged or _shown(text)
        elif equals:
            entry.add(name, value, line)
        else:
            binary = _binary(stream)
            number += binary.newlines
            entry.add(name, binary.value, line + 1)
            if binary.broken:
                entry.damaged = _shown(name)
    if entry:
        yield entry


def _line(stream: BinaryIO) -> tuple[bytes, bool] | None:
    """Read a line without its end, and whether it was cut at `MAX_LINE`; None at the end of the stream."""
    text = stream.readline(MAX_LINE)
    if not text:
        return None
    if text.endswith(b"\n") or len(text) < MAX_LINE:
        return text.rstrip(b"\n"), False
    while (rest := stream.readline(MAX_LINE)) and not rest.endswith(b"\n"):
        pass
    return text, True


@dataclass(frozen=True)
class _Binary:
    """A value with its length before it: cut at `MAX_LINE`; broken if it does not end where it says."""

    value: bytes
    newlines: int
    broken: bool


def _binary(stream: BinaryIO) -> _Binary:
    """Read a value that has its length before it."""
    head = stream.read(_LENGTH_BYTES)
    left = int.from_bytes(head, "little")
    newlines, value = head.count(b"\n"), b""
    while left and (piece := stream.read(min(left, MAX_LINE))):
        value = value or piece
        newlines += piece.count(b"\n")
        left -= len(piece)
    end = stream.read(1)
    return _Binary(value, newlines + end.count(b"\n"), len(head) < _LENGTH_BYTES or left > 0 or end != b"\n")


def _shown(text: bytes) -> str:
    """Give a damaged line as text."""
    return text.decode("utf-8", "backslashreplace")


def _batch(gathered: list[_Entry], reading: Reading) -> Batch:
    """Turn entries into rows; one that is damaged, or has no time, is a misfit."""
    sound = [entry for entry in gathered if entry.damaged is None]
    columns = {
        "line": pl.Series([entry.line for entry in sound], dtype=pl.Int64),
        **{name: pl.Series([entry.fields.get(name) for entry in sound], dtype=pl.String) for name in FIELDS},
    }
    batch = entries(pl.DataFrame(columns), reading)
    read = set(batch.tables["messages"]["line"])
    bad = [
        {"line": entry.line, "text": entry.damaged or entry.fields.get("MESSAGE", "")}
        for entry in gathered
        if entry.damaged is not None or entry.line not in read
    ]
    unread = pl.DataFrame(bad, schema={"line": pl.Int64, "text": pl.String})
    batch.misfits = unread if batch.misfits is None else pl.concat([batch.misfits, unread])
    batch.records = len(gathered)
    batch.malformed = sum(entry.malformed for entry in gathered)
    return batch


class _Chunks(io.RawIOBase):
    """Pieces of a file as a raw stream, for `io.BufferedReader`."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


SOURCE = JournaldExport()
