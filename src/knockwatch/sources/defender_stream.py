"""Defender's device tables as its streaming API writes them to storage or an Event Hub: the raw backend schema.

A record names its table in `category` and has the columns under `properties`; what rows say is `_defender_events`'
business. What portals and APIs export are other modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from knockwatch.microsoft import DEVICE_TABLES, columns
from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._json_records import JsonRecords
from knockwatch.sources._microsoft_columns import Export
from knockwatch.sources._microsoft_export import batch

_CATEGORY = "AdvancedHunting-"
_TABLES = ("DeviceProcessEvents", *DEVICE_TABLES)
_PREFIX = "properties."
_HOLDERS = ("records",)


class DefenderStream(JsonRecords):
    """Reader of the stream."""

    format = Format(
        "defender-stream",
        "Defender's streaming API: processes, connections, listeners, log-ins (raw backend schema)",
        ("DeviceProcessEvents", "processes", "connections", "changes", "messages"),
        "documented",
        "Microsoft, Stream Microsoft Defender XDR events: the schema of the events in Azure Event Hubs",
    )
    holders = _HOLDERS
    spelling = "nested"
    telling = rf'"{_CATEGORY}(?:{"|".join(_TABLES)})"'
    kindred = f'"{_CATEGORY}'

    @property
    def keys(self) -> tuple[str, ...]:  # type: ignore[override]
        """The columns of all the tables, which are read from files."""
        names = dict.fromkeys(name for table in _TABLES for name in columns(table))
        return ("category", *(f"{_PREFIX}{name}" for name in names))

    def belongs(self, record: Mapping[str, Any]) -> bool:
        """Tell records by their category, of whichever table."""
        return str(record.get("category", "")).startswith(_CATEGORY) and isinstance(
            record.get("properties"), Mapping
        )

    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        """Read the records of each table as an export of it; those of tables that are not read are passed over."""
        tables: dict[str, list[pl.DataFrame]] = {}
        misfits = [records.filter(~pl.col("category").str.starts_with(_CATEGORY).fill_null(value=False))]
        for table in _TABLES:
            mine = records.filter(pl.col("category") == f"{_CATEGORY}{table}")
            said = [name for name in columns(table) if mine[f"{_PREFIX}{name}"].null_count() < mine.height]
            kept = said or ["Timestamp"]
            if mine.is_empty():
                continue
            rows = mine.select("line", *(pl.col(f"{_PREFIX}{name}").alias(name) for name in kept))
            result = batch(rows, Export(table, {name: name for name in kept}, frozenset()), reading)
            for name, part in result.tables.items():
                tables.setdefault(name, []).append(part)
            if result.misfits is not None:
                misfits.append(result.misfits)
        lines = pl.concat(part.select("line") for part in misfits)
        return Batch(
            records.height,
            {name: pl.concat(parts, how="diagonal_relaxed") for name, parts in tables.items()},
            lines.with_columns(text=pl.lit(None, dtype=pl.String)),
        )


SOURCE = DefenderStream()
