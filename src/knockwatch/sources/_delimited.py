"""Records of fields divided by one character, as RFC 4180 has them, with quotes and line breaks inside fields.

What the columns mean is not here. Where regular, records are split by Polars; the others by Python's reader.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from knockwatch.evidence import MAX_LINE
from knockwatch.sources import Reading

_QUOTED = r'"[^"]*"'


@dataclass(frozen=True)
class Layout:
    """How one file is laid out.

    Parameters
    ----------
    separator
        One character.
    width
        Fields of a record.
    columns
        Names to give to the fields that are wanted, and where each stands, from 0.
    """

    separator: str
    width: int
    columns: Mapping[str, int]


def fields(record: str, separator: str) -> list[str] | None:
    """Split one record; None where its quotes do not fit."""
    try:
        rows = list(csv.reader([record], delimiter=separator, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


@dataclass(frozen=True)
class Block:
    """Whole records (`line`, `text`; header and blank lines left out) and how many malformed lines they hold."""

    records: pl.DataFrame
    malformed: int


def blocks(reading: Reading, *, header: bool = True) -> Iterator[Block]:
    """Put physical lines together to records: one goes on while a quote is open.

    A quote that stays open for longer than any line may be is a stray one: its lines stand for themselves.
    """
    open_lines: pl.DataFrame | None = None
    held: Block | None = None
    begin = header
    for lines in reading.evidence.lines():
        whole, open_lines = _closed(
            lines.frame if open_lines is None else pl.concat([open_lines, lines.frame])
        )
        records = _joined(whole)
        if begin and records.height:
            records, begin = records.slice(1), False
        if held is not None:
            yield held
        held = Block(records, lines.malformed)
    if held is not None and open_lines is not None:
        # The last record is no block of its own.
        last = _joined(_ended(open_lines))
        held = Block(pl.concat([held.records, last.slice(1) if begin else last]), held.malformed)
    if held is not None:
        yield held


def _closed(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Mark the lines that begin a record, and set the last record aside, which may go on."""
    before = pl.col("text").str.count_matches('"', literal=True).cum_sum().shift(1, fill_value=0)
    marked = lines.with_columns((before % 2 == 0).alias("begins"))
    last = int(marked["begins"].arg_true()[-1])
    rest = lines.slice(last)
    if int(rest["text"].str.len_bytes().sum()) <= MAX_LINE:
        return marked.head(last), rest
    alone = pl.col("begins") | (pl.int_range(pl.len()) >= last)
    return marked.with_columns(begins=alone), None


def _ended(lines: pl.DataFrame) -> pl.DataFrame:
    """Mark the lines of a file's last record: one record, or, where a quote is still open, one each."""
    balanced = int(lines["text"].str.count_matches('"', literal=True).sum()) % 2 == 0
    begins = [not balanced or row == 0 for row in range(lines.height)]
    return lines.with_columns(begins=pl.Series(begins, dtype=pl.Boolean))


def _joined(lines: pl.DataFrame) -> pl.DataFrame:
    """Join lines to the records that begin with some of them; `line` is a record's first."""
    if lines["begins"].all():
        records = lines.select("line", "text")
    else:
        number = pl.col("begins").cum_sum().alias("record")
        records = (
            lines.group_by(number, maintain_order=True)
            .agg(pl.col("line").first(), pl.col("text").str.join("\n"))
            .select("line", "text")
        )
    return records.filter(pl.col("text").str.strip_chars(" \r\n\t\ufeff") != "")


def split(records: pl.DataFrame, layout: Layout) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split records into fields.

    Parameters
    ----------
    records
        `line` and `text`.

    Returns
    -------
    tuple
        `line`, `text` and the layout's columns of those with as many fields as it has, and `line` and `text` of
        the others.
    """
    found, odd = _split(records, layout)
    # A stray quote joins lines that are records of their own.
    several = odd.filter(pl.col("text").str.contains("\n", literal=True))
    if several.height:
        again, bad = _split(_apart(several), layout)
        found = pl.concat([found, again]).sort("line")
        odd = pl.concat([odd.filter(~pl.col("line").is_in(several["line"].to_list())), bad])
    return found, odd


def _apart(records: pl.DataFrame) -> pl.DataFrame:
    """Take records apart into their lines again."""
    lines = records.with_columns(pl.col("text").str.split("\n")).explode("text")
    offset = pl.int_range(pl.len()).over("line")
    return lines.with_columns(line=pl.col("line") + offset).filter(pl.col("text").str.strip_chars() != "")


def _split(records: pl.DataFrame, layout: Layout) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split records into fields.

    Returns
    -------
    tuple
        `line`, `text` and the table's columns of those with as many fields as the header, and `line` and `text`
        of the others.
    """
    text, separator = pl.col("text"), layout.separator
    outside = text.str.replace_all(_QUOTED, "").str.count_matches(separator, literal=True)
    plain = ~text.str.contains('"', literal=True) | text.str.contains(_grammar(separator))
    marked = records.with_columns(plain.alias("plain"), (outside + 1 == layout.width).alias("even"))
    regular = marked.filter(pl.col("plain") & pl.col("even")).select("line", "text")
    parts = [_vectorised(regular, layout)] if regular.height else []
    # What has quotes inside unquoted fields is left to Python's slower and more patient reader.
    found, odd = _one_by_one(marked.filter(~pl.col("plain")).select("line", "text"), layout)
    parts.append(found)
    odd = pl.concat([odd, marked.filter(pl.col("plain") & ~pl.col("even")).select("line", "text")])
    return pl.concat(parts).sort("line"), odd


def _grammar(separator: str) -> str:
    """Give RFC 4180's grammar of a record."""
    field = rf'(?:"(?:[^"]|"")*"|[^"{re.escape(separator)}]*)'
    return rf"^{field}(?:{re.escape(separator)}{field})*$"


def _vectorised(records: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Split records that are known to be regular."""
    names = [str(index) for index in range(layout.width)]
    read = pl.read_csv(
        "\n".join(records["text"]).encode(),
        has_header=False,
        separator=layout.separator,
        schema=dict.fromkeys(names, pl.String()),
        empty_string_is_null=False,
        low_memory=True,
    )
    if read.height != records.height:
        # Values would stand on the wrong lines.
        return _one_by_one(records, layout)[0]
    return records.hstack(read.select(_chosen(layout)))


def _one_by_one(records: pl.DataFrame, layout: Layout) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split records with Python's reader."""
    names = [str(index) for index in range(layout.width)]
    split = [fields(text, layout.separator) for text in records["text"]]
    fits = [fields is not None and len(fields) == len(names) for fields in split]
    rows = [fields for fields, good in zip(split, fits, strict=True) if good]
    read = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String()), orient="row")
    good = records.filter(pl.Series(fits, dtype=pl.Boolean))
    return good.hstack(read.select(_chosen(layout))), records.filter(~pl.Series(fits, dtype=pl.Boolean))


def _chosen(layout: Layout) -> list[pl.Expr]:
    """Select the columns that the table has, under Microsoft's names."""
    return [pl.col(str(index)).alias(name) for name, index in layout.columns.items()]
