"""Messages of Cisco's ASA and FTD, ``%ASA-4-106023: …``, that tell of a connection. The others are left alone.

What stands in their texts is `_cisco_messages`' business, what it means `_vendor_words`'.
"""

from __future__ import annotations

import polars as pl

from knockwatch.clock import SECOND_US
from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._cisco_messages import from_messages
from knockwatch.sources._event_times import moments
from knockwatch.sources._firewall_records import read_records

_DENIALS = (
    "106001", "106002", "106006", "106007", "106010", "106012", "106013", "106014", "106015", "106016", "106017",
    "106018", "106020", "106021", "106022", "106023", "106100", "106102",
)  # fmt: skip
_SESSIONS = ("302013", "302014", "302015", "302016", "302020", "302021")
_ICMP = ("313001", "313004", "313005", "313008")
_PINGS = ("302020", "302021", "313001", "313004", "313005", "313008", "106100", "106102")
_TO_THE_BOX = ("710002", "710003", "710004", "710005")
_FTD = ("430002", "430003")
CONNECTIONS = (*_DENIALS, *_SESSIONS, *_ICMP, *_TO_THE_BOX, *_FTD)
"""Numbers of the messages that tell of a connection."""


_TAG = r"%(ASA|FTD|PIX|FWSM)-(?:[a-z]+-)?\d-(\d{6})"
_TIME = (
    r"(?:[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d+)?"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)"
)
_ZONE = r"(?: [A-Z]{2,4})?"
_OWN = rf"^:?({_TIME}{_ZONE}) ?:? ?:?%"
"""What the device itself writes before a message: ``logging timestamp``."""
_ZONE_WITHOUT_YEAR = r"^([A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d)(?:\.\d+)? [A-Z]{2,4}$"
_ZONED = r"(?:Z|[+-]\d\d:?\d\d|[A-Z]{3,4})$"
_DECIDING = r"((?:access-list \S+ \S+)|(?:AccessControlRuleAction: ?[^,;]+))"
_REASON = r"\bbytes \d+ (\S.*?)(?: from \S+)?(?: \(.*\))?$"
_IDENTITY = r"(?i)\bidentity(?: ifc)?:"
_PING_DENIED = {
    "source_ip": r"\bDenied ICMP\S* type=.*?from (?:laddr )?([0-9A-Fa-f.:]+)",
    "destination_ip": r"\bDenied ICMP\S* type=.* on interface \S+ to ([0-9A-Fa-f.]+|[0-9A-Fa-f:]+[0-9A-Fa-f])\b",
    "icmp_type": r"\bDenied ICMP\S* type=(\d+)",
    "icmp_code": r"\bDenied ICMP\S* type=\d+, code=(\d+)",
}
"""313001, 313004 and 313008 have words of their own; the first names no destination, which is the device."""
_COUNTS = {
    "packets_sent": r"\bInitiatorPackets: ?(\d+)", "packets_received": r"\bResponderPackets: ?(\d+)",
    "bytes_sent": r"\bInitiatorBytes: ?(\d+)", "bytes_received": r"\bResponderBytes: ?(\d+)",
}  # fmt: skip
_ECHO = {"Echo Request": 8, "Echo Reply": 0, "Destination Unreachable": 3}


class CiscoFirewall:
    """Reader of ASA's and FTD's messages."""

    format = Format(
        "cisco-firewall",
        "Cisco ASA and FTD messages: %ASA-, %FTD-",
        ("connections",),
        "documented",
        "Cisco Secure Firewall ASA Series Syslog Messages; Cisco Secure Firewall Threat Defense Syslog Messages",
    )
    bare = rf"^:?(?:{_TIME}{_ZONE} ?:? ?)?:? ?%(?:ASA|FTD|PIX|FWSM)-"

    def belongs(self) -> pl.Expr:
        """Select messages with the tag of a firewall."""
        message = pl.col("message")
        return pl.any_horizontal(
            *(message.str.contains(f"%{name}-", literal=True) for name in ("ASA", "FTD", "PIX", "FWSM"))
        )

    def read(self, messages: pl.DataFrame, reading: Reading) -> Batch:
        """Read messages that tell of a connection; one that names no address is a misfit."""
        tagged = messages.with_columns(
            pl.col("message").str.extract_groups(_TAG).struct.rename_fields(["family", "number"]).alias("tag")
        ).unnest("tag")
        telling = tagged.filter(pl.col("number").is_in(CONNECTIONS))
        family = pl.when(pl.col("number").is_in(_FTD)).then(0).when(pl.col("number").is_in(_PINGS)).then(1)
        # Messages of one kind are read faster than a mixture.
        parts = telling.with_columns(family.otherwise(2).alias("kind")).partition_by(
            "kind", include_key=False
        )
        records = pl.concat([_records(part, reading) for part in parts or [telling]], how="diagonal_relaxed")
        return read_records(records.sort("line"), messages)


