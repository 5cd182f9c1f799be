"""SonicWall's syslog lines: ``id=firewall sn=… time="…" fw=… m=98 msg="…" src=A:p:X1 dst=B:q:X0 proto=tcp/https``.

The keys are those of "SonicOS Log Events Reference Guide". What became of a packet says `fw_action` of newer
versions, else the event's own words.
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
    values,
    with_others,
)

_START = r"\bsn=\S+ +time=\""
_END = r"^(?P<address>\d+\.\d+\.\d+\.\d+)?(?::(?P<port>\d*))?(?::(?P<interface>[^:]*))?"
"""``192.0.2.1:443:X1:name``; of IPv6 the address stands under another key."""
_SILENT = ("NA", "mgmt")
"""Values of fw_action that say nothing of the packet."""
_WORD = r"(?i)\b(opened|closed|dropped|denied|blocked|rejected|allowed)\b"
_COUNTS = {"packets_sent": "spkt", "packets_received": "rpkt", "bytes_sent": "sent", "bytes_received": "rcvd"}
_TEXTS = {
    key: (key,)
    for key in (
        *("src", "dst", "natDst", "srcV6", "dstV6", "proto"),
        *("msg", "note", "fw", "fw_action", "rule", "time"),
    )
}
_NUMBERS = {
    **{name: (key,) for name, key in _COUNTS.items()},
    "duration": ("cdur",),
    "type": ("type",),
    "code": ("code",),
}
_ENDED = "closed"


class SonicWall:
    """Reader of SonicWall's syslog lines."""

    format = Format(
        "sonicwall",
        "SonicWall syslog lines",
        ("connections",),
        "documented",
        "SonicOS Log Events Reference Guide, syslog tags; splunk-connect-for-syslog tests/test_dell_sonicwall.py",
    )
    bare = r"^ *id=\S+ +sn=\S+ +time=\""

    def belongs(self) -> pl.Expr:
        """Select messages with both ends and a protocol; the others tell of the firewall itself."""
        message = pl.col("message")
        return (
            message.str.contains(_START)
            & message.str.contains(" src", literal=True)
            & message.str.contains(" dst", literal=True)
            & message.str.contains(r" (?:proto|type)=")
        )

    def read(self, messages: pl.DataFrame, reading: Reading) -> Batch:
        """Read each line; one without ports where there should be is a misfit."""
        mine = messages.select(self.belongs()).to_series()
        others, messages = messages.filter(~mine), messages.filter(mine)
        pairs = Pairs(unbroken(messages["message"]))
        fields = values(pairs, _TEXTS, _NUMBERS)
        ends = (fields[name].str.extract_groups(_END) for name in ("src", "dst", "natDst"))
        fields = fields.with_columns(*ends)
        flags = letters(fields["note"].str.extract(r"TCP Flag\(s\): ([A-Z ]+)", 1))
        found = fields.select(_found()).with_columns(
            flags.alias("tcp_flags"), *_times(fields["time"], reading)
        )
        return with_others(connections(messages, found, "SonicWall", "SonicOS"), others)


def _found() -> list[pl.Expr]:
    """Bring the values to what the table calls them."""
    source, destination, behind = (pl.col(name).struct for name in ("src", "dst", "natDst"))
    protocol = pl.col("proto").str.to_lowercase().str.extract(r"^([^/]+)", 1)
    icmp = (protocol == "icmp") | (protocol.is_null() & pl.col("type").is_not_null())
    # Traffic to the firewall itself names two interfaces, too; what it translates it passes on.
    translated = behind.field("address") != destination.field("address")
    itself = (destination.field("address") == pl.col("fw")) & ~translated.fill_null(value=False)
    interfaces = (end.field("interface").fill_null("") != "" for end in (source, destination))
    silent = pl.col("fw_action").is_null() | pl.col("fw_action").is_in(_SILENT)
    word = pl.col("msg").str.extract(_WORD, 1)
    ended = (word.str.to_lowercase() == _ENDED).fill_null(value=False)
    return [
        pl.coalesce(source.field("address"), "srcV6").alias("source_ip"),
        pl.coalesce(destination.field("address"), "dstV6").alias("destination_ip"),
        source.field("port").cast(pl.Int64, strict=False).alias("source_port"),
        # Some events leave the port to the protocol: tcp/50000.
        pl.coalesce(
            destination.field("port").cast(pl.Int64, strict=False),
            pl.col("proto").str.extract(r"/(\d+)$", 1).cast(pl.Int64, strict=False),
        ).alias("destination_port"),
        pl.when(icmp).then(pl.lit("icmp")).otherwise(protocol).alias("protocol"),
        *(pl.when(icmp).then(name).alias(f"icmp_{name}") for name in ("type", "code")),
        pl.when(silent).then(word).otherwise("fw_action").alias("action"),
        *(pl.when(ended).then(name).alias(name) for name in _COUNTS),
        (pl.all_horizontal(interfaces) & ~itself.fill_null(value=False)).alias("forwarded"),
        ended.alias("ended"),
        (pl.col("duration") * 1000).alias("duration_us"),
        pl.coalesce("rule", "msg").alias("rule"),
        pl.col("fw").alias("firewall"),
    ]


def _times(texts: pl.Series, reading: Reading) -> list[pl.Series]:
    """Read the firewall's own times, which may say that they are UTC."""
    universal = texts.str.contains(" UTC$", literal=False)
    own = moments(texts.str.replace(" UTC$", "Z"), reading.clock)
    times = pl.DataFrame({"own": own, "universal": universal}).select(
        pl.when("universal").then("own").alias("own_us"),
        pl.when(~pl.col("universal")).then("own").alias("local_us"),
    )
    return [*times.get_columns(), texts.alias("own_text")]


BODY = SonicWall()
