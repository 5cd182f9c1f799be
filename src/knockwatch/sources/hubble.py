"""Flows that Cilium's Hubble exports or prints as JSON: each says what became of one packet at one place of a cluster.

The packets of one connection become a row. Events of layer 7 and of sockets say nothing of a connection's beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from knockwatch.clock import SECOND_US
from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._addresses import shortest
from knockwatch.sources._event_times import moments
from knockwatch.sources._json_records import JsonRecords, value_at
from knockwatch.tables import ACCEPTED, DENIED, REFUSED, UNKNOWN

_SILENCE_US = 60 * SECOND_US
"""After a longer pause, packets between the same ports are a new connection."""
_FLAGS = ("SYN", "ACK", "RST")
_KEYS = (
    "time", "verdict", "is_reply", "node_name", "drop_reason_desc", "IP.source", "IP.destination",
    *(f"l4.{name}.{port}" for name in ("TCP", "UDP") for port in ("source_port", "destination_port")),
    *(f"l4.TCP.flags.{flag}" for flag in _FLAGS),
    *(f"l4.{name}.{part}" for name in ("ICMPv4", "ICMPv6") for part in ("type", "code")),
)  # fmt: skip
_OTHERS = ("node_status", "lost_events", "agent_event", "debug_event")
"""What the envelope may hold instead of a flow."""
_REQUESTS: Mapping[int, int] = {0: 8, 129: 128}
"""ICMP types that answer, and what they answer."""
_PASSED = ("FORWARDED", "REDIRECTED", "AUDIT")
_ENDS = ("source_ip", "source_port", "destination_ip", "destination_port", "protocol")


class Hubble(JsonRecords):
    """Reader of Hubble's flows, in their envelope (``jsonpb``, the exporter) or without it (``json``)."""

    format = Format(
        "hubble",
        "Cilium Hubble flows, JSON",
        ("connections",),
        "documented",
        "Cilium documentation, Configuring Hubble exporter; api/v1/flow/flow.proto",
    )
    keys = (*(f"flow.{key}" for key in _KEYS), *_KEYS, *_OTHERS)
    spelling = "nested"

    def belongs(self, record: Mapping[str, Any]) -> bool:
        """Tell a flow by its verdict and the addresses beside it."""
        flow = record.get("flow", record)
        return isinstance(flow, Mapping) and "verdict" in flow and value_at(flow, "IP.source") is not None

    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        """Read packets, and put those of one connection together."""
        other = pl.any_horizontal(pl.col(name).is_not_null() for name in _OTHERS)
        plain = records.filter(~other).select(
            "line", *(pl.coalesce(f"flow.{key}", key).alias(key) for key in _KEYS)
        )
        # Of layer 2 alone, or of a socket: no addresses. Without a verdict it is nothing of Hubble's.
        plain = plain.filter(pl.col("verdict").is_null() | pl.col("IP.source").is_not_null())
        packets = _packets(plain, reading)
        ported = pl.col("protocol").is_in(["tcp", "udp"])
        possible = pl.col("source_port").is_between(0, 65535) & pl.col("destination_port").is_between(
            0, 65535
        )
        known = (pl.col(name).is_not_null() for name in ("time_us", "source_ip", "destination_ip"))
        sound = (pl.all_horizontal(*known) & (~ported | possible)).fill_null(
            value=pl.col("protocol").is_null()
        )
        bad = packets.filter(~sound).select("line", pl.lit(None, dtype=pl.String).alias("text"))
        read = packets.filter(sound & pl.col("protocol").is_not_null())
        return Batch(records.height, {"connections": _connections(read)}, bad)


