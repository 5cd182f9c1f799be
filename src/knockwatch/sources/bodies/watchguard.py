"""WatchGuard Firebox' traffic lines: ``msg_id="3000-0148" Deny 0-External Firebox 40 tcp 20 239 A B p q offset 5 S …``.

The order of the words is that of "Fireware Log Message Catalog", traffic messages. `Firebox` in place of an
interface is the device itself.
"""

from __future__ import annotations

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources.bodies._firewall_lines import (
    ICMP_HEADER,
    IPV4_HEADER,
    connections,
    letters,
    with_others,
)

_ID = r"msg_id=\"[0-9A-F]{4}-[0-9A-F]{4}\" (?:Allow|Deny)\S* "
_LINE = (
    r"^(?P<before>.*?)msg_id=\"[^\"]*\" (?P<action>Allow|Deny)\S* (?P<interfaces>.*?) "
    r"(?:(?P<length>[0-9]+) (?P<protocol>[A-Za-z0-9-]+) [0-9]+ (?P<ttl>[0-9]+)|(?P<proxied>[a-z][a-z0-9-]*)) "
    r"(?P<source_ip>[0-9]+\.[0-9.]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+) "
    r"(?P<destination_ip>[0-9]+\.[0-9.]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)"
    r"(?: (?P<first>[0-9]+) (?P<second>[0-9]+))?(?P<rest> .*|)$"
)
_TCP = r" offset \d+ ([A-Z]+) (\d+) win (\d+)"
_OWN_TIME = r"\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)"
"""In UTC, beside a header in local time without a year."""
_COUNTS = {
    "packets_sent": "sent_pkts",
    "packets_received": "rcvd_pkts",
    "bytes_sent": "sent_bytes",
    "bytes_received": "rcvd_bytes",
}
_ITSELF = "Firebox"


class WatchGuard:
    """Reader of Firebox' traffic lines."""

    format = Format(
        "watchguard",
        "WatchGuard Firebox traffic lines",
        ("connections",),
        "documented",
        "Fireware v12.6 Log Message Catalog, Firewall: 3000-0148, 3000-0151",
    )
    bare = r"^(?:(?:\S+ (?:\([0-9T:-]+\) )?)?firewall(?:\[[0-9]+\])?: )?msg_id=\"[0-9A-F]{4}-[0-9A-F]{4}\" "

    def belongs(self) -> pl.Expr:
        """Select messages that tell what was allowed or denied."""
        message = pl.col("message")
        return message.str.contains('msg_id="', literal=True) & message.str.contains(_ID)

    def read(self, messages: pl.DataFrame, reading: Reading) -> Batch:
        """Read each line; one that is cut before its ports are over is a misfit."""
        mine = messages.select(self.belongs()).to_series()
        others, messages = messages.filter(~mine), messages.filter(mine)
        fields = messages.select(pl.col("message").str.extract_groups(_LINE).struct.unnest())
        own_text = fields["before"].str.extract(_OWN_TIME, 1)
        tcp = fields["rest"].str.extract_groups(_TCP).struct.unnest()
        found = fields.select(_found()).with_columns(
            letters(tcp["1"]).alias("tcp_flags"),
            tcp["2"].cast(pl.Int64, strict=False).alias("tcp_seq"),
            tcp["3"].cast(pl.Int64, strict=False).alias("tcp_window"),
            reading.clock.iso(own_text + "Z").alias("own_us"),
            own_text.alias("own_text"),
        )
        return with_others(connections(messages, found, "WatchGuard", "Firebox"), others)


def _found() -> list[pl.Expr]:
    """Bring the fields to what the table calls them."""
    rest = pl.col("rest")
    counted = {name: rest.str.extract(rf' {key}="(\d+)"', 1).cast(pl.Int64) for name, key in _COUNTS.items()}
    protocol = pl.coalesce("protocol", "proxied").str.to_lowercase()
    icmp = protocol.is_in(["icmp", "icmpv6", "icmp6"])
    first, second, length = (
        pl.col(name).cast(pl.Int64, strict=False) for name in ("first", "second", "length")
    )
    return [
        pl.col("source_ip"),
        pl.col("destination_ip"),
        first.alias("source_port"),
        second.alias("destination_port"),
        protocol.alias("protocol"),
        pl.when(icmp).then(first).alias("icmp_type"),
        pl.when(icmp).then(second).alias("icmp_code"),
        pl.col("action"),
        length.alias("packet_length"),
        pl.when(protocol == "icmp")
        .then(length - IPV4_HEADER - ICMP_HEADER)
        .clip(lower_bound=0)
        .alias("payload_length"),
        pl.col("ttl").cast(pl.Int64, strict=False),
        *(value.alias(name) for name, value in counted.items()),
        # What leaves the device itself is for another host as well.
        (~pl.col("interfaces").str.ends_with(_ITSELF)).alias("forwarded"),
        # Only a line that counts what went through was written at the end.
        counted["bytes_received"].is_not_null().alias("ended"),
        (rest.str.extract(r' duration="(\d+)"', 1).cast(pl.Int64, strict=False) * 1_000_000).alias(
            "duration_us"
        ),
        rest.str.extract(r"\(([^()]*)\)\s*$", 1).alias("rule"),
        # A port at the end of a line may have lost digits.
        (rest != "").alias("whole"),
    ]


BODY = WatchGuard()
