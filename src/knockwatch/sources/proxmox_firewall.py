"""Proxmox VE's firewall log: ``101 1 tap101i0-IN 20/Jun/2022:13:12:46 +0200 policy DROP: IN=… OUT=… SRC=…``.

Guest's number, log level, chain and time stand before a netfilter body, which `bodies.netfilter` reads. The file
names no host.
"""

from __future__ import annotations

import re

import polars as pl

from knockwatch.clock import plausible
from knockwatch.sources import Batch, Format, Head, LineSource, Reading, misfits, share
from knockwatch.sources.bodies.netfilter import BODY

_HEADER = (
    r"^(?P<guest>[0-9]+) (?P<level>[0-9]+) (?P<chain>\S+) "
    r"(?P<time>[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9:]{8} [+-][0-9]{4}) (?P<body>.*)$"
)
_LINE = re.compile(_HEADER)
_PROGRAM = "pvefw-logger"
_TIME = "%d/%b/%Y:%H:%M:%S %z"
_NO_CHAIN = "-"
"""In place of the chain, where the logger speaks of itself."""


class ProxmoxFirewall(LineSource):
    """Reader of pve-firewall.log."""

    format = Format(
        "proxmox-firewall",
        "Proxmox VE firewall log, pve-firewall.log",
        ("connections", "messages"),
        "verified",
        "pve-docs, chapter Firewall, Logging of firewall rules; crowdsecurity/hub .tests/proxmox-iptables-logs",
    )

    def confidence(self, head: Head) -> float:
        """Share of lines that begin as Proxmox' do."""
        return 0.95 * share(head.lines, _LINE.match)

    def parse(self, lines: pl.DataFrame, reading: Reading) -> Batch:
        """Read headers, and hand the rest to the reader of netfilter bodies."""
        nothing = pl.lit(None, dtype=pl.String)
        header = pl.col("text").str.extract_groups(_HEADER).struct.unnest()
        moment = pl.col("time").str.to_datetime(_TIME, time_unit="us", time_zone="UTC", strict=False)
        dated = (
            lines.with_columns(header)
            .with_columns(plausible(moment.dt.timestamp("us")).alias("time_us"), nothing.alias("host"))
            .filter(pl.col("time_us").is_not_null())
        )
        spoken = pl.col("chain") == _NO_CHAIN
        bodies = dated.filter(~spoken).select(
            "line", "time_us", "time", "host", nothing.alias("program"), _body().alias("message")
        )
        batch = BODY.read(bodies.filter(BODY.belongs()), reading)
        rows = batch.tables["connections"].with_columns(
            pl.lit("Proxmox").alias("vendor"), pl.lit("Proxmox VE Firewall").alias("product")
        )
        own = dated.filter(spoken).select(
            "line", "time_us", "time", pl.lit(_PROGRAM).alias("program"), pl.col("body").alias("message")
        )
        read = pl.concat([rows["line"], own["line"]])
        unread = lines.filter(~pl.col("line").is_in(read.implode()))
        return Batch(
            lines.height, {"connections": rows, "messages": own}, misfits(unread, pl.lit(value=False))
        )


def _body() -> pl.Expr:
    """Put the chain where a kernel's prefix stands, and name the missing interface of what the host itself sends."""
    body = pl.col("body")
    outward = body.str.replace("OUT=", "IN= OUT=", literal=True)
    return pl.concat_str(
        "chain",
        pl.when(body.str.contains("IN=", literal=True)).then(body).otherwise(outward),
        separator=" ",
    )


SOURCE = ProxmoxFirewall()
