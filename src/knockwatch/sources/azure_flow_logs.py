"""Azure flow logs: of network security groups (versions 1 and 2) and of virtual networks (PT1H.json)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._flow_conversations import FLOWS, folded
from knockwatch.sources._flow_outcomes import View
from knockwatch.sources._flow_records import ALLOWED, flows, whole
from knockwatch.sources._json_records import JsonRecords
from knockwatch.tables import DENIED

_CATEGORIES = ("networksecuritygroupflowevent", "flowlogflowevent")
# The lengths in Microsoft's examples are those of Ethernet frames: 66 bytes are a bare ACK with time stamps.
_VIEW = View("Microsoft", "Azure flow logs", overhead=14)
_TUPLE = ("time", "source_ip", "destination_ip", "source_port", "destination_port", "protocol")
_COUNTS = ("packets_sent", "bytes_sent", "packets_received", "bytes_received")
_PROTOCOLS = {"T": "tcp", "U": "udp"}
_NETWORK_STATES = ("B", "C", "E", "D")
"""States in the place where tuples of network security groups say A or D."""


class AzureFlowLogs(JsonRecords):
    """Reader of Azure flow logs. `line` is the record's number; each holds a minute of one interface."""

    format = Format(
        "azure-flow-logs",
        "Azure NSG and virtual network flow logs",
        ("connections",),
        "documented",
        "MicrosoftDocs/azure-docs, articles/network-watcher: nsg-flow-logs-overview.md, vnet-flow-logs-overview.md, "
        "sections Log format and Sample log records",
        numbered="record",
    )
    keys = ("properties.flows", "flowRecords.flows", "macAddress")

    def belongs(self, record: Mapping[str, Any]) -> bool:
        """Tell the records by their category."""
        return str(record.get("category", "")).lower() in _CATEGORIES

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Make one row of all states of a flow: begin, continuing, end."""
        yield from folded(super().read(reading), _VIEW, reading)

    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        """Read the tuples of records; one of which a tuple makes no sense is a misfit too."""
        groups = [group for record in records.iter_rows() for group in _groups(*record)]
        schema = {name: pl.String() for name in ("rule", "sensor")}
        tuples = pl.DataFrame(
            groups,
            schema={"line": pl.Int64(), **schema, "text": pl.List(pl.String())},
            orient="row",
        ).explode("text", empty_as_null=False)
        found, bad = flows(_tuples(tuples), reading.clock)
        empty = records.filter(pl.all_horizontal(pl.col("properties.flows", "flowRecords.flows").is_null()))
        odd = pl.concat([bad, empty.select("line", pl.lit(None, dtype=pl.String).alias("text"))])
        return Batch(records.height, {FLOWS: found}, odd.unique("line", keep="first"))


def _groups(
    line: int, security: str | None, network: str | None, mac: str | None
) -> Iterator[tuple[Any, ...]]:
    """Find the groups of tuples in a record, each with its rule and interface."""
    for rule in _mappings(_parsed(security)):
        for group in _mappings(rule.get("flows")):
            yield line, _text(rule.get("rule")), _text(group.get("mac")), _texts(group.get("flowTuples"))
    for list_ in _mappings(_parsed(network)):
        for group in _mappings(list_.get("flowGroups")):
            yield line, _text(group.get("rule")), mac, _texts(group.get("flowTuples"))


def _parsed(text: str | None) -> Any:
    """Read JSON; None where it is none."""
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return None


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    """Give the objects of a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    """Give a value if it is text."""
    return value if isinstance(value, str) else None


def _texts(value: Any) -> list[str]:
    """Give the texts of a list."""
    return [str(one) for one in value] if isinstance(value, list) else []


def _tuples(tuples: pl.DataFrame) -> pl.DataFrame:
    """Read tuples of either kind."""
    parts = pl.col("text").str.split(",")
    read = tuples.with_columns(
        *(parts.list.get(place, null_on_oob=True).alias(name) for place, name in enumerate(_TUPLE)),
        parts.list.get(7, null_on_oob=True).alias("decision"),
        *(parts.list.get(place, null_on_oob=True).alias(name) for place, name in enumerate(_COUNTS, 9)),
    )
    network = pl.col("protocol").str.contains(r"^\d+$") & pl.col("decision").is_in(_NETWORK_STATES)
    denied = pl.col("decision") == "D"
    known = network | pl.col("decision").is_in(["A", "D"])
    return read.with_columns(
        pl.when(known).then(pl.col("protocol").replace(_PROTOCOLS)).alias("protocol"),
        (whole("packets_received") > 0).alias("replied"),
        pl.when(denied).then(pl.lit(DENIED)).otherwise(pl.lit(ALLOWED)).alias("said"),
        pl.when(denied).then(pl.lit("Deny")).otherwise(pl.lit("Allow")).alias("action"),
        pl.lit(value=True).alias("directed"),
    )


SOURCE = AzureFlowLogs()
