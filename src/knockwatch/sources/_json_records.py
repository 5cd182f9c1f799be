"""Base of sources whose records are JSON objects of any nesting: one a line, or in a document. It knows no keys.

A key is written as a path (``flow.pkts_toserver``); a record may nest it or have it flat, with the dots in its name.
"""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

import polars as pl

from knockwatch._compiled import worthwhile
from knockwatch.evidence import Block, Lines
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

Spelling = Literal["nested", "flat", "both"]

SAMPLE_RECORDS = 20
"""How many records are looked at to tell a format."""
HOLDERS = ("records", "Records", "events", "logEvents", "hits.hits", "value", "results")
"""Keys under which documents put their records: Azure, AWS, Elasticsearch, Log Analytics."""


FEW = 500
"""Lines among which one that is no object is sought line by line."""

_BLANKS = " \t\r\ufeff"
_STRIPPED = pl.col("text").str.strip_chars(_BLANKS)
_FRAMED = _STRIPPED.str.starts_with("{") & _STRIPPED.str.ends_with("}")


class JsonRecords(ABC):
    """Base of such sources.

    A subclass names the keys it reads, tells a record of its own, and turns a frame of texts into rows.
    """

    format: Format
    keys: Sequence[str] = ()
    """Paths that are read."""
    holders: Sequence[str] = HOLDERS
    spelling: Spelling = "both"
    """How a record may write a path: as objects in objects, or as one key with dots. To look for both costs time."""
    telling: str = ""
    """Pattern of the lines that are looked into, where most of a file's are of kinds that are passed over."""
    kindred: str = ""
    """What the lines that are passed over hold; others are not understood."""

    @abstractmethod
    def belongs(self, record: Mapping[str, Any]) -> bool:
        """Tell whether a record is of this format."""

    @abstractmethod
    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        """Turn records into rows.

        Parameters
        ----------
        records
            `line` (line or record number), and a column of text for each of `keys`: a string as it is, null
            where missing, anything else as JSON.

        Returns
        -------
        Batch
            Rows, whose `line` says what became of which record, and as misfits (`line`, and `text`, which may be
            null) the records that make no sense. A record that is in neither is none of this format's business
            (an event of another kind), and is counted nowhere.
        """

    def spelling_of(self, head: Head) -> Spelling:
        """Say how the records of a file that begins so write a path."""
        del head
        return self.spelling

    def confidence(self, head: Head) -> float:
        """Share of the first records that are of this format, a little less than certain."""
        found = sample(head, self.holders)
        return 0.95 * sum(map(self.belongs, found)) / len(found) if found else 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read lines in blocks, several at a time; documents record by record."""
        head = Head(reading.evidence.head())
        if by_line(head):
            spelling = self.spelling_of(head)
            yield from reading.map(
                lambda block: self._lines(block, reading, spelling), reading.evidence.blocks()
            )
            return
        prefix = prefix_of(head, self.holders)
        stream = Stream(reading.evidence.chunks())
        for batch in reading.map(
            lambda records: self._records(records, reading), batches(stream, prefix or "")
        ):
            batch.malformed, stream.malformed = stream.malformed, 0
            yield batch
        yield from fault_of(stream, reading)

    def _lines(self, block: Block, reading: Reading, spelling: Spelling) -> Batch:
        """Read a block of lines."""
        if not worthwhile(reading.evidence.size):
            return self._plainly(block, reading, spelling)
        from knockwatch.sources import _json_blocks

        read = _json_blocks.read(block, self.keys, spelling)
        if read is None:
            return self._plainly(block, reading, spelling)
        found, left = read
        batch = self._of_block(block, found, reading)
        return left.beside(batch, lambda lines: self._plainly(lines, reading, spelling))

    def _of_block(self, block: Block, found: pl.DataFrame, reading: Reading) -> Batch:
        """Turn records that were read from a block's bytes into rows; misfits get the texts of their lines."""
        batch = self.rows(found, reading)
        batch.records = found.height
        if batch.misfits is not None and batch.misfits.height:
            batch.misfits = _only(Lines.of(*block).frame, batch.misfits)
        return batch

    def _plainly(self, block: Block, reading: Reading, spelling: Spelling) -> Batch:
        """Read a block of lines by Polars' reader of JSON."""
        found = None if self.telling else _block(block, self.keys, spelling=spelling)
        if found is not None:
            return self._of_block(block, found, reading)
        lines = Lines.of(*block)
        whole, cut = lines.parted()
        text = pl.col("text")
        # An empty pattern is found in every line.
        telling = whole.select(text.str.contains(self.telling)).to_series()
        looked_at, others = whole.filter(telling), whole.filter(~telling)
        found = nested(looked_at, self.keys, spelling=spelling)
        batch = self.rows(found, reading)
        odd = looked_at.join(found.select("line"), on="line", how="anti")
        strange = others.filter(~(_FRAMED & text.str.contains(self.kindred, literal=True)))
        bad = [pl.concat([odd, strange]).filter(_STRIPPED != "").select("line", "text"), cut]
        if batch.misfits is not None:
            bad.append(_only(looked_at, batch.misfits))
        batch.misfits, batch.records, batch.malformed = pl.concat(bad), lines.frame.height, lines.malformed
        return batch

    def _records(self, records: list[Record], reading: Reading) -> Batch:
        """Read some records of a document."""
        objects = [(number, record) for number, record in records if isinstance(record, Mapping)]
        rows = [
            (number, *(as_text(value_at(record, key)) for key in self.keys)) for number, record in objects
        ]
        schema = {"line": pl.Int64(), **dict.fromkeys(self.keys, pl.String())}
        batch = self.rows(pl.DataFrame(rows, schema=schema, orient="row"), reading)
        unread = set(() if batch.misfits is None else batch.misfits["line"].to_list())
        odd = [
            (number, as_text(record) or "null")
            for number, record in records
            if number in unread or not isinstance(record, Mapping)
        ]
        batch.misfits, batch.records = pl.DataFrame(odd, schema=MISFITS, orient="row"), len(records)
        return batch


