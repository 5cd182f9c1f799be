"""Suricata's eve.json: flows, netflow, drops and alerts, of which those about one flow become one row.

Events of applications (http, dns, tls, …) say nothing of a connection that its flow does not say, and are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._addresses import shortest
from knockwatch.sources._event_times import moments
from knockwatch.sources._json_records import JsonRecords
from knockwatch.sources._suricata_flows import FlowEvents, judged

_KINDS = ("flow", "netflow", "drop", "alert")
_KEYS = (
    "timestamp", "event_type", "flow_id", "host", "proto", "src_ip", "src_port", "dest_ip", "dest_port", "icmp_type",
    "icmp_code", "direction", "flow.src_ip", "flow.src_port", "flow.dest_ip", "flow.dest_port", "flow.pkts_toserver",
    "flow.pkts_toclient", "flow.bytes_toserver", "flow.bytes_toclient", "flow.start", "flow.state", "flow.action",
    "tcp.tcp_flags", "tcp.tcp_flags_ts", "tcp.tcp_flags_tc", "netflow.pkts", "netflow.bytes", "netflow.start",
    "drop.len", "drop.ttl", "drop.ipid", "drop.syn", "drop.ack", "drop.reason", "alert.action", "alert.signature",
    "verdict.action",
)  # fmt: skip
_NUMBERS: Mapping[str, str] = {
    "icmp_type": "icmp_type",
    "icmp_code": "icmp_code",
    "flow.pkts_toclient": "packets_received",
    "flow.bytes_toclient": "bytes_received",
    "drop.len": "packet_length",
    "drop.ttl": "ttl",
    "drop.ipid": "ip_id",
}
_PROTOCOLS = {"ipv6-icmp": "icmp6", "icmpv6": "icmp6"}
_SYN, _ACK = 0x02, 0x10


class SuricataEve(JsonRecords):
    """Reader of Suricata's events."""

    format = Format(
        "suricata-eve",
        "Suricata eve.json: flow, netflow, drop, alert",
        ("connections",),
        "verified",
        "Suricata User Guide, Eve JSON Format; src/output-json-flow.c, output-json-netflow.c, output-json-drop.c",
    )
    keys = _KEYS
    spelling = "nested"
    telling = rf'"event_type": ?"(?:{"|".join(_KINDS)})"'
    kindred = '"event_type"'

    def belongs(self, record: Mapping[str, Any]) -> bool:
        """Tell an event of Suricata's by its type and time; those of the engine itself have no addresses."""
        addressed = "src_ip" in record or record.get("event_type") in ("stats", "engine")
        return "event_type" in record and "timestamp" in record and addressed

    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        """Read events as parts of flows; `read` puts them together."""
        events = records.filter(pl.col("event_type").is_in(_KINDS))
        found = _events(events, reading)
        ported = pl.col("protocol").is_in(["tcp", "udp"])
        # A later fragment has no ports, and neither has the flow it belongs to.
        possible = pl.col("source_port").is_between(0, 65535) & pl.col("destination_port").is_between(
            0, 65535
        )
        known = (
            pl.col(name).is_not_null() for name in ("time_us", "source_ip", "destination_ip", "protocol")
        )
        sound = (pl.all_horizontal(*known) & (~ported | possible)).fill_null(value=False)
        untyped = records.filter(pl.col("event_type").is_null()).select("line")
        bad = pl.concat([untyped, found.filter(~sound).select("line")])
        return Batch(
            records.height,
            {"connections": found.filter(sound)},
            bad.with_columns(text=pl.lit(None, pl.String)),
        )

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read events, and give each flow's row once its end is told."""
        waiting = FlowEvents()
        for batch in super().read(reading):
            if "connections" in batch.tables:
                batch.tables["connections"] = judged(waiting.take(batch.tables["connections"]))
            yield batch
        yield Batch(0, {"connections": judged(waiting.rest())})


def _events(events: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Give each event the shape of a flow of which no more is known."""
    began = events.select(pl.coalesce("flow.start", "netflow.start", "timestamp")).to_series()
    kind = pl.col("event_type")
    flow, netflow, drop = kind == "flow", kind == "netflow", kind == "drop"
    # An alert on an answer names the answering side first; newer versions say which way it went.
    back = ~flow & ~netflow & (pl.col("flow.src_ip").is_null() & (pl.col("direction") == "to_client"))
    turned = back.fill_null(value=False)
    ends = events.select(
        pl.coalesce("flow.src_ip", pl.when(turned).then("dest_ip").otherwise("src_ip")).alias("source_ip"),
        pl.coalesce("flow.dest_ip", pl.when(turned).then("src_ip").otherwise("dest_ip")).alias(
            "destination_ip"
        ),
    )
    denied = (
        drop
        | (pl.col("flow.action") == "drop")
        | (pl.col("alert.action") == "blocked")
        | (pl.col("verdict.action") == "drop")
    )
    return events.select(
        "line",
        moments(began, reading.clock).alias("time_us"),
        began.alias("time"),
        shortest(ends["source_ip"]),
        _number(pl.coalesce("flow.src_port", pl.when(turned).then("dest_port").otherwise("src_port"))).alias(
            "source_port"
        ),
        shortest(ends["destination_ip"]),
        _number(pl.coalesce("flow.dest_port", pl.when(turned).then("src_port").otherwise("dest_port"))).alias(
            "destination_port"
        ),
        pl.col("proto").str.to_lowercase().replace(_PROTOCOLS).alias("protocol"),
        *(_number(pl.col(name)).alias(own) for name, own in _NUMBERS.items()),
        _number(pl.coalesce("flow.pkts_toserver", "netflow.pkts")).alias("packets_sent"),
        _number(pl.coalesce("flow.bytes_toserver", "netflow.bytes")).alias("bytes_sent"),
        pl.coalesce(
            _flags(pl.coalesce("tcp.tcp_flags_ts", pl.when(netflow).then("tcp.tcp_flags"))),
            pl.when(drop).then(_bit("drop.syn", _SYN) + _bit("drop.ack", _ACK)),
        ).alias("flags_sent"),
        _flags(pl.col("tcp.tcp_flags_tc")).alias("flags_received"),
        kind.alias("kind"),
        pl.col("flow.state").alias("state"),
        denied.fill_null(value=False).alias("denied"),
        pl.coalesce("alert.signature", "drop.reason").alias("rule"),
        pl.coalesce(
            "verdict.action", "alert.action", "flow.action", pl.when(drop).then(pl.lit("drop"))
        ).alias("action"),
        pl.col("host").alias("sensor"),
        "flow_id",
    )


def _number(text: pl.Expr) -> pl.Expr:
    """Read a decimal number."""
    return text.cast(pl.Int64, strict=False)


def _flags(text: pl.Expr) -> pl.Expr:
    """Read TCP flags, which are written in hexadecimal."""
    return text.str.to_integer(base=16, dtype=pl.Int64, strict=False)


def _bit(key: str, bit: int) -> pl.Expr:
    """Give a flag's bit where a key is true."""
    return pl.when(pl.col(key) == "true").then(bit).otherwise(0)


SOURCE = SuricataEve()
