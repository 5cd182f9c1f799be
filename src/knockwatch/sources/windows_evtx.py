"""Windows event logs as Windows keeps them, EVTX files. What events mean is `_windows_events`' business.

The parser is the Rust one of the package `evtx`. It is given few chunks at a time, each of which stands for itself, so
that memory does not grow with the log, streams can be read, and a damaged chunk costs nothing but itself.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator

import polars as pl

from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._json_lines import object_of
from knockwatch.sources._windows_events import EXAMPLE, FILLS, mention, read_events
from knockwatch.sources._windows_records import Event, event_of

Chunks = tuple[int, list[bytes]]
"""Number of the first chunk, and some chunks."""

_MAGIC, _CHUNK_MAGIC = b"ElfFile\x00", b"ElfChnk\x00"
_HEADER_BYTES, _CHUNK_BYTES = 4096, 65536
_CHUNKS_AT_ONCE = 32
_TABLES = struct.Struct("<96I")
"""At offset 128 of a chunk: where the names and the templates are that begin each list of them."""
_TABLES_AT = 128
_NEXT = struct.Struct("<I")
_MENTIONS = mention(r'"EventID":(?:\{[^{}]*(?:\{[^{}]*\}[^{}]*)?"#text":)?"?', r"\b")
_RECORD_NUMBER = re.compile(r"record (?:number|ID|IDs) (\d{1,18})", re.IGNORECASE)
_MAX_RECORD = 4 << 20
"""Longest record read, as text: a chunk has 64 KiB, but a crafted template may repeat a value thousands of times."""


class WindowsEvtx:
    """Reader of EVTX files. `line` is the record's number in the file."""

    format = Format(
        "windows-evtx",
        "Windows event log, EVTX: Security, System, Sysmon, firewall, remote desktop, OpenSSH",
        FILLS,
        "verified",
        "libyal/libevtx, Windows XML Event Log (EVTX) format; omerbenamram/evtx, samples",
        numbered="record",
    )

    def confidence(self, head: Head) -> float:
        """Certain by the magic bytes."""
        return 1.0 if head.data.startswith(_MAGIC) else 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read some chunks at a time."""
        if reading.evidence.head(len(_MAGIC)) != _MAGIC:
            reading.evidence.problems.append("is no EVTX file")
            return
        yield from reading.map(lambda chunks: _read(chunks, reading), _groups(reading))


def _groups(reading: Reading) -> Iterator[Chunks]:
    """Gather chunks; one that is cut short is filled up, so that the records it still has are read."""
    rest, skip, number = b"", _HEADER_BYTES, 0
    gathered: list[bytes] = []
    for piece in reading.evidence.chunks():
        rest += piece
        if skip:
            skip, rest = max(0, skip - len(rest)), rest[skip:]
        whole = len(rest) - len(rest) % _CHUNK_BYTES
        gathered += [rest[at : at + _CHUNK_BYTES] for at in range(0, whole, _CHUNK_BYTES)]
        rest = rest[whole:]
        while len(gathered) >= _CHUNKS_AT_ONCE:
            yield number, gathered[:_CHUNKS_AT_ONCE]
            gathered, number = gathered[_CHUNKS_AT_ONCE:], number + _CHUNKS_AT_ONCE
    if skip:
        reading.evidence.problems.append("the log breaks off in its header")
    if rest.strip(b"\0"):
        reading.evidence.problems.append(
            "the log breaks off in the midst of a chunk; what stands before was read"
        )
        gathered.append(rest.ljust(_CHUNK_BYTES, b"\0"))
    if gathered:
        yield number, gathered


def _read(chunks: Chunks, reading: Reading) -> Batch:
    """Read some chunks."""
    first, candidates = chunks
    sound: list[bytes] = []
    odd: list[tuple[int, str]] = []
    for number, chunk in enumerate(candidates, first + 1):
        if chunk.startswith(_CHUNK_MAGIC) and not _circular(chunk):
            sound.append(chunk)
        elif chunk.strip(b"\0"):
            odd.append((number, f"chunk {number} of the log is damaged"))
    events: list[tuple[int, Event | None, str]] = []
    count = 0
    for line, text, fault in _records(sound):
        count += 1
        if fault is not None:
            odd.append((line, fault))
        elif len(text) > _MAX_RECORD:
            odd.append((line, text[:EXAMPLE]))
        elif _MENTIONS.search(text):
            record = object_of(text)
            events.append((line, None if record is None else event_of(record), text))
    batch = read_events(events, reading.clock)
    batch.records = count + sum(1 for _, text in odd if text.startswith("chunk "))
    bad = pl.DataFrame(odd, schema={"line": pl.Int64(), "text": pl.String()}, orient="row")
    batch.misfits = bad if batch.misfits is None else pl.concat([bad, batch.misfits])
    return batch


def _records(chunks: list[bytes]) -> Iterator[tuple[int, str, str | None]]:
    """Read records: number, JSON, and what is wrong with one that cannot be read."""
    from evtx import PyEvtxParser

    if not chunks:
        return
    header = bytearray(_HEADER_BYTES)
    # Only the marks, the sizes and the version are looked at; the parser counts the chunks itself.
    struct.pack_into(
        "<8sQQQIHHHH", header, 0, _MAGIC, 0, len(chunks) - 1, 1, 128, 1, 3, _HEADER_BYTES, len(chunks)
    )
    records = iter(PyEvtxParser(io.BytesIO(b"".join([bytes(header), *chunks])), 1).records_json())
    last = 0
    while True:
        try:
            record = next(records)
        except StopIteration:
            return
        except RuntimeError as error:
            named = _RECORD_NUMBER.search(str(error))
            yield max(1, int(named[1]) if named else last + 1), "", str(error).partition("\n")[0][:EXAMPLE]
            continue
        assert record is not None
        last = record["event_record_id"]
        yield max(1, last), record["data"], None


def _circular(chunk: bytes) -> bool:
    """Tell whether a list of names or templates comes back to itself, which the parser would follow for ever."""
    for begin in _TABLES.unpack_from(chunk, _TABLES_AT):
        at, seen = begin, set[int]()
        while at and at + _NEXT.size <= len(chunk):
            if at in seen:
                return True
            seen.add(at)
            (at,) = _NEXT.unpack_from(chunk, at)
    return False


SOURCE = WindowsEvtx()