def by_line(head: Head) -> bool:
    """Tell whether a file has one object a line."""
    lines = head.lines
    return bool(lines) and object_of(lines[0]) is not None and (len(lines) > 1 or not _holds(lines[0]))


def _holds(line: str) -> bool:
    """Tell whether a single object holds the records."""
    record = object_of(line) or {}
    return any(isinstance(value_at(record, holder), list) for holder in HOLDERS)


def sample(head: Head, holders: Sequence[str] = HOLDERS) -> list[Mapping[str, Any]]:
    """Read the first records of a file of JSON; none where it is something else."""
    if by_line(head):
        found = [object_of(line) for line in head.lines[:SAMPLE_RECORDS]]
    else:
        prefix = prefix_of(head, holders)
        if prefix is None:
            return []
        stream = Stream(iter([head.data.removeprefix(codecs.BOM_UTF8)]))
        found = [record for _, record in islice(records_of(stream, prefix), SAMPLE_RECORDS)]
    return [record for record in found if isinstance(record, Mapping)]


def prefix_of(head: Head, holders: Sequence[str] = HOLDERS) -> str | None:
    """Find a document's records, as ijson's prefix; empty for objects in a row, None where it is no JSON."""
    import ijson

    start = head.data.removeprefix(codecs.BOM_UTF8).lstrip()
    if start.startswith(b"["):
        return "item"
    if not start.startswith(b"{"):
        return None
    try:
        for prefix, event, _ in ijson.parse(Stream(iter([start])), multiple_values=True):
            if event == "start_array" and prefix in holders:
                return f"{prefix}.item"
    except ijson.JSONError:
        pass
    return ""


def value_at(record: Mapping[str, Any], path: str) -> Any:
    """Find what a path leads to, nested or flat; None where nothing does."""
    return record[path] if path in record else _within(record, path)


def _within(record: Mapping[str, Any], path: str) -> Any:
    """Find what a path leads to through objects in objects; None where nothing does."""
    found: Any = record
    for key in path.split("."):
        if not isinstance(found, Mapping) or key not in found:
            return None
        found = found[key]
    return found


