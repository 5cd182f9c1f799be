"""Argus flow records as `ra` prints them with a delimiter; its columns are whatever was asked for with -s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from knockwatch.clock import SECOND_US
from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._delimited import Block, Layout, blocks, fields, split
from knockwatch.sources._event_times import moments
from knockwatch.sources._flow_conversations import FLOWS, folded
from knockwatch.sources._flow_outcomes import View
from knockwatch.sources._flow_records import ACK, FIN, RST, SYN, flag_bits, flows, whole
from knockwatch.tables import REFUSED

_LINK_BYTES = 14
"""Argus counts the link's header too; this is Ethernet's."""
_VIEW = View("QoSient", "Argus", overhead=_LINK_BYTES)
_SEPARATORS = (",", "\t", ";", "|")
_COLUMNS: Mapping[str, str] = {
    "starttime": "time",
    "lasttime": "last",
    "dur": "duration",
    "flgs": "marks",
    "proto": "protocol",
    "srcaddr": "source_ip",
    "sport": "source_port",
    "dir": "direction",
    "dstaddr": "destination_ip",
    "dport": "destination_port",
    "srcpkts": "packets_sent",
    "dstpkts": "packets_received",
    "srcbytes": "bytes_sent",
    "dstbytes": "bytes_received",
    "totpkts": "packets",
    "totbytes": "bytes",
    "sappbytes": "application",
    "state": "state",
}
"""ra's headings, in small letters (ra(1), -s), and ours."""
_NEEDED = frozenset(("source_ip", "destination_ip", "destination_port", "protocol", "state"))
_OPTIONAL = tuple(set(_COLUMNS.values()) - _NEEDED)
_HEADER = r"(?i)^StartTime[,\t;|]|^(?:\w+[,\t;|])+SrcAddr[,\t;|]"

_HEX = r"^0x([0-9a-fA-F]{2})([0-9a-fA-F]{2})$"
_LARGEST_CODE = 15
"""ICMP codes end there (IANA); a larger one is Argus' word for an echo reply that nobody asked for."""
_GONE = ("man",)
"""Protocols of Argus' own records about itself."""
_RESET_BYTES = 60
"""A reset in an Ethernet frame that was filled up; a SYN-ACK with options is longer."""
_RESET_BYTES_6 = 74


class Argus:
    """Reader of ra's delimited output."""

    format = Format(
        "argus",
        "Argus flow records, ra -c ,",
        ("connections",),
        "verified",
        "ra(1) of argus-clients 3.0.8; openargus/clients common/argus_client.c; own lab",
    )

    def confidence(self, head: Head) -> float:
        """Certain by the header, which is nobody else's."""
        return 1.0 if _layout(head) else 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read the records in blocks; status records of one flow become one row."""
        layout = _layout(Head(reading.evidence.head()))
        if layout is None:
            reading.evidence.problems.append("has no header of ra's output")
            return

        def work(block: Block) -> Batch:
            found, odd = split(block.records, layout)
            records, bad = flows(_records(found, reading), reading.clock)
            bad = bad.filter(~pl.col("text").str.contains(_HEADER))
            return Batch(
                block.records.height, {FLOWS: records}, pl.concat([odd, bad]).sort("line"), block.malformed
            )

        yield from folded(reading.map(work, blocks(reading)), _VIEW, reading)


def _layout(head: Head) -> Layout | None:
    """Read the header, if it is one of ra's."""
    for separator in _SEPARATORS:
        header = fields(head.lines[0], separator) if head.lines else None
        if header is None or len(header) < len(_NEEDED):
            continue
        places: dict[str, int] = {}
        for place, name in enumerate(header):
            if ours := _COLUMNS.get(name.strip().lower()):
                places.setdefault(ours, place)
        if places.keys() >= _NEEDED and ("time" in places or "last" in places):
            return Layout(separator, len(header), places)
    return None


