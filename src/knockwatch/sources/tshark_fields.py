"""Packets exported as fields with a header: `tshark -T fields -E header=y`, and the packet list of Wireshark as CSV."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._delimited import Block, Layout, blocks, fields, split
from knockwatch.sources._tshark import FIELDS, NAMES, PACKETS, connections, known, packets

_SEPARATORS = ("\t", ",", ";", "|")
_LIST = {
    "No.": "no",
    "Time": "time",
    "Source": "source",
    "Destination": "destination",
    "Protocol": "kind",
    "Info": "info",
}
"""Columns of Wireshark's packet list, as it shows them until somebody changes that."""
_LIST_MAY = {"Length": "frame_length"}
_LIST_TELLS = (
    "frame.time",
    "frame.len",
    "ip.src",
    "tcp.srcport",
    "tcp.flags",
    "udp.srcport",
    "tcp.len",
    "udp.length",
)
_MARKS = r"^(?:\[[^\]]*\] ?)*"
_PORTS = rf"{_MARKS}(\d{{1,5}}) +(?:→|>) +(\d{{1,5}})\b"
_FLAGS = r"\[((?:FIN|SYN|RST|PSH|ACK|URG|ECE|CWR|ECN|AE|NS|Reserved)(?:, ?\w+)*)\]"
_TOLD_FLAGS = {"FIN": "F", "SYN": "S", "RST": "R", "PSH": "P", "ACK": "A", "URG": "U"}
_ECHO = r"^Echo \(ping\) (request|reply)\b"
_DATED = r"\d{4}|^\d{9,}"
"""A time that has a date; else it is counted from the capture's begin."""


class TsharkFields:
    """Reader of both."""

    format = Format(
        "tshark-fields",
        "packet fields of tshark -T fields, and Wireshark's packet list as CSV",
        ("connections",),
        "verified",
        "tshark(1), -T fields, -E; Wireshark user's guide, section Exporting Data; own lab",
    )

    def confidence(self, head: Head) -> float:
        """Certain by the names in the header."""
        return 1.0 if _layout(head) else 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read the packets in blocks, and put them together to connections."""
        layout = _layout(Head(reading.evidence.head()))
        if layout is None:
            reading.evidence.problems.append("has no header of Wireshark's fields")
            return
        listed = "info" in layout.columns

        def work(block: Block) -> Batch:
            found, odd = split(block.records, layout)
            told, bad = packets(_of_list(found) if listed else _of_fields(found), reading.clock)
            unread = pl.concat([odd, bad]).sort("line")
            return Batch(block.records.height, {PACKETS: told}, unread, block.malformed)

        names = _LIST_TELLS if listed else layout.columns
        yield from connections(reading.map(work, blocks(reading)), names, reading)


def _layout(head: Head) -> Layout | None:
    """Read the header, if it is one of Wireshark's."""
    for separator in _SEPARATORS:
        header = fields(head.lines[0], separator) if head.lines else None
        if not header:
            continue
        places = {name: header.index(name) for name in header if name in NAMES}
        if known(places):
            return Layout(separator, len(header), places)
        if set(_LIST) <= set(header):
            return Layout(
                separator, len(header), {ours: header.index(theirs) for theirs, ours in _LIST.items()}
            )
    return None


def _of_fields(found: pl.DataFrame) -> pl.DataFrame:
    """Give Wireshark's fields our names."""
    return found.select(
        *("line", "text"),
        *(
            pl.coalesce([pl.col(name).replace("", None) for name in names if name in found.columns]).alias(
                ours
            )
            for ours, names in FIELDS.items()
            if set(names) & set(found.columns)
        ),
    )


def _of_list(found: pl.DataFrame) -> pl.DataFrame:
    """Read the packet list: ports and flags stand in the text that describes a packet.

    Of packets that Wireshark understands as more than TCP or UDP it does not tell the ports: they belong to
    connections whose beginning it does describe.
    """
    info = pl.col("info")
    flags = info.str.extract(_FLAGS, 1)
    letters = pl.concat_str(
        pl.when(flags.str.contains(word)).then(pl.lit(letter)).otherwise(pl.lit(""))
        for word, letter in _TOLD_FLAGS.items()
    )
    tcp, ping = flags.is_not_null(), info.str.extract(_ECHO, 1)
    echo, six = ping.is_not_null(), pl.col("source").str.contains(":", literal=True)
    kind = (
        pl.when(six)
        .then(pl.when(ping == "request").then(128).otherwise(129))
        .otherwise(pl.when(ping == "request").then(8).otherwise(0))
    )
    port, to_port, size = (
        info.str.extract(_PORTS, 1),
        info.str.extract(_PORTS, 2),
        info.str.extract(r"\bLen=(\d+)", 1),
    )
    udp = ~tcp & ~echo
    return found.select(
        *("line", "text", "source", "destination"),
        *(name for name in _LIST_MAY.values() if name in found.columns),
        pl.when(pl.col("time").str.contains(_DATED)).then("time").alias("time"),
        *(pl.when(tcp).then(value).alias(name) for name, value in (("tcp_source", port), ("tcp_destination", to_port))),
        *(pl.when(udp).then(value).alias(name) for name, value in (("udp_source", port), ("udp_destination", to_port))),
        pl.when(tcp).then(letters).alias("letters"),
        pl.when(tcp).then(size).alias("tcp_length"),
        pl.when(udp).then((size.cast(pl.Int64, strict=False) + 8).cast(pl.String)).alias("udp_length"),
        pl.when(echo & ~six).then(kind.cast(pl.String)).alias("icmp_type"),
        pl.when(echo & six).then(kind.cast(pl.String)).alias("icmp_type_6"),
        pl.when(echo).then(info.str.extract(r"\bid=(0x[0-9a-f]+)", 1)).alias("icmp_ident"),
    )  # fmt: skip


SOURCE = TsharkFields()
