"""ulogd's JSON: one object a line for each packet that a netfilter rule logged.

Its `timestamp` is local time without a zone; the packet's own time is in `oob.time.sec` and `oob.time.usec`.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from knockwatch.clock import plausible
from knockwatch.sources import Batch, Format, Head, LineSource, Reading, misfits, share
from knockwatch.sources._addresses import shortest
from knockwatch.sources._json_lines import object_of, objects
from knockwatch.sources.bodies._placed_fields import FLAGS
from knockwatch.sources.bodies.netfilter import outcome_of

_DEFAULT_DEVICE = "Netfilter"
"""What ulogd calls every device that its configuration does not name."""
_NUMBERS: Mapping[str, tuple[str, ...]] = {
    "seconds": ("oob.time.sec",),
    "microseconds": ("oob.time.usec",),
    "source_port": ("src_port",),
    "destination_port": ("dest_port",),
    "icmp_type": ("icmp.type", "icmpv6.type"),
    "icmp_code": ("icmp.code", "icmpv6.code"),
    "tcp_seq": ("tcp.seq",),
    "tcp_ack": ("tcp.ackseq",),
    "tcp_window": ("tcp.window",),
    "ip_id": ("ip.id",),
    "ttl": ("ip.ttl", "ip6.hoplimit"),
    "packet_length": ("ip.totlen", "raw.pktlen"),
    "header_words": ("ip.ihl",),
    "udp_length": ("udp.len",),
    "fragment": ("ip.fragoff",),
    **{flag: (f"tcp.{flag.lower()}",) for flag in FLAGS},
}
"""Columns that are numbers, and the keys of ulogd's they are read from."""
_TEXTS: Mapping[str, tuple[str, ...]] = {
    "timestamp": ("timestamp",),
    "device": ("dvc",),
    "prefix": ("oob.prefix",),
    "entering": ("oob.in",),
    "leaving": ("oob.out",),
    "source": ("src_ip",),
    "destination": ("dest_ip",),
    "number": ("ip.protocol", "ip6.nexthdr"),
}
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmp6"}
_KEYS = tuple(key for keys in (*_TEXTS.values(), *_NUMBERS.values()) for key in keys)
_FRAGMENT_OFFSET = 0x1FFF
"""The bits of the IPv4 field that count; the others are flags (RFC 791 section 3.1)."""
_IPV4_HEADER, _IPV6_HEADER, _UDP_HEADER, _ICMP_HEADER, _WORD = 20, 40, 8, 8, 4


class UlogdJson(LineSource):
    """Reader of ulogd's JSON."""

    format = Format(
        "ulogd-json",
        "ulogd JSON",
        ("connections",),
        "verified",
        "ulogd2 output/ulogd_output_JSON.c, input/packet/ulogd_inppkt_NFLOG.c; own lab",
    )

    def confidence(self, head: Head) -> float:
        """Share of lines that are objects with ulogd's out-of-band keys and addresses."""
        return 0.95 * share(head.lines, _is_packet)

    def parse(self, lines: pl.DataFrame, reading: Reading) -> Batch:
        """Read every packet; one without addresses, or with impossible ports or times, is a misfit."""
        rows = _rows(objects(lines, _KEYS), reading)
        portless = ~pl.col("protocol").is_in(["tcp", "udp"]) | pl.col("fragment")
        possible = (pl.col(port).is_between(0, 65535) for port in ("source_port", "destination_port"))
        known = (
            pl.col(name).is_not_null() for name in ("time_us", "source_ip", "destination_ip", "protocol")
        )
        sound = pl.all_horizontal(*known) & (portless | pl.all_horizontal(*possible).fill_null(value=False))
        rows = rows.filter(sound).drop("fragment")
        unread = lines.join(rows.select("line"), on="line", how="anti", maintain_order="left")
        return Batch(lines.height, {"connections": rows}, misfits(unread, pl.lit(value=False)))


def _is_packet(line: str) -> bool:
    """Tell whether a line is an object of ulogd's."""
    found = object_of(line) if '"oob.' in line else None
    return found is not None and "src_ip" in found


def _rows(fields: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Turn ulogd's keys into columns of `connections`, sound or not."""
    frame = fields.select(
        "line",
        *(pl.coalesce(*keys).alias(name) for name, keys in _TEXTS.items()),
        *(
            pl.coalesce(*(pl.col(key).cast(pl.Int64, strict=False) for key in keys)).alias(name)
            for name, keys in _NUMBERS.items()
        ),
    )
    prefix = frame["prefix"].fill_null("").str.strip_chars()
    number = pl.col("number")
    frame = frame.with_columns(
        shortest(frame["source"]).alias("source_ip"),
        shortest(frame["destination"]).alias("destination_ip"),
        reading.clock.iso(frame["timestamp"]).alias("local_us"),
        number.replace(_PROTOCOLS).str.to_lowercase().alias("protocol"),
        prefix.alias("rule"),
        *outcome_of(prefix, reading.settings.netfilter),
    )
    epoch = plausible(pl.col("seconds") * 1_000_000 + pl.col("microseconds").fill_null(0))
    return frame.select(
        "line",
        pl.coalesce(epoch, "local_us").alias("time_us"),
        pl.col("timestamp").alias("time"),
        "source_ip",
        "source_port",
        "destination_ip",
        "destination_port",
        "protocol",
        "outcome",
        "action",
        _flags().alias("tcp_flags"),
        "icmp_type",
        "icmp_code",
        pl.lit(1, dtype=pl.Int64).alias("packets_sent"),
        "packet_length",
        _payload().alias("payload_length"),
        "ttl",
        "ip_id",
        "tcp_window",
        "tcp_seq",
        "tcp_ack",
        ((pl.col("entering") != "") & (pl.col("leaving") != "")).alias("forwarded"),
        pl.lit(1, dtype=pl.Int64).alias("event_count"),
        pl.when(pl.col("device") != _DEFAULT_DEVICE).then("device").alias("sensor"),
        pl.lit("Linux").alias("vendor"),
        pl.lit("netfilter").alias("product"),
        "rule",
        (pl.col("fragment").fill_null(0) & _FRAGMENT_OFFSET > 0).alias("fragment"),
    )


def _flags() -> pl.Expr:
    """Write the TCP flags in their order; null where the packet is no TCP."""
    named = [pl.when(pl.col(flag) == 1).then(pl.lit(flag)) for flag in FLAGS]
    written = pl.concat_str(named, separator=",", ignore_nulls=True)
    return pl.when(pl.any_horizontal(pl.col(flag).is_not_null() for flag in FLAGS)).then(written)


def _payload() -> pl.Expr:
    """Work out the payload from the lengths of packet and headers; TCP's header is not known (`tcp.offset` is 0)."""
    version_6 = pl.col("destination_ip").str.contains(":", literal=True)
    header = (
        pl.when(version_6)
        .then(pl.lit(_IPV6_HEADER, dtype=pl.Int64))
        .otherwise(pl.col("header_words").fill_null(_IPV4_HEADER // _WORD) * _WORD)
    )
    inner = pl.col("packet_length") - header
    return (
        pl.when(pl.col("protocol") == "udp")
        .then(pl.coalesce(pl.col("udp_length"), inner) - _UDP_HEADER)
        .when(pl.col("protocol").is_in(["icmp", "icmp6"]))
        .then(inner - _ICMP_HEADER)
        .clip(lower_bound=0)
    )


SOURCE = UlogdJson()