def _records(found: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Turn ra's columns into those of flow records."""
    absent = (pl.lit(None, dtype=pl.String).alias(name) for name in _OPTIONAL if name not in found.columns)
    found = found.with_columns(absent).filter(~pl.col("protocol").str.strip_chars().is_in(_GONE))
    found = found.with_columns(pl.col(*_NEEDED, *_OPTIONAL).str.strip_chars().replace("", None))
    begin = moments(found["time"], reading.clock)
    lasted = found.select((pl.col("duration").cast(pl.Float64, strict=False) * SECOND_US).cast(pl.Int64))
    found = found.with_columns(
        begin.alias("time_us"),
        pl.max_horizontal(moments(found["last"], reading.clock), begin + lasted.to_series()).alias("end_us"),
        *_counts(),
    )
    found = found.with_columns(_replied().alias("replied"), *_icmp())
    flags = _flags()
    kept = ("line", "text", "time", "time_us", "end_us", "protocol", "replied", "icmp_type", "icmp_code")
    counts = ("packets_sent", "packets_received", "bytes_sent", "bytes_received", "payload_length")
    records = found.select(
        *kept,
        *counts,
        *(f"{end}_{what}" for end in ("source", "destination") for what in ("ip", "port")),
        flags[0].alias("flags"),
        flags[1].alias("reply_flags"),
        pl.when(pl.col("marks").str.contains("U", literal=True)).then(pl.lit(REFUSED)).alias("said"),
        pl.col("state").alias("action"),
        pl.col("direction").str.contains(r"^<?->?$").alias("directed"),
        (pl.col("direction") == "<-").fill_null(value=False).alias("turned"),
    )
    return _turned(records)


def _counts() -> list[pl.Expr]:
    """Read counts; where only the total is told and one side was silent, all of it is the other's."""
    parts = {
        name: whole(name) for name in ("packets_sent", "packets_received", "bytes_sent", "bytes_received")
    }
    silent = pl.col("state").is_in(["REQ", "INT"]) | pl.col("state").str.contains("_$")
    for kind in ("packets", "bytes"):
        total, sent, back = whole(kind), parts[f"{kind}_sent"], parts[f"{kind}_received"]
        parts[f"{kind}_sent"] = pl.coalesce(sent, pl.when(silent).then(total))
        parts[f"{kind}_received"] = pl.coalesce(back, total - sent)
    single = parts["packets_sent"] == 1
    return [
        *(value.alias(name) for name, value in parts.items()),
        pl.when(single).then(whole("application")).alias("payload_length"),
    ]


def _replied() -> pl.Expr:
    """Say whether the other side sent anything."""
    silent = pl.col("state").is_in(["REQ", "INT"]) | pl.col("state").str.contains("_$")
    return pl.coalesce(
        pl.col("packets_received") > 0,
        pl.when(silent | (whole("packets") == 1)).then(statement=False),
        pl.when(pl.col("protocol") == "tcp").then(statement=True),
        pl.col("direction").str.contains("<", literal=True)
        & pl.col("direction").str.contains(">", literal=True),
    )


def _icmp() -> list[pl.Expr]:
    """Read ICMP's code and type from the place of the source port (``0x0d03`` is type 3, code 13)."""
    code, kind = (
        pl.col("source_port").str.extract(_HEX, group).str.to_integer(base=16, strict=False)
        for group in (1, 2)
    )
    known = pl.col("protocol").str.contains("icmp") & (code <= _LARGEST_CODE)
    return [pl.when(known).then(kind).alias("icmp_type"), pl.when(known).then(code).alias("icmp_code")]


def _flags() -> tuple[pl.Expr, pl.Expr]:
    """Read TCP flags of both sides: as ``-Z b`` writes them (``FSPA_SPA``), else what the state says of them."""
    state, tcp = pl.col("state"), pl.col("protocol") == "tcp"
    both = state.str.extract_groups(r"^([FSRPAECU]*)_([FSRPAECU]*)$")
    written = [both.struct.field(part) for part in ("1", "2")]
    begun = pl.col("direction").is_null() | pl.col("direction").is_in(["->", "<-"])
    reset, refused = state == "RST", _refused()
    mine = (
        pl.when(written[0].is_not_null())
        .then(flag_bits(written[0]))
        .when(~begun)
        .then(ACK)
        .when(state == "REQ")
        .then(SYN)
        # What answers a SYN that nobody saw is no beginning.
        .when((state == "ACC") & ~pl.col("replied"))
        .then(SYN | ACK)
        .when(reset & refused)
        .then(SYN)
        .when(reset & ~pl.col("replied"))
        .then(SYN | RST)
        .otherwise(SYN | ACK)
    )
    theirs = (
        pl.when(written[1].is_not_null())
        .then(flag_bits(written[1]))
        .when(~begun | ~pl.col("replied") | (state == "REQ"))
        .then(0)
        .when(reset & refused)
        .then(RST | ACK)
        .when(state.is_in(["FIN", "CLO"]))
        .then(SYN | ACK | FIN)
        .otherwise(SYN | ACK)
    )
    return pl.when(tcp).then(mine).cast(pl.Int64), pl.when(tcp).then(theirs).cast(pl.Int64)


def _refused() -> pl.Expr:
    """Say of a connection that was reset whether nothing but resets came back.

    One SYN, or one that was repeated (mark ``s``), and short answers; who takes a SYN-ACK and resets sends two packets.
    """
    sent, back = pl.col("packets_sent"), pl.col("packets_received")
    repeated = pl.col("marks").str.contains("s", literal=True).fill_null(value=False)
    most = pl.when(pl.col("source_ip").str.contains(":")).then(_RESET_BYTES_6).otherwise(_RESET_BYTES)
    short = (pl.col("bytes_received") <= back * most).fill_null(value=True)
    few = ((sent == 1) | (repeated & (sent - back <= 6))).fill_null(value=False)
    total = whole("packets")
    pair = (total == 2) | (repeated & (total == 3))
    return pl.when(sent.is_null()).then(pair).otherwise(few & short & (back > 0))


def _turned(records: pl.DataFrame) -> pl.DataFrame:
    """Turn records around that Argus gives with the one who began on the right (``<-``)."""
    pairs = (
        *((f"source_{what}", f"destination_{what}") for what in ("ip", "port")),
        ("packets_sent", "packets_received"),
        ("bytes_sent", "bytes_received"),
    )
    return records.with_columns(
        pl.when("turned").then(other).otherwise(name).alias(name)
        for one, two in pairs
        for name, other in ((one, two), (two, one))
    ).drop("turned")


SOURCE = Argus()
