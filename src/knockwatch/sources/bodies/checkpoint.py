"""Check Point's Log Exporter: syslog's structured data, ``action:"Drop"; src:"…"``, and Splunk's ``action=Drop|src=…``.

The fields are those of Check Point's sk144192, "List of Log Fields". Its CEF and LEEF are read as such.
"""

from __future__ import annotations

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._event_times import moments
from knockwatch.sources._firewall_records import read_records
from knockwatch.sources._pairs import Pairs

_COLONS = r"(^|[;\[ ] ?)([A-Za-z_][\w.-]*):\""
_BARS = r"\|([A-Za-z_][\w.-]*)="
_BAR_STYLE = r"(?:^|\|)(?:time|loguid|product|action)=[^\"|]*\|"
_ALIKE = {
    "source_ip": "src", "source_port": "s_port", "destination_ip": "dst", "destination_port": "service",
    "protocol": "proto", "DeviceAction": "action", "gateway": "origin", "outzone": "outzone", "time": "time",
    "name": "rule_name", "number": "rule", "product": "product", "sensor": "hostname",
}  # fmt: skip
_NUMBERS = {
    "icmp_type": "icmp_type", "icmp_code": "icmp_code", "bytes_sent": "sent_bytes", "bytes_received": "received_bytes",
    "packets_sent": "client_outbound_packets", "packets_received": "server_outbound_packets",
}  # fmt: skip
_PRODUCT_DEFAULT = "VPN-1 & FireWall-1"


class CheckPoint:
    """Reader of Check Point's logs."""

    format = Format(
        "checkpoint",
        "Check Point Log Exporter: syslog and Splunk styles",
        ("connections",),
        "documented",
        "Check Point sk122323, Log Exporter; sk144192, List of Log Fields",
    )
    bare = r"^(?:time=\d{9,10}\|(?:hostname|loguid|product|action|severity)=|\[?(?:action|flags|Action):\")"

    def belongs(self) -> pl.Expr:
        """Select messages with an id or a product in Check Point's spelling, but neither its CEF nor its LEEF."""
        message, program = pl.col("message"), pl.col("program").fill_null("")
        marks = ("loguid", 'product:"', "@2620 ", "|product=")
        named = pl.any_horizontal(
            program == "CheckPoint", *(message.str.contains(mark, literal=True) for mark in marks)
        )
        return named & ~message.str.contains(r"\b(?:CEF|LEEF): ?\d") & ~program.is_in(["CEF", "LEEF"])

    def read(self, messages: pl.DataFrame, reading: Reading) -> Batch:
        """Read records that name two ends; those of administrators name none and are left alone."""
        pairs = Pairs(_quoted(messages["message"]))
        pairs.skip_quoted()
        frame = pl.DataFrame(
            [
                messages["line"],
                *(pairs.quoted(key).alias(name) for name, key in _ALIKE.items()),
                *(
                    pairs.quoted(key).cast(pl.Int64, strict=False).alias(name)
                    for name, key in _NUMBERS.items()
                ),
            ]
        )
        telling = frame.filter(
            pl.col("source_ip").is_not_null()
            & pl.col("destination_ip").is_not_null()
            & pl.col("DeviceAction").is_not_null()
        )
        return read_records(_meanings(telling, reading), messages)


def _quoted(texts: pl.Series) -> pl.Series:
    """Bring all styles to pairs ``key="value"`` divided by blanks."""
    text = pl.col("text")
    bars = text.str.contains(_BAR_STYLE)
    with_bars = (
        (pl.lit("|") + text.str.replace_all('"', "'", literal=True).str.strip_chars_end("|"))
        .str.replace_all(_BARS, '" ${1}="')
        + '"'
    ).str.strip_prefix('"')  # fmt: skip
    with_colons = text.str.replace_all(_COLONS, '${1} ${2}="')
    colons = text.str.contains(r'\w:"')
    return (
        pl.DataFrame({"text": texts})
        .select(pl.when(bars).then(with_bars).when(colons).then(with_colons).otherwise(text).alias("text"))
        .to_series()
    )


def _meanings(records: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Say what the fields mean."""
    own = (pl.col("outzone") == "Local") | (pl.col("destination_ip") == pl.col("gateway"))
    return records.with_columns(
        pl.lit("Check Point").alias("vendor"),
        pl.col("product").fill_null(_PRODUCT_DEFAULT),
        pl.coalesce("name", "number").alias("rule"),
        moments(records["time"], reading.clock).alias("time_us"),
        pl.lit(value=True).alias("zoned"),
        (~own).fill_null(value=True).alias("through"),
    ).with_columns(
        # A service may be named instead of numbered.
        pl.when(pl.col("destination_port").str.contains(r"^\d+$"))
        .then("destination_port")
        .alias("destination_port")
    )


BODY = CheckPoint()
