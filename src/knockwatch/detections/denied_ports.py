"""A run of denied ports: one source that is turned away at a few ports of one destination within moments.

It is a signal at most, whatever its shape; that a door opened afterwards is for others to find.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ibis
import polars as pl

from knockwatch.clock import SECOND_US
from knockwatch.config import Thresholds
from knockwatch.detections import Finding, Pointer, Rule
from knockwatch.detections._kusto import dated, in_any_case
from knockwatch.detections._pairs import turned_away
from knockwatch.detections._relevant import relevant
from knockwatch.detections._sequences import Probe, known_order, periods, steps

if TYPE_CHECKING:
    import ibis.expr.types as ir

LABEL = "RapidSequentialPortsDenied"

_DENIED_WORDS = ("Deny", "Drop", "Block", "Reject", "DENY", "DROP")
_PORTS = (3, 8)
_PACKETS = (3, 12)
_SECONDS = (1, 30)

_MOST_COPIES = 40
"""Rows a session may have for each probe it may have: retransmissions, and one packet told in many files."""

RULE = Rule(
    id="denied-ports",
    title="Run of denied ports",
    description=(
        "One source is denied at three to eight ports of one destination within moments: the shape of a knock "
        "sequence, and of much else. A lead, until something opens."
    ),
    labels=(LABEL,),
    attack=("T1205.001",),
    data_sources=("Network Traffic: Network Connection Creation", "Network Traffic: Network Traffic Flow"),
    tables=("connections",),
    false_positives=(
        "Internet noise: scanners try a handful of ports at an address and go on, hundreds of times a month.",
        "Authorised vulnerability scans and availability checks; declare them under [context] scanners, monitors.",
        "Load balancers and service meshes that try several back-end ports; declare them under load_balancers.",
        "Someone who tests a new firewall rule by hand.",
    ),
    severity="high",
    confidence="medium",
    references=(
        "https://attack.mitre.org/techniques/T1205/001/",
        "https://attack.mitre.org/detectionstrategies/DET0302/",
    ),
    specification=True,
)


class DeniedPorts:
    """Finds runs of denied ports."""

    rule = RULE

    def specification(self, views: Mapping[str, ir.Table]) -> ir.Table:
        """Group CommonSecurityLog as the specification's second branch does, with its bounds and columns."""
        log = views["CommonSecurityLog"]
        denied = log.filter(
            dated(log.TimeGenerated),
            in_any_case(log.DeviceAction, _DENIED_WORDS),
            (log.SourceIP != "").fill_null(False),  # noqa: FBT003 - Ibis takes the value alone
            log.DestinationPort.notnull(),
        )
        minute: Any = denied.TimeGenerated.truncate("m")
        groups = denied.group_by("SourceIP", "DeviceName", "DeviceProduct", minute=minute).aggregate(
            DistinctPortsHit=denied.DestinationPort.nunique(),
            # KQL keeps at most ten; groups of more than eight are left out anyway.
            PortSequence=denied.DestinationPort.collect(distinct=True),
            TotalPackets=denied.count(),
            WindowStart=denied.TimeGenerated.min(),
            WindowEnd=denied.TimeGenerated.max(),
        )
        # KQL counts the whole seconds that lie between; so do differences of times cut to the second, everywhere.
        seconds = groups.WindowEnd.truncate("s").delta(groups.WindowStart.truncate("s"), unit="second")
        runs = groups.mutate(KnockDurationSec=seconds)
        runs = runs.filter(
            runs.DistinctPortsHit.between(*_PORTS),
            runs.TotalPackets.between(*_PACKETS),
            runs.KnockDurationSec.between(*_SECONDS),
        )
        return runs.select(
            "SourceIP",
            "DeviceName",
            "DeviceProduct",
            "DistinctPortsHit",
            "PortSequence",
            "TotalPackets",
            "KnockDurationSec",
            TimeGenerated=runs.WindowStart,
            DetectionBranch=ibis.literal(LABEL),
        ).relocate("TimeGenerated")

    def candidates(self, tables: Mapping[str, ir.Table], thresholds: Thresholds) -> ir.Table:
        """Cut the probes of each source at each destination into sessions, and keep those of a knock's size.

        Returns
        -------
        ibis.expr.types.Table
            `source_ip`, `destination_ip` and `probes`, an array in no order.
        """
        pair = ("source_ip", "destination_ip")
        tried = turned_away(relevant(tables))
        sessions = _sessions(_of_many_ports(tried, thresholds), pair, thresholds)
        shown = sessions.protocol.concat("/", sessions.destination_port.cast("string"))
        runs = sessions.group_by(*pair, "session").aggregate(
            ports=sessions.step.nunique(),
            rows=sessions.count(),
            probes=ibis.struct({**{name: sessions[name] for name in Probe.COLUMNS}, "step": shown}).collect(),
        )
        most = _MOST_COPIES * thresholds.sequence_probes_max
        return runs.filter(
            runs.ports.between(thresholds.sequence_ports_min, thresholds.sequence_ports_max),
            runs.rows <= most,
        ).select(*pair, "probes")

    def findings(self, candidates: pl.DataFrame, thresholds: Thresholds) -> Iterator[Finding]:
        """Collapse retransmissions, put the steps in order, and keep what is short and small enough."""
        for source, destination, probes in candidates.sort("source_ip", "destination_ip").iter_rows():
            sequence = steps(
                [Probe(**probe) for probe in probes], int(thresholds.retransmission_seconds * SECOND_US)
            )
            for run in periods(sequence):
                if _fits(run, thresholds):
                    yield _finding(source, destination, run)


