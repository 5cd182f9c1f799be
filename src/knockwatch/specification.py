"""The specification every defender starts from, as one table: the union of its three branches.

Each branch stands with its detection; `content/specification.kql` says the same in KQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import ibis
import polars as pl

from knockwatch.detections import Finding, daemon_activity, denied_ports, knock_client
from knockwatch.detections._daemon_phrases import understand

if TYPE_CHECKING:
    import ibis.expr.types as ir

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the views' times are UTC without saying so
_MICROSECOND = timedelta(microseconds=1)
BRANCHES = (daemon_activity.DETECTION, denied_ports.DETECTION, knock_client.DETECTION)
"""In the order of the union, which decides the order of its columns."""


def specification_union(views: Mapping[str, ir.Table]) -> ir.Table:
    """Unite the branches as ``union kind=outer`` does, newest first.

    Parameters
    ----------
    views
        Microsoft's three tables.

    Returns
    -------
    ibis.expr.types.Table
        The columns of the first branch, then those that each following one adds; null where a branch has none
        (Kusto shows an empty string there, and an empty dynamic).
    """
    branches = [detection.specification(views) for detection in BRANCHES]
    types: dict[str, Any] = {}
    for branch in branches:
        types = {**branch.schema(), **types}
    order = list(dict.fromkeys(name for branch in branches for name in branch.columns))
    shaped = [
        branch.select(
            **{name: branch[name] if name in branch.columns else ibis.null(types[name]) for name in order}
        )
        for branch in branches
    ]
    return ibis.union(*shaped, distinct=False).order_by(ibis.desc("TimeGenerated"))


def specification_findings(table: pl.DataFrame) -> list[Finding]:
    """Make findings of the union's rows, so that cases can be built of them; the views keep no file and line.

    Parameters
    ----------
    table
        `specification_union`, executed.

    Returns
    -------
    list
        One finding a row, in the table's order; nothing is inferred beyond what the row says.
    """
    return [_finding(row) for row in table.iter_rows(named=True)]


def _finding(row: Mapping[str, Any]) -> Finding:
    """Make a finding of one row."""
    label = row["DetectionBranch"]
    start_us = (row["TimeGenerated"] - _EPOCH) // _MICROSECOND
    if label in denied_ports.RULE.labels:
        return Finding(
            denied_ports.RULE.id,
            label,
            "signal",
            "signal",
            start_us,
            start_us + row["KnockDurationSec"] * 1_000_000,
            sources=(row["SourceIP"],),
            host=row["DeviceName"] or None,
            sequence=tuple(str(port) for port in sorted(row["PortSequence"])),
            # A set has no order.
            order_known=False,
            note=f"{row['SourceIP']} was denied at {row['DistinctPortsHit']} ports in {row['KnockDurationSec']} s.",
        )
    if label in knock_client.RULE.labels:
        return Finding(
            knock_client.RULE.id,
            label,
            "client",
            "signal",
            start_us,
            start_us,
            host=row["Computer"] or None,
            user=row["AccountName"] or None,
            command_line=row["ProcessCommandLine"],
            note=f"{row['AccountName'] or 'someone'} ran {row['FileName'] or row['ProcessCommandLine']}.",
        )
    return _of_message(row, label, start_us)


def _of_message(row: Mapping[str, Any], label: str, start_us: int) -> Finding:
    """Make a finding of a Syslog row; whom it is about is read where the phrase is known."""
    spoken = understand(row["ProcessName"], row["SyslogMessage"])
    facts = spoken.facts if spoken else {}
    triggered = label == daemon_activity.TRIGGERED
    signalled = label == daemon_activity.IN_PROGRESS
    return Finding(
        daemon_activity.RULE.id,
        label,
        "daemon",
        "opening" if triggered else "signal" if signalled else None,
        start_us,
        start_us,
        sources=(facts["source"],) if "source" in facts else (),
        host=row["HostName"] or row["Computer"] or None,
        door_name=facts.get("door_name"),
        conclusive=triggered,
        note=f"{row['ProcessName'] or 'A program'} wrote: {row['SyslogMessage']}",
    )


def specification_kql() -> str:
    """Give the specification as the project's own KQL text."""
    return (files("knockwatch.content") / "specification.kql").read_text("utf-8")
