"""Results of osquery's scheduled queries: differences, batches of them, and snapshots, as JSON.

What the rows of its tables mean is `_osquery_rows`' business.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._event_times import moments
from knockwatch.sources._json_documents import as_text
from knockwatch.sources._json_records import JsonRecords, nested
from knockwatch.sources._osquery_rows import COLUMNS, tables

_ENTRIES: dict[str, pl.DataType] = {"line": pl.Int64(), "action": pl.String(), "text": pl.String()}
_RESULTS = ("columns", "snapshot", "diffResults")


class Osquery(JsonRecords):
    """Reader of osquery's results."""

    format = Format(
        "osquery",
        "osquery results and snapshots: processes, sockets, listening ports, iptables, log-ins",
        ("processes", "connections", "changes", "messages"),
        "verified",
        "osquery docs/wiki/deployment/logging.md, specs/; microsoft/msticpy tests/testdata/osquery",
    )
    keys = (
        "name",
        "hostIdentifier",
        "hostname",
        "unixTime",
        "calendarTime",
        "action",
        "counter",
        *_RESULTS,
    )

    def belongs(self, record: Mapping[str, Any]) -> bool:
        """Tell by the keys that every result has."""
        return "unixTime" in record and "name" in record and any(key in record for key in _RESULTS)

    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        """Take results apart into the rows of osquery's tables, and read those."""
        times = moments(records["unixTime"], reading.clock)
        dated = records.with_columns(
            times.alias("time_us"),
            pl.coalesce("calendarTime", "unixTime").alias("time"),
            pl.coalesce("hostIdentifier", "hostname").alias("host"),
        )
        empty = pl.all_horizontal(pl.col(key).is_null() for key in _RESULTS)
        odd = dated.filter(pl.col("time_us").is_null() | empty).select("line")
        entries = _entries(dated.filter(pl.col("time_us").is_not_null() & ~empty))
        found = entries.join(
            dated.select("line", "time_us", "time", "host", "counter"),
            on="line",
            how="left",
            maintain_order="left",
        ).with_row_index("entry")
        cells = nested(found.select(pl.col("entry").cast(pl.Int64).alias("line"), "text"), COLUMNS)
        cells = cells.rename({"line": "entry", **{name: f"its {name}" for name in COLUMNS}})
        read = found.with_columns(pl.col("entry").cast(pl.Int64)).join(
            cells, on="entry", maintain_order="left"
        )
        filled, bad = tables(read)
        return Batch(
            records.height, filled, pl.concat([odd, bad]).unique("line").with_columns(text=pl.lit(None))
        )


def _entries(results: pl.DataFrame) -> pl.DataFrame:
    """Give each row of a result its own line: what became of it, and its columns as JSON."""
    single = results.filter(pl.col("columns").is_not_null()).select(
        "line", "action", pl.col("columns").alias("text")
    )
    many = results.filter(pl.col("columns").is_null())
    rows = [
        (line, action, as_text(entry))
        for line, snapshot, differences in many.select("line", "snapshot", "diffResults").iter_rows()
        for action, entry in _several(snapshot, differences)
    ]
    return pl.concat([single, pl.DataFrame(rows, schema=_ENTRIES, orient="row")]).sort(
        "line", maintain_order=True
    )


def _several(snapshot: str | None, differences: str | None) -> Iterator[tuple[str, Any]]:
    """Give the rows of a snapshot, or of a batch of differences, with what became of each."""
    if snapshot is not None:
        yield from (("snapshot", entry) for entry in _list(_parsed(snapshot)))
    batch = _parsed(differences)
    if isinstance(batch, Mapping):
        for action in ("added", "removed"):
            yield from ((action, entry) for entry in _list(batch.get(action)))


def _parsed(text: str | None) -> Any:
    """Read JSON; None where it is none."""
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def _list(value: Any) -> list[Any]:
    """Give a list of rows; none where it is no list (osquery writes an empty text for no rows)."""
    return value if isinstance(value, list) else []


SOURCE = Osquery()
