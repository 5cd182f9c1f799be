"""Pairs of source and destination, counted once for every detection of what one did at the other.

In internet noise nearly all pairs have one row, and counting them is what costs: the few that may matter are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import ibis

from knockwatch.config import Thresholds
from knockwatch.inference.contacts import COLUMNS
from knockwatch.tables import ACCEPTED, DENIED, REFUSED, UNANSWERED

if TYPE_CHECKING:
    import ibis.expr.types as ir

PAIR = ("source_ip", "destination_ip")
ECHO_REQUESTS = (8, 128)
ICMP = ("icmp", "icmp6")
_PORTS_IN_ALL = 1 << 16
_NO = ibis.literal(value=False)


def with_pairs(
    tables: Mapping[str, ir.Table], thresholds: Thresholds, cached: Callable[[ir.Table], ir.Table]
) -> dict[str, ir.Table]:
    """Add what several detections would compute again.

    Parameters
    ----------
    cached
        Computes an expression once.

    Returns
    -------
    dict
        The tables; `pairs` (see `pairs`); `busy`: the connections of pairs that have enough rows for a sequence; and
        `signed` (see `knockwatch.detections._signatures.signed`).
    """
    from knockwatch.detections._signatures import signed

    counted = cached(pairs(tables["connections"], thresholds))
    enough = counted.filter(counted.rows >= thresholds.sequence_ports_min)
    connections = tables["connections"].select(*COLUMNS, "tcp_flags", "sensor")
    return {
        **tables,
        "pairs": counted,
        "busy": cached(connections.semi_join(enough, PAIR)),
        "signed": cached(signed(tables["connections"])),
    }


def pairs(connections: ir.Table, thresholds: Thresholds) -> ir.Table:
    """Count what each source did at each destination, of those that may matter.

    Returns
    -------
    ibis.expr.types.Table
        `source_ip`, `destination_ip`, `rows`, and of what began something: `visits` (sessions that were answered) and
        `sent` (all else: probes, pings, datagrams).
    """
    begins, session = beginning(connections), answered(connections) & ~connections.protocol.isin(ICMP)
    other = ~session | (connections.protocol == "udp")
    counted = connections.group_by(PAIR).agg(
        rows=connections.count(),
        visits=(begins & session).ifelse(1, 0).sum(),
        sent=(begins & other).ifelse(1, 0).sum(),
    )
    return counted.filter((counted.rows >= thresholds.sequence_ports_min) | (counted.visits > 0))


def answered(connections: ir.Table) -> Any:
    """Tell what the destination itself answered; an edge that passes on is no destination."""
    return ((connections.outcome == ACCEPTED) & ~connections.forwarded.fill_null(_NO)).fill_null(_NO)


def beginning(connections: ir.Table) -> Any:
    """Tell what begins something: a SYN alone, a datagram, an echo request; no late packet, no backscatter."""
    flags: Any = connections.tcp_flags
    kind: Any = connections.icmp_type
    begins = ibis.cases(
        (
            connections.protocol == "tcp",
            flags.isnull()
            | (flags == "")
            | (flags.contains("SYN") & ~flags.contains("ACK") & ~flags.contains("RST")),
        ),
        (connections.protocol.isin(ICMP), kind.isnull() | kind.isin(ECHO_REQUESTS)),
        else_=connections.protocol == "udp",
    )
    return begins.fill_null(_NO)


def beginnings(connections: ir.Table) -> ir.Table:
    """Select what begins something, of whom and where and when."""
    return connections.filter(
        beginning(connections),
        connections.time_us.notnull(),
        connections.source_ip.notnull(),
        connections.destination_ip.notnull(),
    )


def turned_away(connections: ir.Table) -> ir.Table:
    """Select attempts that got no service; of TCP only what opens a connection, or where nothing tells."""
    flags: Any = connections.tcp_flags
    opens = flags.isnull() | (flags.contains("SYN") & ~flags.contains("ACK"))
    rows = connections.filter(
        connections.outcome.isin([DENIED, REFUSED, UNANSWERED]),
        connections.time_us.notnull(),
        connections.source_ip.notnull(),
        connections.destination_ip.notnull(),
        connections.destination_port.notnull(),
        (connections.protocol != "tcp") | opens,
    )
    return rows.select(
        "source_ip",
        "destination_ip",
        "time_us",
        "clock_us",
        "source_port",
        "destination_port",
        "protocol",
        "sensor",
        "file",
        "line",
        # A number is counted and carried cheaper than the text that a step is shown as.
        step=rows.destination_port + _PORTS_IN_ALL * rows.protocol.cases(("tcp", 0), ("udp", 1), else_=2),
    )
