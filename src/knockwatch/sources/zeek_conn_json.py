"""Zeek's conn.log in JSON: one object a line, alone or in a stream of all of Zeek's logs (`_path`), nested or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._json_records import JsonRecords, Spelling, sample, value_at
from knockwatch.sources._zeek import FIELDS, REFERENCE, connections

_SENSOR, _LOG = "_system_name", "_path"


class ZeekConnJson(JsonRecords):
    """Reader of Zeek's connections in JSON."""

    format = Format("zeek-conn-json", "Zeek conn.log, JSON", ("connections",), "verified", REFERENCE)
    keys = (*FIELDS, _SENSOR, _LOG)

    def spelling_of(self, head: Head) -> Spelling:
        """Zeek writes paths flat; Tenzir and other pipelines nest them on the way."""
        return "both" if any(isinstance(record.get("id"), Mapping) for record in sample(head)) else "flat"

    def belongs(self, record: Mapping[str, Any]) -> bool:
        """Tell a connection by its state and its originator; Zeek's other logs have no state."""
        return "conn_state" in record and value_at(record, "id.orig_h") is not None

    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        """Read connections; records of Zeek's other logs are passed over."""
        other = pl.col("conn_state").is_null() & (
            pl.col(_LOG).is_not_null() | pl.col("id.orig_h").is_not_null()
        )
        found, bad = connections(records.filter(~other), reading)
        named = records.select("line", pl.col(_SENSOR).alias("sensor"))
        if named["sensor"].null_count() < named.height:
            found = found.join(named, on="line", how="left")
        return Batch(records.height, {"connections": found}, bad.with_columns(text=pl.lit(None, pl.String)))


SOURCE = ZeekConnJson()
