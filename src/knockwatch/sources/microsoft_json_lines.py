"""Exports of Sentinel's and Defender's tables as one JSON object a line. Arrays are another module."""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from knockwatch.evidence import Block, Lines
from knockwatch.microsoft import columns
from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._json_lines import object_of, objects
from knockwatch.sources._microsoft_columns import Export, recognise
from knockwatch.sources._microsoft_export import FILLS, SAMPLE_RECORDS, TITLE, batch

_BAD_ESCAPE = r"\\x([0-9a-f]{2})"
"""How a byte that is not UTF-8 reads in a line; JSON knows no such escape."""


class MicrosoftJsonLines:
    """Reader of exports in JSON lines."""

    format = Format(
        "microsoft-json-lines",
        f"{TITLE}, JSON lines",
        FILLS,
        "verified",
        "OTRF/Security-Datasets, Log4Shell; Log Analytics data export to storage",
    )

    def confidence(self, head: Head) -> float:
        """Certain where the first line is an object and the first ones have the columns of one of the tables."""
        lines = head.lines
        return 1.0 if lines and lines[0].lstrip().startswith("{") and _export(head) else 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read the lines in blocks; one that is no object is a misfit."""
        export = _export(Head(reading.evidence.head()))
        if export is None:
            reading.evidence.problems.append("has no columns of a table that is known")
            return
        names = _names(export)

        def work(block: Block) -> Batch:
            return _parse(Lines.of(*block), names, export, reading)

        yield from reading.map(work, reading.evidence.blocks())


def _export(head: Head) -> Export | None:
    """Tell the table from the first lines that are objects."""
    found = [
        record for line in head.lines[:SAMPLE_RECORDS] if (record := object_of(_escaped(line))) is not None
    ]
    names = dict.fromkeys(name for record in found for name in record)
    return recognise(names, [str(record.get("Type") or "") for record in found])


def _escaped(line: str) -> str:
    """Write bytes that are not UTF-8 so that JSON can hold them."""
    return re.sub(_BAD_ESCAPE, r"\\\\x\1", line)


def _names(export: Export) -> dict[str, str]:
    """Give the keys that a record may have to Microsoft's names.

    Keys without a value are left out of a record, so others may come than the first records have.
    """
    others = {name: name for name in columns(export.table) if name not in export.columns.values()}
    return {**export.columns, **others}


def _parse(lines: Lines, names: dict[str, str], export: Export, reading: Reading) -> Batch:
    """Read a block of lines."""
    full = lines.frame.filter(pl.col("text").str.strip_chars(" \t\ufeff") != "").with_columns(
        pl.col("text").str.strip_prefix("\ufeff")
    )
    if lines.malformed:
        full = full.with_columns(pl.col("text").str.replace_all(_BAD_ESCAPE, r"\\x$1"))
    found = objects(full, list(names)).rename(names)
    if found.is_empty():
        return Batch(full.height, {}, full.select("line", "text"), lines.malformed)
    texts = full.join(found.select("line"), on="line", how="semi", maintain_order="left")
    found = _whole_dynamic(found, texts, names, export)
    # A column that no record of a block has is none of the export's.
    kept = [name for name in found.columns if found[name].null_count() < found.height]
    result = batch(found.select(kept).with_columns(texts["text"]), export, reading)
    bad = full.join(found.select("line"), on="line", how="anti")
    result.records += bad.height
    result.misfits = bad if result.misfits is None else pl.concat([result.misfits, bad])
    result.malformed = lines.malformed
    return result


def _whole_dynamic(
    found: pl.DataFrame, texts: pl.DataFrame, names: dict[str, str], export: Export
) -> pl.DataFrame:
    """Read columns that hold JSON themselves again, since Polars' reader loses their backslashes."""
    for key, name in names.items():
        if columns(export.table).get(name) == "dynamic" and found[name].str.contains(r"^\{|^\[").any():
            whole = texts["text"].str.json_path_match(f"$['{key}']")
            found = found.with_columns(whole.alias(name))
    return found


SOURCE = MicrosoftJsonLines()