def _records(telling: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Read the fields that matter."""
    # An interface's name may hold blanks in this one case, and stands before an address.
    texts = telling["message"].str.replace("NP Identity Ifc:", "identity:", literal=True)
    said = from_messages(texts).with_columns(pl.col("bytes").alias("total"))
    frame = pl.concat([telling, said.drop("bytes")], how="horizontal")
    text, number = pl.col("message"), pl.col("number")
    if telling.select(number.is_in(_ICMP).any()).item():
        frame = frame.with_columns(
            pl.when(number.is_in(_ICMP) & (number != "313005"))
            .then(text.str.extract(pattern, 1).cast(frame.schema[name], strict=False))
            .otherwise(name)
            .alias(name)
            for name, pattern in _PING_DENIED.items()
        ).with_columns(
            pl.when(number.is_in(_ICMP)).then(pl.lit("icmp")).otherwise("protocol").alias("protocol")
        )
    if telling.select(number.is_in(_FTD).any()).item():
        frame = _with_ftd(frame)
    return _meanings(frame, reading)


def _with_ftd(frame: pl.DataFrame) -> pl.DataFrame:
    """Add what only FTD's connection events name."""
    text = pl.col("message")
    kind = text.str.extract(r"\bICMPType: ?([^,]+)", 1)
    return frame.with_columns(
        *(text.str.extract(pattern, 1).cast(pl.Int64).alias(name) for name, pattern in _COUNTS.items()),
        (text.str.extract(r"\bConnectionDuration: ?(\d+)", 1).cast(pl.Int64) * SECOND_US).alias("ftd_us"),
        text.str.extract(r"\bFirstPacketSecond: ?([^,\s]+)", 1).alias("first"),
        pl.coalesce(
            "icmp_type", kind.replace_strict(_ECHO, default=None, return_dtype=pl.Int64)
        ).alias("icmp_type"),
    )  # fmt: skip


def _meanings(frame: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Say what the fields mean."""
    text, number = pl.col("message"), pl.col("number")
    missing = [
        pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in {"ftd_us": pl.Int64, "first": pl.String}.items()
        if name not in frame.columns
    ]
    frame = frame.with_columns(
        *missing, text.str.extract(_OWN, 1).alias("own"), text.str.extract(_REASON, 1).alias("Reason")
    ).with_columns(pl.col("own").str.replace(_ZONE_WITHOUT_YEAR, "$1"))
    first, own = (moments(frame[name], reading.clock) for name in ("first", "own"))
    to_the_box = number.is_in(_TO_THE_BOX) | (number == "313001") | text.str.contains(_IDENTITY)
    torn_down = number.is_in(["302014", "302016"])
    named = pl.col("destination_ip").is_not_null() | (number == "313001")
    return frame.select(
        "line",
        pl.when(named).then("source_ip").alias("source_ip"),
        *("destination_ip", "protocol", "icmp_type", "icmp_code", "tcp_flags", "rule"),
        pl.col("source_port").cast(pl.String),
        pl.col("destination_port").cast(pl.String),
        *(name for name in _COUNTS if name in frame.columns),
        pl.lit("Cisco").alias("vendor"),
        pl.when(pl.col("family") == "FTD").then(pl.lit("FTD")).otherwise(pl.lit("ASA")).alias("product"),
        number.alias("DeviceEventClassID"),
        text.str.extract(_DECIDING, 1).alias("Message"),
        "Reason",
        pl.coalesce(first, own).alias("time_us"),
        pl.coalesce("first", "own").alias("time"),
        pl.coalesce("first", "own").str.contains(_ZONED).alias("zoned"),
        pl.when(first.is_null()).then(pl.coalesce("duration_us", "ftd_us")).alias("lasted_us"),
        (~to_the_box).alias("through"),
        (number == "430003").alias("ended"),
        # Bytes of a torn down TCP session are payload: it was answered. UDP's may all have gone one way.
        (torn_down & (pl.col("protocol") == "tcp") & (pl.col("total") > 0)).alias("answered"),
    )


BODY = CiscoFirewall()
