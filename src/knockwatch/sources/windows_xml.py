"""Windows events exported as XML: by wevtutil, Get-WinEvent's ToXml, Event Viewer or a parser of EVTX files.

There may be a root element, a declaration before each event, or neither; UTF-8, or UTF-16 as Windows PowerShell writes
it. What events mean is `_windows_events`' business.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from knockwatch.evidence import MAX_LINE
from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._windows_events import EXAMPLE, FILLS, mention, read_events
from knockwatch.sources._windows_records import Event, event_of_xml

Piece = tuple[int, str, int]
"""Number of the first event, text that ends with an event, and how many of its characters replace malformed bytes."""

_START = re.compile(r"<Event(?=[\s>])")
_END = "</Event>"
_MENTIONS = mention(r"<EventID(?:\s[^<>]*)?>\s*", r"\s*<")
_AROUND = re.compile(
    r"<\?xml[^<>]*\?>|</?Events\b[^<>]*>|</?[A-Za-z]\w*\s*>|^\s*(?:Record \d+|-)\s*$", re.MULTILINE
)
"""What stands around events: declarations, a root element, evtx_dump's titles, the signs of a browser's tree."""
_NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event"


class WindowsXml:
    """Reader of events in XML. `line` is the event's number in the file."""

    format = Format(
        "windows-xml",
        "Windows events as XML: wevtutil, Get-WinEvent, Event Viewer",
        FILLS,
        "verified",
        "Microsoft, Windows event schema; elastic/beats winlogbeat/sys/wineventlog/testdata; DigitalRuby/IPBan",
        numbered="record",
    )

    def confidence(self, head: Head) -> float:
        """Nearly certain where the text is XML and the first element, or the first within the root, is an event."""
        text = _decoder(head.data).decode(head.data).lstrip("\ufeff \t\r\n-")
        start = _START.search(text)
        if not text.startswith(("<", "Record ")) or start is None:
            return 0.0
        before = _AROUND.sub("", text[: start.start()]).strip()
        return 0.0 if before else 0.95 if _NAMESPACE in text else 0.6

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read some events at a time."""
        return reading.map(lambda piece: _read(piece, reading), _pieces(reading))


def _decoder(start: bytes) -> codecs.IncrementalDecoder:
    """Choose how bytes become text."""
    wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return codecs.getincrementaldecoder("utf-16" if wide else "utf-8-sig")("replace")


def _pieces(reading: Reading) -> Iterator[Piece]:
    """Cut the text behind events."""
    decoder = _decoder(reading.evidence.head(2))
    number, rest = 1, ""
    for chunk in reading.evidence.chunks():
        text = decoder.decode(chunk)
        malformed = text.count("\ufffd")
        rest += text
        cut = rest.rfind(_END) + len(_END)
        if cut >= len(_END):
            piece, rest = rest[:cut], rest[cut:]
        elif len(rest) > MAX_LINE:
            piece, rest = rest, ""
        else:
            continue
        yield number, piece, malformed
        number += max(1, piece.count(_END))
    rest += decoder.decode(b"", final=True)
    if rest.strip():
        yield number, rest, 0


def _read(piece: Piece, reading: Reading) -> Batch:
    """Read the events of a piece."""
    first, text, malformed = piece
    parts = text.split(_END)
    events: list[tuple[int, Event | None, str]] = []
    count = len(parts) - 1
    for number, part in enumerate(parts, first):
        starts = [match.start() for match in _START.finditer(part)]
        begins = starts[-1] if starts and number < first + count else len(part)
        stray = _AROUND.sub("", part[:begins]).strip()
        if stray:
            events.append((number, None, stray))
        if begins == len(part):
            continue
        event = part[begins:]
        if len(event) > MAX_LINE:
            events.append((number, None, event[:EXAMPLE]))
        elif _MENTIONS.search(event) or "<EventID" not in event:
            events.append((number, event_of_xml(event + _END), event))
    batch = read_events(events, reading.clock)
    batch.records = max(count, 1 if events else 0)
    batch.malformed = malformed
    return batch


SOURCE = WindowsXml()
