"""What a connection is to a detection: something that begins, that was answered, that was turned away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis

from knockwatch.tables import ACCEPTED, DENIED, REFUSED, UNANSWERED

if TYPE_CHECKING:
    import ibis.expr.types as ir

PAIR = ("source_ip", "destination_ip")
ECHO_REQUESTS = (8, 128)
ICMP = ("icmp", "icmp6")
UDP_STEPS = 1 << 16
"""What `step_number` adds to a port of UDP; twice as much to one of any other protocol but TCP."""
_NO = ibis.literal(value=False)


def answered(connections: ir.Table) -> Any:
    """Tell what the destination itself answered; an edge that passes on is no destination."""
    return ((connections.outcome == ACCEPTED) & ~connections.forwarded.fill_null(_NO)).fill_null(_NO)


def closed(connections: ir.Table) -> Any:
    """Tell what was no service to whoever tried it."""
    return connections.outcome.isin([DENIED, REFUSED, UNANSWERED])


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


def placed(connections: ir.Table) -> ir.Table:
    """Select what has a source, a destination and a time."""
    return connections.filter(
        connections.time_us.notnull(),
        connections.source_ip.notnull(),
        connections.destination_ip.notnull(),
    )


def beginnings(connections: ir.Table) -> ir.Table:
    """Select what begins something, of whom and where and when."""
    rows = placed(connections)
    return rows.filter(beginning(rows))


def step_number(rows: ir.Table) -> Any:
    """Number the step that a row may be of a sequence; null where it has no port.

    A number is counted and carried cheaper than the text that a step is shown as.
    """
    return rows.destination_port + UDP_STEPS * rows.protocol.cases(("tcp", 0), ("udp", 1), else_=2)


def turned_away(connections: ir.Table) -> ir.Table:
    """Select attempts that got no service; of TCP only what opens a connection, or where nothing tells."""
    flags: Any = connections.tcp_flags
    opens = flags.isnull() | (flags.contains("SYN") & ~flags.contains("ACK"))
    rows = placed(connections).filter(
        closed(connections),
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
        step=step_number(rows),
    )
