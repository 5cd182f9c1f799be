"""Windows events exported as JSON, one object a line or in a document; in what shapes, `_windows_records` says.

What events mean is `_windows_events`' business. UTF-16, as Windows PowerShell writes it, is read too.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping

import polars as pl

from knockwatch.evidence import Block, Lines
from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._json_documents import Record, Stream, as_text, batches, fault_of
from knockwatch.sources._json_lines import object_of
from knockwatch.sources._json_records import HOLDERS, by_line, prefix_of, sample
from knockwatch.sources._windows_events import EXAMPLE, FILLS, mention, read_events
from knockwatch.sources._windows_records import event_of

_NUMBERED = r'"(?:[\w.]+\.)?(?:EventID|EventId|event_id|EventCode|Id)"\s*:\s*'
_MENTIONS = mention(_NUMBERED + r'(?:\[\s*|\{(?:[^{}]|\{[^{}]*\})*:\s*)?"?', r"\b").pattern
"""The number, bare or quoted, as the only one of a list, or as the text of an element with attributes."""


class WindowsJson:
    """Reader of events in JSON. `line` is the record's number: in JSON lines, the line's."""

    format = Format(
        "windows-json",
        "Windows events as JSON: winlogbeat, NXLog, evtx_dump, Get-WinEvent, Sentinel's SecurityEvent",
        FILLS,
        "verified",
        "OTRF/Security-Datasets; omerbenamram/evtx; winlogbeat's exported fields; NXLog im_msvistalog",
        numbered="record",
    )

    def confidence(self, head: Head) -> float:
        """Share of the first records that are events, a little less than certain."""
        found = sample(_narrow(head), HOLDERS)
        return 0.98 * sum(event_of(record) is not None for record in found) / len(found) if found else 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read lines in blocks, several at a time; documents record by record."""
        head = Head(reading.evidence.head())
        narrow = _narrow(head)
        if narrow is head and by_line(head):
            yield from reading.map(lambda block: _read_lines(block, reading), reading.evidence.blocks())
            return
        stream = Stream(
            _transcoded(reading.evidence.chunks()) if narrow is not head else reading.evidence.chunks()
        )
        prefix = prefix_of(narrow) or ""
        for batch in reading.map(lambda records: _read_records(records, reading), batches(stream, prefix)):
            batch.malformed, stream.malformed = stream.malformed, 0
            yield batch
        yield from fault_of(stream, reading)


def _narrow(head: Head) -> Head:
    """Give a head of UTF-16 as UTF-8, and any other as it is."""
    if not head.data.startswith(codecs.BOM_UTF16_LE):
        return head
    return Head(head.data.decode("utf-16", "ignore").encode(errors="replace"), head.whole)


def _transcoded(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Read UTF-16 as UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    for chunk in chunks:
        yield decoder.decode(chunk).encode(errors="replace")


def _read_lines(block: Block, reading: Reading) -> Batch:
    """Read a block of lines; those that mention no event which is read are only looked at from outside."""
    lines = Lines.of(*block)
    whole, cut = lines.parted()
    text = pl.col("text").str.strip_chars(" \t\r\ufeff")
    full = whole.with_columns(text).filter(pl.col("text") != "")
    framed = pl.col("text").str.starts_with("{") & pl.col("text").str.ends_with("}")
    skipped = framed & pl.col("text").str.contains(_NUMBERED) & ~pl.col("text").str.contains(_MENTIONS)
    wanted = full.filter(~skipped)
    found = ((line, object_of(text), text) for line, text in wanted.iter_rows())
    batch = read_events(
        ((line, None if record is None else event_of(record), text) for line, record, text in found),
        reading.clock,
    )
    assert batch.misfits is not None
    batch.misfits = pl.concat([batch.misfits, cut.with_columns(pl.col("text").str.head(EXAMPLE))])
    batch.records, batch.malformed = lines.frame.height, lines.malformed
    return batch


def _read_records(records: list[Record], reading: Reading) -> Batch:
    """Read some records of a document."""
    return read_events(
        (
            (
                number,
                event_of(record) if isinstance(record, Mapping) else None,
                (as_text(record) or "null")[:EXAMPLE],
            )
            for number, record in records
        ),
        reading.clock,
    )


SOURCE = WindowsJson()
