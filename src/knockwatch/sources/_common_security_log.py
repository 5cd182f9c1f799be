"""From rows of Microsoft's CommonSecurityLog, whoever wrote them, to rows of the table `connections`.

What vendors' words mean is `_vendor_words`' business, what Cisco's messages hold `_cisco_messages`', and how times
are spelled `_event_times`'.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from knockwatch.microsoft import polars_schema
from knockwatch.sources import Reading
from knockwatch.sources._addresses import shortest
from knockwatch.sources._cisco_messages import from_messages
from knockwatch.sources._event_times import moments
from knockwatch.sources._original_time import FORTIGATE, original_times
from knockwatch.sources._vendor_words import extension, judged

_STRINGS, _NUMBERS = range(1, 7), range(1, 4)
_USED = (
    *("DeviceVendor", "DeviceProduct", "DeviceEventClassID", "Activity", "AdditionalExtensions"),
    *("SourceIP", "SourcePort", "DestinationIP", "DestinationPort", "Protocol", "Reason", "Message"),
    *("DeviceAction", "SimplifiedDeviceAction", "EventCount", "SentBytes", "ReceivedBytes"),
    *("DeviceName", "Computer", "DeviceExternalID", "DeviceAddress"),
    *("DeviceInboundInterface", "DeviceOutboundInterface"),
    *("TimeGenerated", "StartTime", "EndTime", "ReceiptTime"),
    *(f"DeviceCustomString{n}{part}" for n in _STRINGS for part in ("", "Label")),
    *(f"{prefix}DeviceCustomNumber{n}" for n in _NUMBERS for prefix in ("", "Field")),
    *(f"DeviceCustomNumber{n}Label" for n in _NUMBERS),
)
_ABSENT = ("", "-", "n/a", "na", "null", "none", "unknown")
"""Words that writers put where they have nothing to say."""

_COUNTS = {
    "packets_sent": f"(?:{FORTIGATE}sentpkt|PanOSPacketsSent|PanOSsrc_packets|UNIFIpacketsSent)",
    "packets_received": f"(?:{FORTIGATE}rcvdpkt|PanOSPacketsReceived|PanOSDstPackets|UNIFIpacketsReceived)",
    "bytes_sent": "(?:bytesOut|UNIFIbytesSent)",
    "bytes_received": "(?:bytesIn|UNIFIbytesReceived)",
}
_RULE = r"(?i)^(?:rule|rule[ _]?name|policy|policy[ _]?(?:id|name)|fwrule|acl|network rule)$"
_PROTOCOLS = {
    "1": "icmp", "6": "tcp", "17": "udp", "58": "icmp6", "ipv6-icmp": "icmp6", "icmpv6": "icmp6",
    "icmp-v6": "icmp6", "icmp for ipv6": "icmp6",
}  # fmt: skip
_PORT_MAX, _ICMP_MAX = 65535, 255


@dataclass(frozen=True)
class Examined:
    """What became of rows of CommonSecurityLog.

    Parameters
    ----------
    connections
        Columns of the table `connections`; rows that tell of no connection have none.
    sound
        For every row that came in, whether its ports are ports and its addresses addresses, where it names any.
    times
        For every row that came in, its most original time in microseconds UTC.
    """

    connections: pl.DataFrame
    sound: pl.Series
    times: pl.Series


def __getattr__(name: str) -> dict[str, pl.DataType]:
    """Give `COLUMNS`, CommonSecurityLog's columns and types, when somebody asks: it is read from a file."""
    if name == "COLUMNS":
        return polars_schema("CommonSecurityLog")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def connections(rows: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Read the connections that rows of CommonSecurityLog tell of.

    Parameters
    ----------
    rows
        `line`, and any of CommonSecurityLog's columns under their exact names, as text or typed. `time_us` and
        `time`, where there, are the time of the record that carried the row.
    reading
        Its clock reads times that name no zone.

    Returns
    -------
    polars.DataFrame
        Columns of the table `connections`, marked `exported`, in the order of the rows. Left out are rows without
        a source address, without any destination, or with a port or address that is none.
    """
    return examine(rows, reading).connections


def examine(rows: pl.DataFrame, reading: Reading) -> Examined:
    """Do what `connections` does, and say of every row whether it is sound."""
    frame = _as_text(rows)
    frame = frame.with_columns(
        _absent("SourceIP"),
        _absent("DestinationIP"),
        _protocols(frame["Protocol"]),
        *(_number(name) for name in ("SourcePort", "DestinationPort") if not _whole(rows, name)),
    )
    given = frame.select("SourceIP", "DestinationIP", "SourcePort", "DestinationPort")
    frame = frame.with_columns(
        shortest(frame["SourceIP"]), shortest(frame["DestinationIP"]), _integer("SourcePort"),
        _integer("DestinationPort"),
    )  # fmt: skip
    sound = _sound(given, frame)
    frame = _with_cisco(frame)
    frame = frame.with_columns(_counts()).with_columns(
        pl.coalesce("bytes_received", "message_bytes").alias("received")
    )
    frame = frame.with_columns(*judged(frame).get_columns(), *_times(rows, frame, reading))
    found = frame.select(rows["line"], *_connection()).filter(
        sound
        & pl.col("source_ip").is_not_null()
        & (pl.col("destination_ip").is_not_null() | pl.col("destination_port").is_not_null())
    )
    return Examined(found, sound, frame["time_us"])


def _as_text(rows: pl.DataFrame) -> pl.DataFrame:
    """Bring the columns that are used to text, the missing ones to nulls."""

    def text(name: str) -> pl.Expr:
        # The record's own time is read already, and its text is not needed then.
        if name not in rows.columns or (name == "TimeGenerated" and "time_us" in rows.columns):
            return pl.lit(None, dtype=pl.String).alias(name)
        dtype = rows.schema[name]
        if isinstance(dtype, pl.Datetime):
            # Microsoft's datetimes are UTC whether their type says so or not.
            moment = pl.col(name).dt.convert_time_zone("UTC") if dtype.time_zone else pl.col(name)
            return moment.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
        if dtype.is_integer():
            return pl.col(name).cast(pl.String)
        return pl.col(name).cast(pl.String).str.strip_chars()

    return rows.select(text(name) for name in _USED)


def _absent(name: str) -> pl.Expr:
    """Turn the words for nothing into null."""
    return pl.when(~pl.col(name).str.to_lowercase().is_in(_ABSENT)).then(pl.col(name)).alias(name)


def _number(name: str) -> pl.Expr:
    """Take off what spreadsheets and JSON add to whole numbers: 3389.0."""
    return _absent(name).str.replace(r"\.0+$", "").alias(name)


def _integer(name: str) -> pl.Expr:
    """Read a whole number."""
    return pl.col(name).cast(pl.Int64, strict=False).alias(name)


def _whole(rows: pl.DataFrame, name: str) -> bool:
    """Tell whether a column came as whole numbers."""
    return name in rows.columns and rows.schema[name].is_integer()


def _protocols(texts: pl.Series) -> pl.Series:
    """Bring protocols, of which few occur, to one spelling. Trap 4: ``6``, ``TCP``, ``tcp/https``."""
    known = texts.drop_nulls().unique().alias("Protocol").to_frame()
    plain = _absent("Protocol").str.to_lowercase().str.replace(r"\.0$", "").str.replace(r"/.*$", "")
    written = known.select(plain.replace(_PROTOCOLS).alias("written"))["written"]
    return texts.replace_strict(known["Protocol"], written, default=None, return_dtype=pl.String)


def _sound(given: pl.DataFrame, read: pl.DataFrame) -> pl.Series:
    """Tell the rows apart in which something that is no address or no port stands where one should."""
    names = ("SourceIP", "DestinationIP", "SourcePort", "DestinationPort")
    return pl.DataFrame(
        [
            *(given[name].is_null().alias(f"no {name}") for name in names),
            *(read[name] for name in names),
        ]
    ).select(
        pl.all_horizontal(
            *(pl.col(f"no {name}") | pl.col(name).is_not_null() for name in names[:2]),
            *(pl.col(f"no {name}") | pl.col(name).is_between(0, _PORT_MAX) for name in names[2:]),
        ).fill_null(value=False).alias("sound")
    ).to_series()  # fmt: skip


def _with_cisco(frame: pl.DataFrame) -> pl.DataFrame:
    """Add what only Cisco's message texts say, where there are such."""
    speaks = frame.select(
        pl.col("DeviceVendor").str.to_lowercase().str.starts_with("cisco") & pl.col("Message").is_not_null()
    ).to_series().fill_null(value=False)  # fmt: skip
    said = from_messages(frame["Message"].zip_with(speaks, pl.Series([None], dtype=pl.String)))
    silent = pl.col("SourceIP").is_null()
    joined = pl.concat([frame, said], how="horizontal")

    def else_said(column: str, name: str) -> pl.Expr:
        return pl.when(silent).then(name).otherwise(column).alias(column)

    sound_ports = pl.col("source_port").is_between(0, _PORT_MAX).fill_null(value=True) & pl.col(
        "destination_port"
    ).is_between(0, _PORT_MAX).fill_null(value=True)
    return joined.with_columns(
        pl.when(silent & sound_ports).then("source_ip").otherwise("SourceIP").alias("SourceIP"),
        else_said("SourcePort", "source_port"),
        else_said("DestinationIP", "destination_ip"),
        else_said("DestinationPort", "destination_port"),
        pl.coalesce("Protocol", "protocol").replace(_PROTOCOLS).alias("Protocol"),
    ).drop("source_ip", "source_port", "destination_ip", "destination_port", "protocol").rename(
        {"bytes": "message_bytes"}
    )  # fmt: skip


def _counts() -> list[pl.Expr]:
    """Read bytes and packets each way: the columns, else the vendors' own keys."""
    columns = {"bytes_sent": "SentBytes", "bytes_received": "ReceivedBytes"}
    return [
        pl.coalesce(
            _number(columns[name]).cast(pl.Int64, strict=False) if name in columns else None,
            pl.col("AdditionalExtensions").str.extract(extension(keys), 1).cast(pl.Int64, strict=False),
        ).alias(name)
        for name, keys in _COUNTS.items()
    ]


def _times(rows: pl.DataFrame, frame: pl.DataFrame, reading: Reading) -> list[pl.Series]:
    """Choose each row's time. Trap 2: TimeGenerated may be when the row was ingested."""
    generated = frame["TimeGenerated"]
    own = rows["time_us"] if "time_us" in rows.columns else moments(generated, reading.clock)
    own_text = rows["time"] if "time" in rows.columns else generated
    return original_times(frame, own, own_text, reading.clock)


def _connection() -> list[pl.Expr]:
    """Give the columns of the table `connections`."""
    icmp = pl.col("Protocol").is_in(["icmp", "icmp6"]).fill_null(value=False)
    source_port, destination_port = pl.col("SourcePort"), pl.col("DestinationPort")
    # Many devices log both as 0 where there is no port, which would read as an echo reply.
    in_ports = icmp & ((source_port != 0) | destination_port.is_null() | (destination_port != 0))
    as_type = pl.when(in_ports & (source_port <= _ICMP_MAX)).then(source_port)
    as_code = pl.when(in_ports & (destination_port <= _ICMP_MAX)).then(destination_port)
    said = [
        pl.col(name).fill_null("") for name in ("DeviceName", "Computer", "DeviceExternalID", "DeviceAddress")
    ]
    return [
        pl.col("time_us"),
        pl.col("time"),
        pl.col("SourceIP").alias("source_ip"),
        pl.when(~icmp).then(source_port).alias("source_port"),
        pl.col("DestinationIP").alias("destination_ip"),
        pl.when(~icmp).then(destination_port).alias("destination_port"),
        pl.col("Protocol").alias("protocol"),
        pl.col("outcome"),
        pl.col("action"),
        pl.col("tcp_flags"),
        pl.when(icmp).then(pl.coalesce("icmp_type", _labelled("type"), as_type)).alias("icmp_type"),
        pl.when(icmp).then(pl.coalesce("icmp_code", _labelled("code"), as_code)).alias("icmp_code"),
        *(pl.col(name) for name in _COUNTS),
        _forwarded().alias("forwarded"),
        _number("EventCount")
        .cast(pl.Int64, strict=False)
        .fill_null(1)
        .clip(lower_bound=1)
        .alias("event_count"),
        pl.coalesce(
            *(pl.when(name != "").then(name) for name in said),
            pl.col("AdditionalExtensions").str.extract(extension("UNIFIhost"), 1),
        ).alias("sensor"),
        pl.col("DeviceVendor").alias("vendor"),
        pl.col("DeviceProduct").alias("product"),
        _rule().alias("rule"),
        pl.lit(value=True).alias("exported"),
    ]


def _labelled(part: str) -> pl.Expr:
    """Find an ICMP type or code among the custom numbers, by its label (Check Point: ``cn2Label=ICMP Type``)."""
    return pl.coalesce(
        *(
            pl.when(pl.col(f"DeviceCustomNumber{n}Label").str.contains(rf"(?i)^icmp[ _]?{part}$"))
            .then(pl.coalesce(_number(f"FieldDeviceCustomNumber{n}"), _number(f"DeviceCustomNumber{n}")))
            .cast(pl.Int64, strict=False)
            for n in _NUMBERS
        )
    )


def _forwarded() -> pl.Expr:
    """Tell whether the device only passed it on: both interfaces named, and nothing known to have come back."""
    entering, leaving = pl.col("DeviceInboundInterface"), pl.col("DeviceOutboundInterface")
    through = (entering.fill_null("") != "") & (leaving.fill_null("") != "")
    return through & ~(pl.col("received") > 0).fill_null(value=False)


def _rule() -> pl.Expr:
    """Find the rule: what Cisco's message names, a custom string that is labelled so, FortiGate's policy."""
    return pl.coalesce(
        "rule",
        *(
            pl.when(pl.col(f"DeviceCustomString{n}Label").str.contains(_RULE)).then(
                pl.col(f"DeviceCustomString{n}")
            )
            for n in _STRINGS
        ),
        pl.col("AdditionalExtensions").str.extract(extension(f"{FORTIGATE}policyid"), 1),
    )
