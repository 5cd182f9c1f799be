"""NetFlow and IPFIX as `nfdump -o json` prints them, in an array (1.6, 1.7) or one object a line (1.7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._flow_conversations import FLOWS, folded
from knockwatch.sources._json_records import JsonRecords
from knockwatch.sources._nfdump import VIEW, read

_NAMES = {
    "proto": "protocol",
    "tcp_flags": "letters",
    "src_port": "source_port",
    "dst_port": "destination_port",
    "in_packets": "packets_sent",
    "in_bytes": "bytes_sent",
    "out_packets": "packets_received",
    "out_bytes": "bytes_received",
    "fwd_status": "status",
    "icmp_type": "icmp_type",
    "icmp_code": "icmp_code",
}
"""nfdump's names and ours; `event` is firewalls' (NSEL)."""
_TWICE = {
    "time": ("first", "t_first"),
    "last": ("last", "t_last"),
    "source_ip": ("src4_addr", "src6_addr"),
    "destination_ip": ("dst4_addr", "dst6_addr"),
    "event": ("event", "pf_action"),
}
"""Ours, and the names of which a record has one."""
_UNPADDED = r"\.(\d{1,3})$"


class NfdumpJson(JsonRecords):
    """Reader of nfdump's JSON."""

    format = Format(
        "nfdump-json",
        "NetFlow and IPFIX, nfdump -o json",
        ("connections",),
        "verified",
        "phaag/nfdump, bin/output_json.c (1.6), src/output/output_json.c and output_ndjson.c (1.7); own lab (1.7.1)",
        numbered="record",
    )
    keys = (*_NAMES, *(name for names in _TWICE.values() for name in names))

    def belongs(self, record: Mapping[str, Any]) -> bool:
        """Tell nfdump's records by the names of addresses and counts."""
        return "in_packets" in record and ("src4_addr" in record or "src6_addr" in record)

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Fold both directions of a conversation into one row."""
        yield from folded(super().read(reading), VIEW, reading)

    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        """Read records of flows."""
        found = _padded(records).select(
            "line",
            *(pl.col(name).alias(ours) for name, ours in _NAMES.items()),
            *(pl.coalesce(names).alias(ours) for ours, names in _TWICE.items()),
        )
        flows, bad = read(found, reading.clock)
        return Batch(records.height, {FLOWS: flows}, bad)


def _padded(records: pl.DataFrame) -> pl.DataFrame:
    """Give version 1.6's milliseconds, written without zeros before, their three digits: .7 is .007."""
    return records.with_columns(
        pl.concat_str(
            pl.col(name).str.replace(_UNPADDED, "."), pl.col(name).str.extract(_UNPADDED, 1).str.zfill(3)
        ).alias(name)
        for name in ("t_first", "t_last")
    )


SOURCE = NfdumpJson()
