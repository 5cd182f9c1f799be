"""Zeek's conn.log as JSON, one object a line."""

from __future__ import annotations

import polars as pl

from knockwatch.emulation.writers._text import LineWriter, said
from knockwatch.emulation.writers._zeek_fields import with_zeek


def _lines(rows: pl.DataFrame) -> pl.Series:
    """Write the lines; what Zeek does not know it leaves out."""
    history = (
        pl.when(pl.col("history") == "").then(pl.lit("")).otherwise(said('","history":"', pl.col("history")))
    )
    line = said(
        '{"ts":',
        pl.col("ts"),
        ',"uid":"',
        pl.col("uid"),
        '","id.orig_h":"',
        pl.col("source"),
        '","id.orig_p":',
        pl.col("orig_p"),
        ',"id.resp_h":"',
        pl.col("destination"),
        '","id.resp_p":',
        pl.col("resp_p"),
        ',"proto":"',
        pl.col("protocol"),
        '","duration":',
        pl.col("duration"),
        ',"orig_bytes":',
        pl.col("orig_bytes"),
        ',"resp_bytes":',
        pl.col("resp_bytes"),
        ',"missed_bytes":0,"conn_state":"',
        pl.col("state"),
        history,
        '","orig_pkts":',
        pl.col("orig_pkts"),
        ',"orig_ip_bytes":',
        pl.col("orig_ip_bytes"),
        ',"resp_pkts":',
        pl.col("resp_pkts"),
        ',"resp_ip_bytes":',
        pl.col("resp_ip_bytes"),
        "}",
    )
    return with_zeek(rows).select(line).to_series()


WRITER = LineWriter("zeek-conn-json", "Zeek conn.log, JSON", ".log", "zeek-conn-json", _lines)
