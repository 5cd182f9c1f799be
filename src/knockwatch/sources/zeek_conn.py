"""Zeek's conn.log as text: fields divided by the character, and named in the order, that its header states.

A file may be several logs one after the other, each with its header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from knockwatch.evidence import Block, Lines
from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._zeek import FIELDS, NEEDED, REFERENCE, connections

_DIRECTIVE = re.compile(rb"^#(separator|unset_field|fields)([^\r\n]*)", re.MULTILINE)
_ESCAPED = re.compile(rb"\\x([0-9a-fA-F]{2})")
_STAND_IN = "\x1f"
"""What takes the place of a separator that is more than one byte."""


@dataclass(frozen=True)
class _Layout:
    """What a header states: the separator, the word for a field without a value, and the fields."""

    separator: str = "\t"
    unset: str = "-"
    fields: tuple[str, ...] = ()

    @property
    def readable(self) -> bool:
        """Tell whether these are connections."""
        return set(self.fields) >= NEEDED


class ZeekConn:
    """Reader of Zeek's connections in text."""

    format = Format("zeek-conn", "Zeek conn.log, text with a header", ("connections",), "verified", REFERENCE)

    def confidence(self, head: Head) -> float:
        """Be sure where a header names a connection's fields."""
        if not head.text.startswith("#"):
            return 0.0
        layout = _Layout()
        for match in _DIRECTIVE.finditer(head.text.encode()):
            layout = _told(layout, match)
        return 0.95 if layout.readable else 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read the lines between headers, several blocks at a time."""
        return reading.map(
            lambda part: _batch(part[0], part[1], reading), _under_headers(reading.evidence.blocks())
        )


def _told(layout: _Layout, match: re.Match[bytes]) -> _Layout:
    r"""Take in one line of a header, in which a separator is written as ``\x09``."""
    directive, rest = match[1], match[2]
    if directive == b"separator":
        # With it a log's header begins anew.
        separator = _ESCAPED.sub(lambda code: bytes.fromhex(code[1].decode()), rest[1:])
        return _Layout(separator.decode("utf-8", "replace") or "\t")
    value = rest.decode("utf-8", "replace").removeprefix(layout.separator)
    if directive == b"unset_field":
        return _Layout(layout.separator, value)
    return _Layout(layout.separator, layout.unset, tuple(value.split(layout.separator)))


def _under_headers(blocks: Iterable[Block]) -> Iterator[tuple[Block, _Layout]]:
    """Cut blocks where a header changes the fields, and give each piece its layout."""
    layout = _Layout()
    for data, number in blocks:
        begin, first = 0, number
        if data.startswith(b"#") or b"\n#fields" in data or b"\n#separator" in data:
            for match in _DIRECTIVE.finditer(data):
                if match[1] != b"unset_field" and match.start() > begin:
                    piece = data[begin : match.start()]
                    yield (piece, first), layout
                    begin, first = match.start(), first + piece.count(b"\n")
                layout = _told(layout, match)
        yield (data[begin:], first), layout


def _batch(block: Block, layout: _Layout, reading: Reading) -> Batch:
    """Read the lines of one layout."""
    lines = Lines.of(*block)
    whole, cut = lines.parted()
    text = pl.col("text")
    data = whole.filter(~text.str.starts_with("#") & (text.str.strip_chars() != ""))
    # Of lines that are longer than others, Polars' reader leaves out the end without a word.
    even = text.str.count_matches(layout.separator, literal=True) + 1 == len(layout.fields)
    fits = data.select(even & layout.readable).to_series()
    regular = data.filter(fits)
    bad = [data.filter(~fits), cut]
    batch = Batch(lines.frame.height, malformed=lines.malformed)
    if regular.height:
        batch.tables["connections"], odd = connections(_split(regular, layout), reading)
        bad.append(regular.join(odd, on="line", how="semi"))
    batch.misfits = pl.concat(bad)
    return batch


def _split(lines: pl.DataFrame, layout: _Layout) -> pl.DataFrame:
    """Split lines that have as many fields as the layout, and keep those that are wanted; Zeek quotes nothing."""
    text, separator = lines["text"], layout.separator
    if len(separator.encode()) > 1:
        text = text.str.replace_all(_STAND_IN, " ", literal=True)
        text, separator = text.str.replace_all(separator, _STAND_IN, literal=True), _STAND_IN
    places = {name: str(place) for place, name in enumerate(layout.fields)}
    read = pl.read_csv(
        text.str.join("\n").item().encode(),
        has_header=False,
        separator=separator,
        quote_char=None,
        schema={str(place): pl.String() for place in range(len(layout.fields))},
        columns=sorted(int(places[field]) for field in FIELDS if field in places),
        null_values=[layout.unset],
    )
    missing = pl.lit(None, dtype=pl.String)
    return lines.select("line").hstack(
        read.select((pl.col(places[field]) if field in places else missing).alias(field) for field in FIELDS)
    )


SOURCE = ZeekConn()
