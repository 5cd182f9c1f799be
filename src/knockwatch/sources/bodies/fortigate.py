"""FortiGate's own log format: pairs ``key=value``, texts in double quotes. Only its traffic logs are read.

The format is that of Fortinet's "FortiOS Log Message Reference", "Log Field format" and "Traffic"; log ids 2 to 24.
"""

from __future__ import annotations

import polars as pl

from knockwatch.clock import SECOND_US
from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._event_times import moments
from knockwatch.sources._firewall_records import read_records
from knockwatch.sources._pairs import Pairs

_COMMAS = r"([^ ]),([a-z_]+=)"
_BEFORE = r"(?:(?:itime|id|bid|dvid|logver|timestamp|tz|eventtime|devid|devname|vd)=\S* )*"
"""What FortiAnalyzer, or an older FortiOS, writes before the date."""
_ALIKE = {
    "source_ip": "srcip", "source_port": "srcport", "destination_ip": "dstip", "destination_port": "dstport",
    "protocol": "proto", "DeviceAction": "action",
}  # fmt: skip
_NUMBERS = {
    "bytes_sent": "sentbyte", "bytes_received": "rcvdbyte", "packets_sent": "sentpkt", "packets_received": "rcvdpkt",
}  # fmt: skip
_SELF = ["root", "local", "unknown0", "unknown-0"]
"""Interfaces of the device itself."""
_ICMP = r"^(?:ICMP6?|icmp6?)/(\d{1,3})/(\d{1,3})$"
_ECHO, _ECHO6 = 8, 128


class Fortigate:
    """Reader of FortiGate's traffic logs."""

    format = Format(
        "fortigate",
        "FortiGate traffic log: key=value",
        ("connections",),
        "documented",
        "FortiOS Log Message Reference, Log Schema Structure and Traffic",
    )
    bare = rf"^{_BEFORE}date=\d{{4}}-\d\d-\d\d[ ,]time=\d\d:\d\d:\d\d"

    def belongs(self) -> pl.Expr:
        """Select messages with a date, a time and a log id in Fortinet's spelling."""
        message = pl.col("message")
        return message.str.contains("date=20", literal=True) & message.str.contains("logid=", literal=True)

    def read(self, messages: pl.DataFrame, reading: Reading) -> Batch:
        """Read traffic logs; other logs tell of no connection. A line cut before its action is a misfit."""
        message = pl.col("message")
        traffic = messages.filter(
            message.str.contains('type="traffic"', literal=True)
            | message.str.contains("type=traffic", literal=True)
        )
        texts = traffic["message"]
        commas = texts.str.contains(",time=", literal=True)
        if commas.any():
            texts = texts.zip_with(~commas, texts.str.replace_all(_COMMAS, "$1 $2"))
        pairs = Pairs(texts)
        pairs.skip_quoted()
        return read_records(_records(pairs, traffic["line"], reading), messages)


def _records(pairs: Pairs, lines: pl.Series, reading: Reading) -> pl.DataFrame:
    """Read the fields that matter."""
    frame = pl.DataFrame(
        [
            lines,
            *(pairs.quoted(key).alias(name) for name, key in _ALIKE.items()),
            *(pairs.integer(key).alias(name) for name, key in _NUMBERS.items()),
            *(pairs.quoted(key).alias(key) for key in ("subtype", "srcintf", "dstintf")),
            _either(pairs, "policyname", "policyid").alias("rule"),
            _either(pairs, "devname", "devid").alias("sensor"),
            (pairs.integer("duration") * SECOND_US).alias("lasted_us"),
            *_times(pairs, reading),
        ]
    )
    local = (pl.col("subtype") == "local") | pl.col("dstintf").is_in(_SELF)
    return frame.with_columns(
        pl.when(pl.col("DeviceAction").is_not_null()).then("source_ip").alias("source_ip"),
        pl.lit("Fortinet").alias("vendor"),
        pl.lit("FortiGate").alias("product"),
        # What the device sends itself goes to another host, though nothing is passed on.
        pl.when(local & pl.col("srcintf").is_in(_SELF))
        .then(None)
        .otherwise((~local).fill_null(value=True))
        .alias("through"),
        (pl.col("DeviceAction") != "start").alias("ended"),
        *_icmp(pairs, frame["protocol"]),
    )


def _either(pairs: Pairs, key: str, other: str) -> pl.Series:
    """Read a key, and another one where it is missing."""
    first = pairs.quoted(key)
    return first.zip_with(first.is_not_null(), pairs.quoted(other)) if first.null_count() else first


def _icmp(pairs: Pairs, protocols: pl.Series) -> list[pl.Series]:
    """Read type and code out of the service: ``PING``, or ``ICMP/3/1``."""
    if not protocols.is_in(["1", "58"]).any():
        return []
    frame = pl.DataFrame({"service": pairs.quoted("service"), "protocol": protocols})
    service, icmp6 = pl.col("service"), pl.col("protocol") == "58"
    ping = service.str.contains("^PING6?$")
    return frame.select(
        pl.when(ping)
        .then(pl.when(icmp6).then(_ECHO6).otherwise(_ECHO))
        .otherwise(service.str.extract(_ICMP, 1).cast(pl.Int64))
        .alias("icmp_type"),
        pl.when(ping).then(0).otherwise(service.str.extract(_ICMP, 2).cast(pl.Int64)).alias("icmp_code"),
    ).get_columns()


def _times(pairs: Pairs, reading: Reading) -> list[pl.Series]:
    """Read when the record was made: ``eventtime`` since 1970, else date and time with a zone, or without one."""
    event = pairs.quoted("eventtime")
    since = moments(event, reading.clock).alias("time_us")
    if not since.null_count():
        return [since, event.alias("time"), since.is_not_null().alias("zoned")]
    zone = pairs.quoted("tz").fill_null("")
    day = pairs.quoted("date") + "T" + pairs.quoted("time")
    frame = pl.DataFrame({"since": since, "event": event, "day": day, "zone": zone})
    return frame.with_columns(reading.clock.iso(day + zone).alias("local")).select(
        pl.coalesce("since", "local").alias("time_us"),
        pl.when(pl.col("since").is_not_null()).then("event").otherwise("day").alias("time"),
        (pl.col("since").is_not_null() | (pl.col("zone") != "")).alias("zoned"),
    ).get_columns()  # fmt: skip


BODY = Fortigate()
