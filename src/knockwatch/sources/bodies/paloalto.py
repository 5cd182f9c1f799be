"""Palo Alto Networks' TRAFFIC log as comma separated values. Threat, URL and system logs are not read.

The fields are those of "PAN-OS Administrator's Guide", "Traffic Log Fields". Every version appends to the one
before, so what is read stands at the same place in all since 4.0; what came later is null where it is missing.
"""

from __future__ import annotations

import csv

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._event_times import moments
from knockwatch.sources._firewall_records import read_records

_FIELDS = {
    2: "serial", 4: "subtype", 6: "generated", 7: "source_ip", 8: "destination_ip", 11: "rule", 18: "entering",
    19: "leaving", 23: "repeats", 24: "source_port", 25: "destination_port", 29: "protocol", 30: "DeviceAction",
    32: "bytes_sent", 33: "bytes_received", 35: "start", 44: "packets_sent", 45: "packets_received", 46: "Reason",
    52: "device",
}  # fmt: skip
"""Place of each field, counted from 0."""
_WIDTH = max(_FIELDS) + 1
_NUMBERS = ("bytes_sent", "bytes_received", "packets_sent", "packets_received")
_PRECISE = r",(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:\d\d))(?:,|$)"
"""The high resolution timestamp since PAN-OS 10.0: no other field is written so, and its place has moved."""
_START = r"^[^,\"]*,\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)?,[^,\"]*,TRAFFIC,(?:start|end|drop|deny),"


class PaloAlto:
    """Reader of PAN-OS traffic logs."""

    format = Format(
        "paloalto",
        "Palo Alto Networks TRAFFIC log: CSV",
        ("connections",),
        "documented",
        "PAN-OS Administrator's Guide, Traffic Log Fields",
    )
    bare = r"^[0-9A-Za-z]*,\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)?,\w*,(?:TRAFFIC|THREAT|SYSTEM|CONFIG),"

    def belongs(self) -> pl.Expr:
        """Select messages with the type of log at its place."""
        return pl.col("message").str.contains(",TRAFFIC,", literal=True)

    def read(self, messages: pl.DataFrame, reading: Reading) -> Batch:
        """Read traffic logs; a line that ends before its action is a misfit."""
        traffic = messages.filter(pl.col("message").str.strip_chars_start(" ").str.contains(_START))
        fields = _divided(traffic)
        return read_records(_records(fields, reading), messages)


def _divided(traffic: pl.DataFrame) -> pl.DataFrame:
    """Divide lines into fields; those that hold quotes are read as CSV is."""
    quoted = pl.col("message").str.contains('"', literal=True)
    plain = traffic.filter(~quoted).select(
        "line",
        pl.col("message").str.extract(_PRECISE, 1).alias("precise"),
        pl.col("message").str.split_exact(",", _WIDTH).alias("fields"),
    )
    names = [pl.col("fields").struct.field(f"field_{at}").alias(name) for at, name in _FIELDS.items()]
    parts = [plain.select("line", "precise", *names)]
    rest = traffic.filter(quoted)
    if rest.height:
        rows = [_row(text) for text in rest["message"]]
        divided = pl.DataFrame(rows, schema=dict.fromkeys(_FIELDS.values(), pl.String), orient="row")
        precise = rest["message"].str.extract(_PRECISE, 1).alias("precise")
        parts.append(pl.concat([rest.select("line"), precise.to_frame(), divided], how="horizontal"))
    return pl.concat(parts).sort("line")


def _row(text: str) -> list[str | None]:
    """Read one record of any width: the fields that matter."""
    try:
        # One reader a line: a quote that is never closed must not swallow the lines behind it.
        record = next(csv.reader([text]), [])
    except csv.Error:
        record = []
    return [record[at] if at < len(record) else None for at in _FIELDS]


def _records(fields: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Say what the fields mean."""
    own, began = (moments(fields[name], reading.clock) for name in ("generated", "start"))
    precise = moments(fields["precise"], reading.clock)
    if not precise.is_null().all():
        own = precise
    through = (pl.col("entering") != "") & (pl.col("leaving") != "")
    whole = pl.col("DeviceAction").is_not_null()
    return fields.with_columns(
        pl.when(whole).then("source_ip").alias("source_ip"),
        pl.lit("Palo Alto Networks").alias("vendor"),
        pl.lit("PAN-OS").alias("product"),
        *(pl.col(name).cast(pl.Int64, strict=False) for name in _NUMBERS),
        pl.col("repeats").cast(pl.Int64, strict=False).alias("event_count"),
        pl.coalesce(pl.when(pl.col("device") != "").then("device"), "serial").alias("sensor"),
        # A drop may come before the way out is known, and what is for the device itself has none.
        pl.when(through).then(statement=True).alias("through"),
        (pl.col("subtype") == "end").alias("ended"),
        own.alias("time_us"),
        pl.coalesce("precise", "generated").alias("time"),
        precise.is_not_null().alias("zoned"),
        (moments(fields["generated"], reading.clock) - began).alias("lasted_us"),
    )


BODY = PaloAlto()
