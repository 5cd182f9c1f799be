"""Writes EVTX files of events given as XML, since a log with what a test needs is seldom at hand.

Every record has its binary XML in full, without templates, which is all that the format asks for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from xml.etree import ElementTree

HEADER, CHUNK = 4096, 65536
_FIRST_RECORD = 512
_FRAGMENT, _END_OF_STREAM = b"\x0f\x01\x01\x00", b"\x00"
_OPEN, _OPEN_WITH_ATTRIBUTES, _CLOSE_START, _END = 0x01, 0x41, b"\x02", b"\x04"
_VALUE, _ATTRIBUTE, _ATTRIBUTE_AND_MORE, _STRING = 0x05, 0x06, 0x46, 0x01


def evtx(events: Iterable[str]) -> bytes:
    """Write a log."""
    chunks = list(_chunks(events))
    header = struct.pack("<8sQQQIHHHH", b"ElfFile\0", 0, len(chunks) - 1, 1, 128, 1, 3, HEADER, len(chunks))
    return header.ljust(HEADER, b"\0") + b"".join(chunks)


def _chunks(events: Iterable[str]) -> Iterator[bytes]:
    body, first, number = b"", 1, 0
    for number, event in enumerate(events, 1):
        record = _record(event, number, _FIRST_RECORD + len(body))
        if _FIRST_RECORD + len(body) + len(record) > CHUNK:
            yield _chunk(body, first, number - 1)
            body, first = b"", number
            record = _record(event, number, _FIRST_RECORD)
        body += record
    yield _chunk(body, first, number)


def _chunk(body: bytes, first: int, last: int) -> bytes:
    end = _FIRST_RECORD + len(body)
    header = struct.pack("<8sQQQQIIII", b"ElfChnk\0", first, last, first, last, 128, end, end, 0)
    return (header.ljust(_FIRST_RECORD, b"\0") + body).ljust(CHUNK, b"\0")


def _record(event: str, number: int, at: int) -> bytes:
    root = ElementTree.fromstring(event)
    content = _FRAGMENT + _element(root, at + 24 + len(_FRAGMENT)) + _END_OF_STREAM
    content = content.ljust(-(-len(content) // 8) * 8 + 4, b"\0")
    size = 24 + len(content) + 4
    return (
        struct.pack("<4sIQQ", b"**\0\0", size, number, 132_000_000_000_000_000)
        + content
        + struct.pack("<I", size)
    )


def _element(element: ElementTree.Element, at: int) -> bytes:
    attributes = list(element.attrib.items())
    begin = struct.pack("<BI", _OPEN_WITH_ATTRIBUTES if attributes else _OPEN, 0)
    written = begin + _name(element.tag.rpartition("}")[2], at + len(begin))
    if attributes:
        written += _attributes(attributes, at + len(written))
    written += _CLOSE_START
    if element.text and element.text.strip():
        written += _text(element.text)
    for child in element:
        written += _element(child, at + len(written))
    return written + _END


def _attributes(attributes: Sequence[tuple[str, str]], at: int) -> bytes:
    written = b""
    for index, (name, value) in enumerate(attributes, 1):
        written += bytes([_ATTRIBUTE if index == len(attributes) else _ATTRIBUTE_AND_MORE])
        written += _name(name, at + 4 + len(written)) + _text(value)
    return struct.pack("<I", len(written)) + written


def _name(name: str, at: int) -> bytes:
    """A name stands where it is first used, behind its own offset."""
    return struct.pack("<IIHH", at + 4, 0, 0, len(name)) + name.encode("utf-16-le") + b"\0\0"


def _text(text: str) -> bytes:
    return struct.pack("<BBH", _VALUE, _STRING, len(text)) + text.encode("utf-16-le")
