"""Netfilter's lines in syslog text with ISO times, as each server's own firewall logs what it drops and accepts."""

from __future__ import annotations

import polars as pl

from knockwatch.emulation.writers._text import LineWriter, of_protocol, said

_MAC = "aa:06:a8:ab:79:4c:76:df:0e:20:04:24:08:00"
_WEEK_US = 604_800_000_000
"""All servers were started together, at the begin of a week: their kernels' stamps are not told apart."""


def _lines(rows: pl.DataFrame) -> pl.Series:
    """Write the lines."""
    number, ports = pl.col("number"), (" SPT=", pl.col("source_port"), " DPT=", pl.col("destination_port"))
    uptime = pl.col("time_us") % _WEEK_US
    length = of_protocol(pl.lit("60"), pl.lit("29"), pl.lit("84"))
    line = said(
        pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00 "),
        pl.col("host"),
        " kernel: [",
        (uptime // 1_000_000).cast(pl.String),
        ".",
        (uptime % 1_000_000).cast(pl.String).str.zfill(6),
        pl.when("accepted").then(pl.lit("] IPT-ACCEPT: ")).otherwise(pl.lit("] IPT-DROP: ")),
        f"IN=eth0 OUT= MAC={_MAC} SRC=",
        pl.col("source"),
        " DST=",
        pl.col("destination"),
        " LEN=",
        length,
        " TOS=0x00 PREC=0x00 TTL=",
        (40 + number % 24).cast(pl.String),
        " ID=",
        (number % 65_536).cast(pl.String),
        of_protocol(
            said(" DF PROTO=TCP", *ports, " WINDOW=64240 RES=0x00 SYN URGP=0 "),
            said(" DF PROTO=UDP", *ports, " LEN=9 "),
            said(" DF PROTO=ICMP TYPE=8 CODE=0 ID=", (number % 32_768).cast(pl.String), " SEQ=1 "),
        ),
    )
    return rows.select(line).to_series()


WRITER = LineWriter("netfilter", "netfilter in syslog text, by the servers", ".log", "syslog", _lines)
