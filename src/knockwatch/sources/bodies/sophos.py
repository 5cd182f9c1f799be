"""Sophos' firewall lines: SFOS (XG, XGS) in pairs ``log_type="Firewall" …``, and UTM's packet filter log.

SFOS writes pairs in an older and a newer spelling of keys and times; both are in "Sophos Firewall Syslog Guide".
UTM's packet filter writes ``sub="packetfilter" name="Packet dropped" action="drop" …`` through ulogd.
"""

from __future__ import annotations

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._event_times import moments
from knockwatch.sources._pairs import Pairs
from knockwatch.sources.bodies._firewall_lines import (
    connections,
    letters,
    unbroken,
    value,
    values,
    with_others,
)

_SFOS, _UTM = 'log_type="Firewall"', 'sub="packetfilter"'
_TEXTS = {
    "source_ip": ("src_ip", "srcip"),
    "destination_ip": ("dst_ip", "dstip"),
    "protocol": ("protocol", "proto"),
    "action": ("status", "action", "log_subtype"),
    "rule": ("fw_rule_name", "fw_rule_id", "fwrule"),
    "entering": ("in_interface", "initf"),
    "leaving": ("out_interface", "outitf"),
    "event": ("con_event", "connevent"),
    "flags": ("tcpflags",),
    "firewall": ("device_name",),
    "component": ("log_component", "sub"),
}
_NUMBERS = {
    "source_port": ("src_port", "srcport"),
    "destination_port": ("dst_port", "dstport"),
    "icmp_type": ("icmp_type", "type"),
    "icmp_code": ("icmp_code", "code"),
    "packets_sent": ("packets_sent", "sent_pkts"),
    "packets_received": ("packets_received", "recv_pkts"),
    "bytes_sent": ("bytes_sent", "sent_bytes"),
    "bytes_received": ("bytes_received", "recv_bytes"),
    "duration": ("duration",),
    "packet_length": ("length",),
    "ttl": ("ttl",),
}
_CUT = r"(?:src|dst)_?port=(?:\d*|\"\d*)$"
"""A port at the end of a line may have lost digits."""
_FOR_ITSELF = ("Appliance Access", "Local ACL", "packetfilter")
"""Parts of the firewall whose lines, if they name no second interface, are of packets for the device itself; SFOS
names none either where a rule drops a packet before its way is known."""
_UTM_TIME = r"\b(\d{4}): ?(\d\d):(\d\d)-(\d\d:\d\d:\d\d) (\S+) ulogd\b"


class Sophos:
    """Reader of Sophos' firewall lines."""

    format = Format(
        "sophos",
        "Sophos firewall lines: SFOS (XG, XGS), UTM packet filter",
        ("connections",),
        "documented",
        "Sophos Firewall Syslog Guide 18.5, firewall messages; Sophos UTM Administration Guide, packet filter log",
    )
    bare = (
        r"^(?:device=\"SFW\" date=|device_name=\"[^\"]*\" timestamp=\""
        r"|\d{4}:\d\d:\d\d-\d\d:\d\d:\d\d \S+ ulogd\[\d+\]: id=\")"
    )

    def belongs(self) -> pl.Expr:
        """Select messages of the firewall module with a source."""
        message = pl.col("message")
        sfos = message.str.contains(_SFOS, literal=True) & message.str.contains(" src_ip=", literal=True)
        utm = message.str.contains(_UTM, literal=True) & message.str.contains(" srcip=", literal=True)
        return sfos | utm

    def read(self, messages: pl.DataFrame, reading: Reading) -> Batch:
        """Read each line; one without ports where there should be is a misfit."""
        mine = messages.select(self.belongs()).to_series()
        others, messages = messages.filter(~mine), messages.filter(mine)
        pairs = Pairs(unbroken(messages["message"]))
        fields = values(pairs, _TEXTS, _NUMBERS)
        found = fields.select(*_found(), pl.lit(letters(fields["flags"])).alias("tcp_flags")).with_columns(
            (~messages["message"].str.contains(_CUT)).alias("whole"),
            # UTM's own file names the device before ulogd.
            pl.coalesce("firewall", pl.lit(messages["message"].str.extract(_UTM_TIME, 5))).alias("firewall"),
            *_times(messages, pairs, reading),
        )
        return with_others(connections(messages, found, "Sophos", "Firewall"), others)


def _found() -> list[pl.Expr]:
    """Bring the values to what the table calls them."""
    icmp = pl.col("protocol").str.to_lowercase().is_in(["icmp", "1", "icmpv6", "58"])
    # Only some lines are written when a connection is over, and only those count what went through.
    over = pl.col("event") == "Stop"
    counted = ("packets_sent", "packets_received", "bytes_sent", "bytes_received")
    return [
        *(
            pl.col(name)
            for name in ("source_ip", "destination_ip", "source_port", "destination_port", "protocol")
        ),
        *(pl.col(name) for name in ("action", "rule", "packet_length", "ttl")),
        *(pl.when(icmp).then(name).alias(name) for name in ("icmp_type", "icmp_code")),
        *(pl.when(over).then(name).alias(name) for name in counted),
        pl.when(pl.col("entering").is_not_null() & pl.col("leaving").is_not_null())
        .then(statement=True)
        .when(pl.col("component").is_in(_FOR_ITSELF))
        .then(statement=False)
        .alias("forwarded"),
        over.fill_null(value=False).alias("ended"),
        (pl.col("duration") * 1_000_000).alias("duration_us"),
        pl.col("firewall"),
    ]


def _times(messages: pl.DataFrame, pairs: Pairs, reading: Reading) -> list[pl.Series]:
    """Read the device's own times: ``timestamp=``, ``date= time= timezone=``, or what stands before UTM's ulogd."""
    zoned = value(pairs, "timestamp")
    parts = pl.DataFrame(
        {"d": value(pairs, "date"), "t": value(pairs, "time"), "z": value(pairs, "timezone")}
    )
    local = parts.select(pl.concat_str("d", "t", separator=" ")).to_series()
    named = parts.select(
        pl.concat_str(pl.col("d").str.replace_all("-", "/", literal=True), "t", "z", separator=" ")
    ).to_series()
    utm = messages["message"].str.extract_groups(_UTM_TIME).struct.unnest()
    written = utm.select(
        pl.concat_str(pl.concat_str("1", "2", "3", separator="-"), "4", separator=" ")
    ).to_series()
    texts = pl.DataFrame({"zoned": zoned, "local": local, "written": written})
    own = pl.DataFrame({"a": moments(zoned, reading.clock), "b": moments(named, reading.clock)})
    return [
        own.select(pl.coalesce("a", "b")).to_series().alias("own_us"),
        moments(texts.select(pl.coalesce("local", "written")).to_series(), reading.clock).alias("local_us"),
        texts.select(pl.coalesce("zoned", "local", "written")).to_series().alias("own_text"),
    ]


BODY = Sophos()
