"""Palo Alto Networks' TRAFFIC log as CSV in syslog, with the high resolution timestamp of PAN-OS 10.

The fields are those of "PAN-OS Administrator's Guide", "Traffic Log Fields".
"""

from __future__ import annotations

import polars as pl

from knockwatch.emulation.writers._text import LineWriter, said


def _lines(rows: pl.DataFrame) -> pl.Series:
    """Write the lines."""
    accepted = pl.col("accepted")
    moment = pl.col("time").dt.strftime("%Y/%m/%d %H:%M:%S")
    precise = pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00")
    received = pl.col("received")
    line = said(
        "<14>1 ",
        precise,
        " ",
        pl.col("sensor"),
        " - - - - 1,",
        moment,
        ",007200001056,TRAFFIC,",
        pl.when(accepted).then(pl.lit("end")).otherwise(pl.lit("drop")),
        ",2817,",
        moment,
        ",",
        pl.col("source"),
        ",",
        pl.col("destination"),
        ",0.0.0.0,0.0.0.0,",
        pl.when(accepted).then(pl.lit("allow-dmz")).otherwise(pl.lit("interzone-default")),
        ",,,",
        pl.when(accepted).then(pl.lit("ssl")).otherwise(pl.lit("not-applicable")),
        ",vsys1,untrust,dmz,ethernet1/1,",
        pl.when(accepted).then(pl.lit("ethernet1/2")).otherwise(pl.lit("")),
        ",To-Panorama,",
        moment,
        ",",
        pl.col("number"),
        ",1,",
        pl.col("source_port"),
        ",",
        pl.col("destination_port"),
        ",0,0,0x0,",
        pl.col("protocol"),
        pl.when(accepted).then(pl.lit(",allow,")).otherwise(pl.lit(",deny,")),
        pl.col("sent") + received,
        ",",
        pl.col("sent"),
        ",",
        received,
        ",",
        pl.when(accepted).then(pl.col("sent") // 500 + received // 1400 + 5).otherwise(1),
        ",",
        moment,
        ",0,any,,",
        pl.col("number"),
        ",0x8000000000000000,United States,Reserved,,",
        pl.when(accepted).then(pl.col("sent") // 500 + 3).otherwise(1),
        ",",
        pl.when(accepted).then(received // 1400 + 2).otherwise(0),
        pl.when(accepted).then(pl.lit(",tcp-fin")).otherwise(pl.lit(",policy-deny")),
        ",15,16,0,0,vsys1,",
        pl.col("sensor"),
        ",from-policy,,,0,,0,,N/A,0,0,0,0,37a6ae07-09a2-4c1d-8641-a18c1c610803,0,0",
        "," * 39,
        precise,
        ",,,unknown,unknown,unknown,1,,,ssl,no,no,0,NonProxyTraffic,",
    )
    return rows.select(line).to_series()


WRITER = LineWriter("paloalto", "Palo Alto Networks TRAFFIC log, CSV in syslog", ".log", "syslog", _lines)
