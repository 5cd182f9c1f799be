"""NetFlow and IPFIX as `nfdump -o csv` prints them, of version 1.6 (fixed columns) and 1.7 (any columns)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._delimited import Block, Layout, blocks, fields, split
from knockwatch.sources._flow_conversations import FLOWS, folded
from knockwatch.sources._nfdump import VIEW, read

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "time": ("ts", "firstSeen"),
    "last": ("te", "lastSeen"),
    "duration": ("td", "duration"),
    "source_ip": ("sa", "srcAddr"),
    "destination_ip": ("da", "dstAddr"),
    "source_port": ("sp", "srcPort"),
    "destination_port": ("dp", "dstPort"),
    "protocol": ("pr", "proto"),
    "letters": ("flg", "flags"),
    "status": ("fwd", "fwdStatus"),
    "packets_sent": ("ipkt", "packets", "inPackets"),
    "bytes_sent": ("ibyt", "bytes", "inBytes"),
    "packets_received": ("opkt", "outPackets"),
    "bytes_received": ("obyt", "outBytes"),
    "event": ("event", "pfAction"),
    "icmp_type": ("icmpTYpe", "icmpType"),
    "icmp_code": ("icmpCode",),
}
"""Our name, and the names in the header of 1.6 (up to 1.7.3) and of later versions (`output_csv.c`)."""
_NEEDED = frozenset(
    ("time", "source_ip", "destination_ip", "source_port", "destination_port", "protocol", "packets_sent")
)
_TRAILER = r"^(?:Summary$|flows,bytes,packets,|\d+(?:,\d+){5}$|No matching flows|ts,te,|firstSeen,|cnt,af,)"
"""What stands behind the flows, and headers that come again where outputs were put one behind the other."""


class NfdumpCsv:
    """Reader of nfdump's CSV."""

    format = Format(
        "nfdump-csv",
        "NetFlow and IPFIX, nfdump -o csv",
        ("connections",),
        "verified",
        "phaag/nfdump, bin/output_csv.c (1.6), src/output/output_csv.c and output_csv_fast.c (1.7); own lab (1.7.1)",
    )

    def confidence(self, head: Head) -> float:
        """Certain by the header; lists of statistics and aggregates without ports are others."""
        return 1.0 if _layout(head) else 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read the records in blocks, and fold both directions of a conversation into one row."""
        layout = _layout(Head(reading.evidence.head()))
        if layout is None:
            reading.evidence.problems.append("has no header of nfdump's CSV")
            return

        def work(block: Block) -> Batch:
            return _parse(block, layout, reading)

        yield from folded(reading.map(work, blocks(reading)), VIEW, reading)


def _layout(head: Head) -> Layout | None:
    """Read the header, if it is one of nfdump's."""
    header = fields(head.lines[0], ",") if head.lines else None
    places = {
        ours: header.index(name)
        for ours, names in _COLUMNS.items()
        for name in names
        if header is not None and name in header
    }
    return Layout(",", len(header), places) if header and places.keys() >= _NEEDED else None


def _parse(block: Block, layout: Layout, reading: Reading) -> Batch:
    """Read a block of records."""
    found, odd = split(block.records, layout)
    records, bad = read(found, reading.clock)
    unread = pl.concat([odd, bad]).filter(~pl.col("text").str.contains(_TRAILER)).sort("line")
    return Batch(block.records.height, {FLOWS: records}, unread, block.malformed)


SOURCE = NfdumpCsv()