def _packets(flows: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Give each flow the shape of a connection, turned round where its packet is an answer."""
    numbers = {
        name: pl.coalesce(*(pl.col(f"l4.{key}.{part}").cast(pl.Int64, strict=False) for key in keys))
        for name, part, keys in (
            ("sport", "source_port", ("TCP", "UDP")),
            ("dport", "destination_port", ("TCP", "UDP")),
            ("type", "type", ("ICMPv4", "ICMPv6")),
            ("code", "code", ("ICMPv4", "ICMPv6")),
        )
    }
    written = {
        "tcp": pl.col("l4.TCP.destination_port").is_not_null(),
        "udp": pl.col("l4.UDP.destination_port").is_not_null(),
        "icmp": pl.col("l4.ICMPv4.type").is_not_null(),
        "icmp6": pl.col("l4.ICMPv6.type").is_not_null(),
    }
    frame = flows.with_columns(
        moments(flows["time"], reading.clock).alias("time_us"),
        shortest(flows["IP.source"]).alias("from"),
        shortest(flows["IP.destination"]).alias("to"),
        pl.coalesce(pl.when(there).then(pl.lit(name)) for name, there in written.items()).alias("protocol"),
        *(number.alias(name) for name, number in numbers.items()),
        *((pl.col(f"l4.TCP.flags.{flag}") == "true").fill_null(value=False).alias(flag) for flag in _FLAGS),
    )
    reply = (
        (pl.col("is_reply") == "true").fill_null(value=False)
        | (pl.col("SYN") & pl.col("ACK"))
        | pl.col("type").is_in(list(_REQUESTS)).fill_null(value=False)
    )

    def either(own: str, other: str) -> pl.Expr:
        return pl.when("reply").then(other).otherwise(own)

    return frame.with_columns(reply.alias("reply")).with_columns(
        either("from", "to").alias("source_ip"),
        either("sport", "dport").alias("source_port"),
        either("to", "from").alias("destination_ip"),
        either("dport", "sport").alias("destination_port"),
    )


def _connections(packets: pl.DataFrame) -> pl.DataFrame:
    """Put the packets of one connection together; of echo requests each one begins its own."""
    icmp = pl.col("protocol").is_in(["icmp", "icmp6"])
    tcp = pl.col("protocol") == "tcp"
    begins = pl.when(tcp).then(pl.col("SYN") & ~pl.col("ACK")).otherwise(~pl.col("reply"))
    ordered = packets.with_columns(begins.alias("begins")).sort(*_ENDS, "time_us", "line", nulls_last=False)
    changed = pl.any_horizontal(~pl.col(name).eq_missing(pl.col(name).shift(1)) for name in _ENDS)
    later = pl.col("time_us").diff() > _SILENCE_US
    turn = (changed | later | (icmp & pl.col("begins"))).fill_null(value=True).cum_sum()
    own = ~pl.col("reply")
    folded = (
        ordered.with_columns(turn.alias("turn"))
        .group_by("turn", maintain_order=True)
        .agg(
            pl.col(*_ENDS, "line", "time_us", "time", "type", "code").first(),
            pl.col("node_name", "drop_reason_desc", "verdict")
            .sort_by(pl.col("verdict") == "DROPPED", descending=True, maintain_order=True)
            .first(),
            pl.col("begins").any().alias("begun"),
            (own & (pl.col("verdict") == "DROPPED")).any().alias("dropped"),
            (own & pl.col("verdict").is_in(_PASSED)).any().alias("passed"),
            (pl.col("reply") & (~tcp | (pl.col("SYN") & pl.col("ACK")))).any().alias("answered"),
            (pl.col("reply") & pl.col("RST")).any().alias("reset"),
        )
    )
    return folded.filter(pl.col("begun") | pl.col("answered")).sort("line").select(_columns())


def _columns() -> list[pl.Expr]:
    """Give the columns of the table."""
    icmp = pl.col("protocol").is_in(["icmp", "icmp6"])
    accepted = pl.col("answered") | pl.col("passed")
    outcome = (
        pl.when("answered")
        .then(pl.lit(ACCEPTED))
        .when("dropped")
        .then(pl.lit(DENIED))
        .when("reset")
        .then(pl.lit(REFUSED))
        .when("passed")
        .then(pl.lit(ACCEPTED))
        .otherwise(pl.lit(UNKNOWN))
    )
    return [
        *(pl.col(name) for name in ("line", "time_us", "time", *_ENDS)),
        outcome.alias("outcome"),
        pl.col("verdict").alias("action"),
        pl.when(pl.col("protocol") == "tcp").then(pl.lit("SYN")).alias("tcp_flags"),
        pl.when(icmp).then(pl.col("type").replace(_REQUESTS)).alias("icmp_type"),
        pl.when(icmp).then("code").alias("icmp_code"),
        # A verdict says that Cilium let it pass; only an answer says that somebody took it.
        (accepted & ~pl.col("answered") & ~pl.col("dropped") & ~pl.col("reset")).alias("forwarded"),
        pl.lit(1, dtype=pl.Int64).alias("event_count"),
        pl.col("node_name").alias("sensor"),
        pl.col("drop_reason_desc").alias("rule"),
        pl.lit("Cilium").alias("vendor"),
        pl.lit("Hubble").alias("product"),
    ]


SOURCE = Hubble()