def nested(lines: pl.DataFrame, keys: Sequence[str], *, spelling: Spelling = "both") -> pl.DataFrame:
    """Read some keys of the object on each line.

    Parameters
    ----------
    lines
        `line` and `text`.
    keys
        Paths; none may lead through another.
    spelling
        How paths are written.

    Returns
    -------
    polars.DataFrame
        `line` and each key as text, as `JsonRecords.rows` takes it. Lines that are no JSON object are left out.
    """
    framed = lines.filter(_FRAMED).with_columns(_STRIPPED)
    if framed.is_empty():
        return pl.DataFrame(schema={"line": pl.Int64(), **dict.fromkeys(keys, pl.String())})
    data = framed["text"].str.join("\n").item().encode()
    read = _parsed(data, framed.height, keys, spelling=spelling)
    if read is not None:
        return framed.select("line").hstack(read)
    if framed.height <= FEW:
        return _one_by_one(framed, keys, spelling)
    half = framed.height // 2
    return pl.concat(
        [nested(framed[:half], keys, spelling=spelling), nested(framed[half:], keys, spelling=spelling)]
    )


def _block(block: Block, keys: Sequence[str], *, spelling: Spelling) -> pl.DataFrame | None:
    """Read the same from a block's bytes; None where some line is no object."""
    data, first = block
    height = data.count(b"\n")
    read = _parsed(data, height, keys, spelling=spelling)
    if read is None:
        return None
    return read.insert_column(
        0, pl.int_range(first, first + height, dtype=pl.Int64, eager=True).alias("line")
    )


def _parsed(data: bytes, height: int, keys: Sequence[str], *, spelling: Spelling) -> pl.DataFrame | None:
    """Read the objects of some lines; None where not all lines are objects."""
    try:
        read = pl.read_ndjson(data, schema=_schema(keys, spelling=spelling))
    except pl.exceptions.PolarsError:
        return None
    # Fewer or more rows than lines would put values on the wrong line.
    if read.height != height:
        return None
    return read.select(_path(key, spelling=spelling).alias(key) for key in keys)


def _only(lines: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Select lines by their numbers."""
    return lines.join(wanted.select("line"), on="line", how="semi").select("line", "text")


def _schema(keys: Sequence[str], *, spelling: Spelling) -> pl.Schema:
    """Give the shape of records that have these keys."""
    if spelling == "flat":
        return pl.Schema(dict.fromkeys(keys, pl.String()))
    tree: dict[str, Any] = {}
    for key in keys:
        *outer, last = key.split(".")
        place = tree
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = None

    def typed(place: dict[str, Any]) -> dict[str, pl.DataType]:
        return {
            name: pl.String() if inner is None else pl.Struct(typed(inner)) for name, inner in place.items()
        }

    return pl.Schema(
        {**typed(tree), **{key: pl.String() for key in keys if spelling == "both" and "." in key}}
    )


def _path(key: str, *, spelling: Spelling) -> pl.Expr:
    """Select what a path leads to."""
    if spelling == "flat":
        return pl.col(key)
    first, *inner = key.split(".")
    found = pl.col(first)
    for part in inner:
        found = found.struct.field(part)
    return pl.coalesce(pl.col(key), found) if inner and spelling == "both" else found


def _one_by_one(lines: pl.DataFrame, keys: Sequence[str], spelling: Spelling) -> pl.DataFrame:
    """Read the same, slower: one bad line does not spoil its block."""
    ways: Mapping[Spelling, Callable[[Mapping[str, Any], str], Any]]
    ways = {"flat": lambda record, key: record.get(key), "nested": _within, "both": value_at}
    rows = []
    for line, text in lines.select("line", "text").iter_rows():
        record = object_of(text)
        if record is not None:
            values = (as_text(ways[spelling](record, key)) for key in keys)
            rows.append((line, *(value and value.encode("utf-8", "replace").decode() for value in values)))
    schema = {"line": pl.Int64(), **dict.fromkeys(keys, pl.String())}
    return pl.DataFrame(rows, schema=schema, orient="row")
