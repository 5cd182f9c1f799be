"""LEEF, IBM's Log Event Extended Format: versions 1.0 and 2.0, of any vendor.

The format is that of IBM's "QRadar Log Event Extended Format (LEEF) Guide": five header fields divided by ``|``, in
version 2.0 a sixth that names the character between the pairs ``key=value``. Else it is a tab, which a syslog server
may have written as ``#011``; Palo Alto and others take ``|`` without saying so.
"""

from __future__ import annotations

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._blank_pairs import BlankPairs, blank_pairs
from knockwatch.sources._event_times import moments
from knockwatch.sources._firewall_records import read_records
from knockwatch.sources._java_dates import canonical

_START = r"\bLEEF: ?([12](?:\.\d)?)\|(.*)$"
_HEADER = ("vendor", "product", "release", "Activity", "attributes")
_DELIMITER = r"^(0?x[0-9A-Fa-f]{2,4}|[^A-Za-z0-9= ]?)\|"
_ESCAPED_TABS = ("#011", r"\t", "<009>", r"\x09")
_DIVIDER = "\x1f"
"""What stands between pairs while they are read, whatever stood there."""

_KEYS = {
    "source_ip": ("src",), "source_port": ("srcPort",), "destination_ip": ("dst",),
    "destination_port": ("dstPort", "service"), "protocol": ("proto",),
    "DeviceAction": ("action", "act", "Action"), "Reason": ("SessionEndReason",),
    "bytes_sent": ("srcBytes", "bytesOut"), "bytes_received": ("dstBytes", "bytesIn"),
    "packets_sent": ("srcPackets",), "packets_received": ("dstPackets",),
    "rule": ("policy", "RuleName", "rule_name", "rule"),
    "sensor": ("identHostName", "DeviceName", "devname", "dvchost"),
    "written": ("devTime",), "shape": ("devTimeFormat",), "entering": ("IngressInterface",),
    "leaving": ("EgressInterface",), "icmp_type": ("icmpType",), "icmp_code": ("icmpCode",),
}  # fmt: skip
"""Keys of each field, the predefined ones of the guide first, then what vendors add."""
_ZONED = r"(?:\b[A-Z]{3,4}|Z|[+-]\d\d:?\d\d)(?: \d{4})?$|^\d{9,19}(?:\.\d+)?$"
"""Times that name a zone, and epoch numbers, which need none."""


class Leef:
    """Reader of LEEF."""

    format = Format(
        "leef",
        "LEEF 1.0 and 2.0, any vendor",
        ("connections",),
        "documented",
        "IBM QRadar Log Event Extended Format (LEEF) Guide, LEEF event components",
    )
    bare = r"^LEEF: ?[12](?:\.\d)?\|"

    def belongs(self) -> pl.Expr:
        """Select messages that begin as LEEF does, or whose beginning syslog took for a program."""
        begins = pl.col("message").str.contains(r"\bLEEF: ?[12](?:\.\d)?\|")
        return begins | (pl.col("program") == "LEEF").fill_null(value=False)

    def read(self, messages: pl.DataFrame, reading: Reading) -> Batch:
        """Read events that name two ends; one that is cut before its attributes is a misfit."""
        text = pl.col("message")
        whole = pl.when(text.str.contains("LEEF:", literal=True)).then(text).otherwise("LEEF:" + text)
        framed = messages.select("line", whole.str.extract_groups(_START).alias("parts"))
        fields = (
            framed.select("line", pl.col("parts").struct.field("2").str.splitn("|", len(_HEADER)))
            .unnest("2")
            .rename({f"field_{at}": name for at, name in enumerate(_HEADER)})
        )
        cut = fields.filter(pl.col("attributes").is_null())["line"]
        records = _records(fields.filter(pl.col("attributes").is_not_null()))
        telling = records.filter(
            pl.col("source_ip").is_not_null()
            & (pl.col("destination_ip").is_not_null() | pl.col("destination_port").is_not_null())
        )
        batch = read_records(_meanings(telling, reading), messages)
        if cut.len() and batch.misfits is not None:
            lost = messages.filter(pl.col("line").is_in(cut.implode()))
            bad = lost.select("line", text.alias("text"))
            batch.misfits = pl.concat([batch.misfits, bad])
        return batch


