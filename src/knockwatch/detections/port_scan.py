"""Port scans: sources whose probes are too many, or go to too many, for a knock. A lead that marks their runs so.

It never hides anything: a scanner who also knocks has its knock, and its door, found by the other detections.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import ibis
import polars as pl

from knockwatch.config import Thresholds
from knockwatch.detections import Finding, Pointer, Rule
from knockwatch.detections._pairs import turned_away
from knockwatch.detections._relevant import relevant

if TYPE_CHECKING:
    import ibis.expr.types as ir

LABEL = "PortScan"
_SCANS_MOST = 500
"""Scans that are told of, the largest: a flood of spoofed scanners must not fill the list of leads."""

RULE = Rule(
    id="port-scan",
    title="Port scan",
    description=(
        "One source was turned away at more ports of a destination than any knock has, or at several ports of many "
        "destinations. It explains runs of denied ports of the same source; it does not excuse them."
    ),
    labels=(LABEL,),
    attack=("T1595.001", "T1046"),
    data_sources=("Network Traffic: Network Traffic Flow",),
    tables=("connections",),
    false_positives=(
        "Vulnerability scanners and inventories of the site: name them in context.scanners.",
        "Peer-to-peer clients, and many users behind one address of a carrier.",
    ),
    severity="low",
    confidence="medium",
    references=(
        "https://attack.mitre.org/techniques/T1595/001/",
        "https://attack.mitre.org/techniques/T1046/",
    ),
)


class PortScan:
    """Finds scanning sources."""

    rule = RULE

    def candidates(self, tables: Mapping[str, ir.Table], thresholds: Thresholds) -> ir.Table:
        """Count, for every source, the ports of a destination it tried, and the destinations it tried several at.

        Returns
        -------
        ibis.expr.types.Table
            One row a scanning source: `source_ip`, `destination_ip` (with most ports), `ports` (there),
            `destinations`, `start_us`, `end_us`, and `file` and `line` of the first probe there.
        """
        tried = turned_away(relevant(tables))
        time: Any = tried.time_us
        # Equal times and equal counts are told apart, so that every engine names the same place.
        first: Any = ibis.struct({"time_us": time, "file": tried.file, "line": tried.line}).min()
        at_one = tried.group_by("source_ip", "destination_ip").agg(
            ports=tried.step.nunique(), start_us=time.min(), end_us=time.max(), first=first
        )
        at_one = at_one.filter(at_one.ports >= thresholds.sequence_ports_min)
        most: Any = ibis.struct(
            {"left": -at_one.ports, "destination_ip": at_one.destination_ip, "at": at_one.first}
        )
        sources = at_one.group_by("source_ip").agg(
            destinations=at_one.count(),
            start_us=at_one.start_us.min(),
            end_us=at_one.end_us.max(),
            most=most.min(),
        )
        told: Any = sources.most
        sources = sources.mutate(
            ports=-told["left"],
            destination_ip=told["destination_ip"],
            file=told["at"]["file"],
            line=told["at"]["line"],
        ).drop("most")
        return sources.filter(
            (sources.ports > thresholds.sequence_probes_max)
            | (sources.destinations >= thresholds.scan_destinations_min)
        )

    def findings(self, candidates: pl.DataFrame, thresholds: Thresholds) -> Iterator[Finding]:
        """Make one finding of each source, the largest scans first."""
        del thresholds
        order = candidates.sort("ports", "destinations", "source_ip", descending=[True, True, False])
        for row in order.head(_SCANS_MOST).iter_rows(named=True):
            yield _finding(row)


def _finding(row: Mapping[str, Any]) -> Finding:
    """Tell of one scan."""
    several = f", and several ports of {row['destinations'] - 1} more" if row["destinations"] > 1 else ""
    return Finding(
        rule=RULE.id,
        label=LABEL,
        kind="signal",
        leg="signal",
        start_us=row["start_us"],
        end_us=row["end_us"],
        sources=(row["source_ip"],),
        destination=row["destination_ip"],
        facts={"ports": row["ports"], "destinations": row["destinations"]},
        note=f"{row['source_ip']} was turned away at {row['ports']} ports of {row['destination_ip']}{several}.",
        pointers=(Pointer("connections", row["file"], row["line"], row["start_us"]),),
    )


DETECTION = PortScan()
