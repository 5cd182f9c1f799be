"""The text of evidence that cases quote: the line itself, or, where a format has none, what its record says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from knockwatch.clock import SECOND_US, rfc3339
from knockwatch.detections import UNTIMED_US, Pointer
from knockwatch.engines import Engine
from knockwatch.engines.queries import unbound
from knockwatch.evidence import text_of
from knockwatch.ingest import NUMBERED, Workspace
from knockwatch.sources import sources
from knockwatch.tables import CANONICAL, conform

if TYPE_CHECKING:
    import ibis.expr.types as ir

Place = tuple[int, int]
"""File number and line."""
_ASKED = 8000
"""Rows that are asked for in one query: their numbers are written into it, and ClickHouse reads 256 KiB at most."""
_ABOUT_US = 60 * SECOND_US
"""How far a row's own time lies from its pointer's, which another recorder's clock may have corrected, at most."""


def quotes(workspace: Workspace, pointers: Iterable[Pointer]) -> dict[Place, str]:
    """Read what stands at some places of the evidence, each file once.

    Packets, and records of files that are no text, have no line: they are written out from the tables.
    """
    numbered = {source.format.name: source.format.numbered for source in sources()}
    lines: dict[int, set[int]] = {}
    records: dict[str, set[Place]] = {}
    for pointer in pointers:
        form = workspace.summaries[pointer.file].format
        if form is not None and numbered.get(form, "line") == "line":
            lines.setdefault(pointer.file, set()).add(pointer.line)
        else:
            records.setdefault(pointer.table, set()).add((pointer.file, pointer.line))
    found = {
        (number, line): text
        for number, wanted in lines.items()
        for line, text in text_of(workspace.evidence[number], wanted).items()
    }
    for table, places in records.items():
        found.update(_written_out(workspace, table, places))
    return found


def quotes_of(engine: Engine, pointers: Iterable[Pointer]) -> dict[Place, str]:
    """Write rows of an engine's tables as sentences, each table asked once for every `_ASKED` rows."""
    found: dict[Place, str] = {}
    asked = list(pointers)
    for table in CANONICAL:
        wanted = sorted(
            {pointer for pointer in asked if pointer.table == table},
            key=lambda pointer: (pointer.time_us or UNTIMED_US, pointer),
        )
        for start in range(0, len(wanted), _ASKED):
            rows = engine.execute(_rows_at(unbound()[table], wanted[start : start + _ASKED]))
            for row in rows.sort(rows.columns).iter_rows(named=True):
                found.setdefault((row["file"], row["line"]), _sentence(table, row))
    return found


def _rows_at(rows: ir.Table, pointers: Sequence[Pointer]) -> ir.Table:
    """Select rows at some places: by about their time first, which most tables are ordered or parted by."""
    first, last = (pointers[end].time_us or UNTIMED_US for end in (0, -1))
    if first != UNTIMED_US:
        rows = rows.filter(rows.time_us.between(first - _ABOUT_US, last + _ABOUT_US))
    lines = sorted({pointer.line for pointer in pointers})
    return rows.filter(rows.line.isin(lines), rows.file.isin(sorted({pointer.file for pointer in pointers})))


def _written_out(workspace: Workspace, table: str, places: set[Place]) -> dict[Place, str]:
    """Write rows of a table as sentences."""
    wanted = pl.DataFrame(sorted(places), schema={"file": pl.Int32, "line": pl.Int64}, orient="row")
    found: dict[Place, str] = {}
    for rows in _rows(workspace, table):
        chosen = rows.join(wanted.lazy(), on=["file", "line"], how="semi").collect()
        for row in conform(table, chosen).iter_rows(named=True):
            found.setdefault((row["file"], row["line"]), _sentence(table, row))
    return found


def _rows(workspace: Workspace, table: str) -> Iterator[pl.LazyFrame]:
    """Give the rows of a table, file by file."""
    for path in workspace.files(table):
        yield pl.scan_parquet(path)
    for path in workspace.numbered(table):
        number = int(path.parent.name.removeprefix(NUMBERED))
        yield pl.scan_parquet(path).with_columns(pl.lit(number, dtype=pl.Int32).alias("file"))


def _sentence(table: str, row: dict[str, Any]) -> str:
    """Write one row."""
    words: tuple[object, ...]
    match table:
        case "connections":
            words = (
                rfc3339(row["time_us"]),
                row["protocol"],
                _end(row["source_ip"], row["source_port"]),
                "→",
                _end(row["destination_ip"], row["destination_port"]),
                row["outcome"],
                row["tcp_flags"],
                None if row["icmp_type"] is None else f"type {row['icmp_type']}",
            )
        case "processes":
            words = (rfc3339(row["time_us"]), row["host"], row["user"], row["command_line"])
        case "messages":
            words = (rfc3339(row["time_us"]), row["host"], row["program"], row["message"])
        case _:
            words = (rfc3339(row["time_us"]), row["host"], row["kind"], row["rule_text"])
    return " ".join(str(word) for word in words if word)


def _end(address: str | None, port: int | None) -> str:
    """Write an address with its port."""
    if address is None or port is None:
        return address or ""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