def _records(fields: pl.DataFrame) -> pl.DataFrame:
    """Divide the attributes, and take those that matter."""
    attributes = _evenly_divided(fields["attributes"])
    pairs = blank_pairs(attributes, _DIVIDER)
    return pl.concat(
        [
            fields.drop("attributes"),
            pl.DataFrame(
                [_first(pairs, keys, fields.height).alias(name) for name, keys in _KEYS.items()]
            ),
        ],
        how="horizontal",
    )  # fmt: skip


def _evenly_divided(attributes: pl.Series) -> pl.Series:
    """Put one divider between pairs, whichever character stood there."""
    frame = pl.DataFrame({"text": attributes.str.replace_all(_DIVIDER, " ", literal=True)})
    text = pl.col("text")
    named = text.str.extract(_DELIMITER, 1)
    frame = frame.with_columns(
        named.alias("named"),
        pl.when(named.is_not_null()).then(text.str.replace(_DELIMITER, "")).otherwise(text).alias("text"),
    )
    characters = {name: _character(name) for name in frame["named"].drop_nulls().unique()}
    rules = [
        *((pl.col("named") == name, character) for name, character in characters.items() if character),
        *((text.str.contains(mark, literal=True), mark) for mark in ("\t", *_ESCAPED_TABS)),
        (text.str.contains(r"\|[\w.-]+="), "|"),
        (text.str.contains(r"\^[\w.-]+="), "^"),
    ]
    divided = [
        pl.when(fits & text.str.contains(mark, literal=True)).then(
            text.str.replace_all(mark, _DIVIDER, literal=True)
        )
        for fits, mark in rules
    ]
    # Without any of them blanks are left: a value may hold some, a key follows on one.
    blanks = text.str.replace_all(r" ([\w.-]+=)", f"{_DIVIDER}$1")
    return frame.select(pl.coalesce(*divided, blanks).alias("text")).to_series()


def _character(name: str) -> str:
    """Give the character that a header field names: itself, or its number in hexadecimal."""
    return chr(int(name.lower().partition("x")[2], 16)) if "x" in name.lower() else name


def _first(pairs: BlankPairs, keys: tuple[str, ...], height: int) -> pl.Series:
    """Give each text's value of the first key that it has."""
    found = pl.DataFrame({"row": pairs.row, "key": pairs.key, "value": pairs.value}).filter(
        pl.col("key").is_in(keys) & (pl.col("value") != "")
    )
    rank = pl.col("key").replace_strict(list(keys), list(range(len(keys))), return_dtype=pl.Int64)
    chosen = found.sort("row", rank, maintain_order=True).unique("row", keep="first", maintain_order=True)
    rows = pl.DataFrame({"row": range(height)}, schema={"row": pl.Int64})
    return rows.join(chosen, on="row", how="left", maintain_order="left")["value"]


def _meanings(records: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Say what the fields mean."""
    shaped = canonical(records["written"], records["shape"])
    times = pl.DataFrame(
        {"shaped": moments(shaped, reading.clock), "known": moments(records["written"], reading.clock)}
    ).select(pl.coalesce("shaped", "known")).to_series()  # fmt: skip
    through = pl.col("entering").is_not_null() & pl.col("leaving").is_not_null()
    return records.with_columns(
        pl.coalesce("DeviceAction", "Activity").alias("DeviceAction"),
        times.alias("time_us"),
        pl.coalesce(shaped, "written").str.contains(_ZONED).alias("zoned"),
        pl.col("written").alias("time"),
        # What names no interfaces may be any device.
        pl.when(through).then(statement=True).alias("through"),
    )


BODY = Leef()
