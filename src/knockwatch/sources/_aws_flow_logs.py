"""AWS VPC Flow Logs: what their fields mean, whether they stand in lines or in columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from knockwatch.clock import Clock
from knockwatch.sources import Batch
from knockwatch.sources._flow_conversations import FLOWS
from knockwatch.sources._flow_outcomes import View
from knockwatch.sources._flow_records import ALLOWED, flows, whole
from knockwatch.tables import DENIED

TITLE = "AWS VPC Flow Logs"
VIEW = View("AWS", "VPC Flow Logs", all_flags=False)
DEFAULT = (
    "version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets",
    "bytes", "start", "end", "action", "log-status",
)  # fmt: skip
"""Fields of the default format, in order."""
FIELDS: Mapping[str, str] = {
    "interface-id": "sensor",
    "srcaddr": "srcaddr",
    "dstaddr": "dstaddr",
    "pkt-srcaddr": "pkt-srcaddr",
    "pkt-dstaddr": "pkt-dstaddr",
    "srcport": "source_port",
    "dstport": "destination_port",
    "protocol": "protocol",
    "packets": "packets_sent",
    "bytes": "bytes_sent",
    "start": "time",
    "end": "last",
    "action": "action",
    "tcp-flags": "flags",
    "log-status": "status",
}
"""Fields that are read, and our names; versions 2 to 8 add fields, none changes one."""
_NEEDED = frozenset(("srcaddr", "dstaddr", "source_port", "destination_port", "protocol"))
_ONE_OF = frozenset(("action", "status", "sensor"))


def places(names: Sequence[str]) -> dict[str, int] | None:
    """Find the fields in a header or in column names, with ``-`` or ``_``; None where they are another format's."""
    plain = [name.strip(' "${}\ufeff').lower().replace("_", "-") for name in names]
    found = {ours: plain.index(theirs) for theirs, ours in FIELDS.items() if theirs in plain}
    return found if found.keys() >= _NEEDED and found.keys() & _ONE_OF else None


def parse(found: pl.DataFrame, clock: Clock) -> tuple[Batch, int]:
    """Read records.

    Parameters
    ----------
    found
        `line`, `text` (may be missing), and some of `FIELDS` under our names, as text.

    Returns
    -------
    tuple
        A batch with the records as flows, and how many records AWS says it skipped. A window in which nothing
        happened (NODATA) is neither a flow nor a misfit.
    """
    absent = (
        pl.lit(None, dtype=pl.String).alias(name) for name in FIELDS.values() if name not in found.columns
    )
    found = found.with_columns(absent).with_columns(
        pl.col(*FIELDS.values()).str.strip_chars(' "').replace(["-", ""], None)
    )
    empty = pl.col("status").is_in(["NODATA", "SKIPDATA"]) & pl.col("srcaddr").is_null()
    skipped = int(found.select((pl.col("status") == "SKIPDATA").sum()).item())
    told = found.filter(~empty.fill_null(value=False)).with_columns(
        # Where traffic passes through something, these are the addresses on the packet.
        pl.coalesce("pkt-srcaddr", "srcaddr").alias("source_ip"),
        pl.coalesce("pkt-dstaddr", "dstaddr").alias("destination_ip"),
        whole("flags"),
        pl.col("action").replace_strict({"ACCEPT": ALLOWED, "REJECT": DENIED}, default=None).alias("said"),
    )
    records, bad = flows(told.drop("srcaddr", "dstaddr", "pkt-srcaddr", "pkt-dstaddr", "status"), clock)
    return Batch(found.height, {FLOWS: records}, bad), skipped


def problems(skipped: Iterable[int]) -> list[str]:
    """Say what AWS left out."""
    count = sum(skipped)
    if not count:
        return []
    return [f"AWS skipped records in {count} capture windows (SKIPDATA): some flows are missing"]