def _sessions(probes: ir.Table, pair: tuple[str, ...], thresholds: Thresholds) -> ir.Table:
    """Number the sessions of each source at each destination: a longer pause begins the next."""
    gap_us = int(thresholds.sequence_gap_seconds * SECOND_US)
    # File and line decide between equal times, so that both windows see one order.
    order = ("time_us", "file", "line")
    among = ibis.window(group_by=pair, order_by=order)
    time: Any = probes.time_us
    spaced = probes.mutate(before=time - time.lag().over(among), after=time.lead().over(among) - time)
    if thresholds.sequence_ports_min > 1:
        # In noise nearly every probe stands alone: those need no place in a session.
        spaced = spaced.filter((spaced.before <= gap_us) | (spaced.after <= gap_us))
    begins = spaced.mutate(begins=(spaced.before > gap_us).fill_null(True).cast("int32"))  # noqa: FBT003
    so_far = ibis.window(group_by=pair, order_by=order, preceding=None, following=0)
    return begins.mutate(session=begins.begins.sum().over(so_far))


def _of_many_ports(probes: ir.Table, thresholds: Thresholds) -> ir.Table:
    """Keep the sources that tried enough ports of a destination at all: in internet noise most try one."""
    pair = ["source_ip", "destination_ip"]
    counted = probes.group_by(pair).aggregate(rows=probes.count())
    # Counting rows is cheap and leaves few pairs whose ports are worth telling apart.
    busy = probes.semi_join(counted.filter(counted.rows >= thresholds.sequence_ports_min), pair)
    pairs = busy.group_by(pair).aggregate(ports=busy.step.nunique())
    return busy.semi_join(pairs.filter(pairs.ports >= thresholds.sequence_ports_min), pair)


def _fits(run: Sequence[Probe], thresholds: Thresholds) -> bool:
    """Tell whether a run has the size and the length of a knock."""
    ports = len({probe.step for probe in run})
    return (
        thresholds.sequence_ports_min <= ports <= thresholds.sequence_ports_max
        and len(run) <= thresholds.sequence_probes_max
        and run[-1].time_us - run[0].time_us <= thresholds.sequence_span_seconds * SECOND_US
    )


def _finding(source: str, destination: str, run: Sequence[Probe]) -> Finding:
    """Tell of one run."""
    order_known = known_order(run)
    seconds = (run[-1].time_us - run[0].time_us) / SECOND_US
    order = "" if order_known else " The log cannot tell their order: they share a time."
    return Finding(
        rule=RULE.id,
        label=LABEL,
        kind="signal",
        leg="signal",
        start_us=run[0].time_us,
        end_us=run[-1].time_us,
        sources=(source,),
        destination=destination,
        sequence=tuple(probe.step for probe in run),
        order_known=order_known,
        note=f"{source} was turned away at {len(run)} steps of {destination} within {seconds:g} s.{order}",
        pointers=tuple(Pointer("connections", probe.file, probe.line, probe.time_us) for probe in run),
    )


DETECTION = DeniedPorts()
