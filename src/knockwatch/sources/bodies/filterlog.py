"""filterlog's lines of pf, as pfSense and OPNsense write them: ``5,,,1000000103,em0,match,block,in,4,0x0,,64,…``.

The fields divided by commas are those of Netgate's "Raw Filter Log Format". One interface is named, so that of a
packet let in nobody knows whether it was for the firewall itself or passed on.
"""

from __future__ import annotations

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources.bodies._firewall_lines import (
    ICMP_HEADER,
    IPV4_HEADER,
    IPV6_HEADER,
    UDP_HEADER,
    connections,
    letters,
)

PROGRAM = "filterlog"
_START = r"^\d*,[^,]*,[^,]*,[^,]*,[^,]+,[\w -]*,[a-z-]+,(?:in|out),[46],"
_PLACES = 28
"""Fields up to TCP's options, which are the last."""
_ICMP_TYPES = {
    "request": (8, 0), "reply": (0, 0), "unreachproto": (3, 2), "unreachport": (3, 3), "unreach": (3, None),
    "needfrag": (3, 4), "timexceed": (11, None), "paramprob": (12, None), "redirect": (5, None),
    "maskreply": (18, 0), "tstamp": (13, 0), "tstampreply": (14, 0),
}  # fmt: skip
"""ICMP types by filterlog's words, with the code where the word says it."""
_COMMON = {"rule_number": 0, "tracker": 3, "action": 6, "direction": 7, "version": 8}
_IPV4 = {
    "ttl": 11,
    "ip_id": 12,
    "protocol": 16,
    "length": 17,
    "source_ip": 18,
    "destination_ip": 19,
    "rest": 20,
}
_IPV6 = {"ttl": 11, "protocol": 12, "length": 14, "source_ip": 15, "destination_ip": 16, "rest": 17}
_NUMBERS = (
    "ttl",
    "ip_id",
    "length",
    "source_port",
    "destination_port",
    "tail",
    "tcp_seq",
    "tcp_ack",
    "tcp_window",
)


class Filterlog:
    """Reader of filterlog's lines."""

    format = Format(
        "filterlog",
        "pf filterlog: pfSense, OPNsense",
        ("connections",),
        "verified",
        "docs.netgate.com/pfsense/en/latest/monitoring/raw-filter-log-format.html; crowdsecurity/hub .tests/pf-logs",
    )
    bare = _START

    def belongs(self) -> pl.Expr:
        """Select what filterlog wrote; pfSense's own remote format puts no host before the program."""
        return (pl.col("program") == PROGRAM).fill_null(value=False) | pl.col("message").str.contains(_START)

    def read(self, messages: pl.DataFrame, reading: Reading) -> Batch:
        """Read each line; one without all of its protocol's fields is a misfit."""
        del reading
        pieces = messages.select(
            pl.col("message").str.split_exact(",", _PLACES).struct.unnest(),
            pl.col("host").alias("firewall"),
        )
        fields = pieces.select(*_fields())
        fields = fields.with_columns(pl.col(name).cast(pl.Int64, strict=False) for name in _NUMBERS)
        # Without a host the program stands in its place.
        messages = messages.with_columns(
            pl.when(~pl.col("host").str.starts_with(PROGRAM)).then("host").alias("host")
        )
        return connections(messages, _found(fields), "pf", "filterlog")


def _at(place: int) -> pl.Expr:
    """Give the field in a place, null for an empty one."""
    piece = pl.col(f"field_{place}")
    return pl.when(piece != "").then(piece)


def _fields() -> list[pl.Expr]:
    """Name the fields, which stand in other places of IPv4 and of IPv6."""
    sixth = _at(_COMMON["version"]) == "6"

    def either(name: str, further: int = 0) -> pl.Expr:
        four, six = _at(_IPV4[name] + further), _IPV6.get(name)
        return (
            pl.when(~sixth).then(four)
            if six is None
            else pl.when(sixth).then(_at(six + further)).otherwise(four)
        )

    return [
        *(_at(place).alias(name) for name, place in _COMMON.items()),
        *(either(name).alias(name) for name in _IPV4 if name != "rest"),
        either("rest").alias("source_port"),
        either("rest", 1).alias("destination_port"),
        either("rest", 2).alias("tail"),
        either("rest", 3).alias("flags"),
        # Of a segment with data both ends of its numbers stand there.
        either("rest", 4).str.extract(r"^(\d+)", 1).alias("tcp_seq"),
        either("rest", 5).alias("tcp_ack"),
        either("rest", 6).alias("tcp_window"),
        either("rest").alias("icmp"),
    ]


def _found(fields: pl.DataFrame) -> pl.DataFrame:
    """Bring the fields to what the table calls them."""
    protocol, sixth = pl.col("protocol").str.to_lowercase(), pl.col("version") == "6"
    tcp, udp, icmp = protocol == "tcp", protocol == "udp", protocol == "icmp"
    words = list(_ICMP_TYPES)
    as_type, as_code = (
        pl.when(icmp).then(
            pl.col("icmp").replace_strict(
                words, [known[part] for known in _ICMP_TYPES.values()], default=None, return_dtype=pl.Int64
            )
        )
        for part in (0, 1)
    )
    return fields.select(
        "source_ip",
        "destination_ip",
        "source_port",
        "destination_port",
        "protocol",
        "action",
        "ttl",
        "ip_id",
        pl.when(tcp).then(pl.lit(letters(fields["flags"]))).alias("tcp_flags"),
        *(pl.when(tcp).then(name).alias(name) for name in ("tcp_seq", "tcp_ack", "tcp_window")),
        as_type.alias("icmp_type"),
        as_code.alias("icmp_code"),
        # pf gives IPv6's own length, which leaves the header out.
        (pl.col("length") + pl.when(sixth).then(IPV6_HEADER).otherwise(0)).alias("packet_length"),
        pl.when(tcp)
        .then("tail")
        .when(udp)
        .then(pl.col("tail") - UDP_HEADER)
        .when(icmp)
        .then(pl.col("length") - IPV4_HEADER - ICMP_HEADER)
        .clip(lower_bound=0)
        .alias("payload_length"),
        pl.lit(1, dtype=pl.Int64).alias("packets_sent"),
        # What it lets out is for another host; what it lets in may be for itself.
        pl.when(pl.col("direction") == "out").then(statement=True).alias("forwarded"),
        pl.when(pl.col("tracker") != "0").then("tracker").otherwise("rule_number").alias("rule"),
        # A port at the end of a line may have lost digits.
        (~(tcp | udp) | pl.col("tail").is_not_null()).alias("whole"),
    )


BODY = Filterlog()
