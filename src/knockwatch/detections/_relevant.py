"""The connections that may matter to any detection, selected once: in firewall logs they are a small part.

Nearly all rows are single probes of internet noise and ordinary sessions, and grouping those is what costs. Each
condition here keeps too much rather than too little: the detections decide again on what is left, and find the same
in it as in the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import ibis

from knockwatch.config import Thresholds
from knockwatch.detections._common_services import COMMON_STEPS
from knockwatch.detections._log_ins import log_ins
from knockwatch.detections._pairs import ICMP, answered, beginning, closed, placed, step_number
from knockwatch.detections._signatures import (
    PACKET_COLUMNS,
    may_be_in_run,
    run_least,
    signed,
    trusted,
    with_facts,
)
from knockwatch.inference.contacts import COLUMNS

if TYPE_CHECKING:
    import ibis.expr.types as ir

_KEPT = tuple(
    dict.fromkeys(
        [
            *COLUMNS,
            *PACKET_COLUMNS,
            *(
                "tcp_flags",
                "tcp_window",
                "tcp_seq",
                "tcp_ack",
                "packet_length",
                "packets_sent",
                "ttl",
                "icmp_code",
            ),
            *("payload_alphabet", "sensor"),
        ]
    )
)
"""Columns that some detection reads of a connection."""
_BACK_ONE = 1 | 8
_BACK_OTHER = 2 | 4
"""Bits of a pair: a visit forth (1) and back (2), something else that began forth (4) and back (8)."""
_SENT_AND_VISITED = 1 | 4
_SAME_BACK = 2 | 8
_SENT = 4 | 8
_NO = ibis.literal(value=False)
_PARTS = 64
"""Visitors of a service are told apart by this many remainders of their hashes: a lower bound of their number."""


class Numbers(Protocol):
    """What an engine makes numbers with."""

    def hashed(self, text: Any) -> Any:
        """Give a text's hash, a whole number that can be compared and taken bits of."""

    def united(self, bits: Any) -> Any:
        """Give the bits that any number of a group has."""


def with_relevant(
    tables: Mapping[str, ir.Table],
    thresholds: Thresholds,
    cached: Callable[[ir.Table], ir.Table],
    engine: Numbers,
) -> dict[str, ir.Table]:
    """Add what detections read in place of all connections.

    Parameters
    ----------
    cached
        Computes an expression once.
    engine
        How the engine makes numbers.

    Returns
    -------
    dict
        The tables, and `signed` (see `knockwatch.detections._signatures.signed`); `relevant`, the connections of which
        something may come, with `at_door` true where what began at a destination that may have a door is whole, but
        for ordinary sessions of other services; and `peers`, of each host that may have connected back its
        `source_ip` and to how many `peers` it connected.
    """
    connections, hashed = placed(tables["connections"]), engine.hashed
    found = cached(signed(tables["connections"]))
    least = min(thresholds.sequence_ports_min, run_least())
    narrow = cached(_narrow(connections, hashed, least))
    told = cached(_told_of_pairs(narrow, least, engine.united))
    back = told.filter(told.back).select("p")
    services = cached(_services(narrow, told, thresholds))
    logged_in = log_ins(tables["messages"]).select("host").distinct()
    there = connections.semi_join(logged_in, connections.sensor == logged_in.host)
    # Cached apart, since the engine would keep whole connections for two that read them in one query.
    with_log_ins = cached(there.select(d=hashed(there.destination_ip)).distinct())
    destinations = services.select("d").union(with_log_ins)
    # Who sent the same to a host that connected back to others may have sent it in vain.
    sent = narrow.filter((narrow.ways & _SENT) != 0).semi_join(back, "p")
    called = cached(sent.filter(sent.service.notnull()).select("service").distinct())
    sure = found.filter(found.signature.isin(trusted()))
    pairs = _busy(narrow, told, least).union(back).union(sure.select(p=_pair(sure, hashed))).distinct()
    hosts = narrow.filter(narrow.visit).semi_join(back, "p").select("s").distinct()
    visits = connections.mutate(s=hashed(connections.source_ip)).semi_join(hosts, "s")
    visits = visits.filter(answered(visits), visits.protocol == "tcp", beginning(visits))
    return {
        **tables,
        "signed": found,
        "relevant": cached(_selected(connections, hashed, pairs, destinations, services, called)),
        "peers": cached(connected(visits)),
    }


def connected(visits: ir.Table) -> ir.Table:
    """Count to how many `peers` each `source_ip` connected."""
    return visits.group_by("source_ip").agg(peers=visits.destination_ip.nunique())


def relevant(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Give the connections of which something may come; all of them where nobody selected."""
    if "relevant" in tables:
        return tables["relevant"]
    connections = tables["connections"]
    return connections.select(*_KEPT, at_door=ibis.literal(value=True))


def _ordinary(rows: ir.Table) -> Any:
    """Tell what is a session that its destination answered."""
    return answered(rows) & ~rows.protocol.isin([*ICMP, "udp"])


def _pair(rows: ir.Table, hashed: Callable[[Any], Any]) -> Any:
    """Give a number that two addresses have in common, whichever of them is the source."""
    return hashed(rows.source_ip) ^ hashed(rows.destination_ip)


def _narrow(connections: ir.Table, hashed: Callable[[Any], Any], least: int) -> ir.Table:
    """Give of each row only what is grouped: hashes of source and destination, of both, the step, and what it is."""
    source, destination = hashed(connections.source_ip), hashed(connections.destination_ip)
    begins, session = beginning(connections), answered(connections) & ~connections.protocol.isin(ICMP)
    refused = begins & closed(connections) & ~connections.protocol.isin(ICMP)
    away = closed(connections).fill_null(_NO)
    step = step_number(connections)
    # Packets that are numbered may be a run whatever they visit (see `constant-ip-id` of content/signals).
    told = away | ~step.isin(COMMON_STEPS) | connections.ip_id.notnull()
    odd = told.ifelse(step, ibis.null("int32")) if least > 1 else step
    rows = connections.select(
        s=source,
        d=destination,
        service=destination ^ _number(connections, destination),
        visit=(begins & session).fill_null(_NO),
        odd=odd,
        away=away,
        sent=(begins & (~session | (connections.protocol == "udp"))).fill_null(_NO),
        refused=refused.fill_null(_NO),
    )
    forth = rows.s < rows.d
    ways = (rows.visit.ifelse(forth.ifelse(1, 2), 0) + rows.sent.ifelse(forth.ifelse(4, 8), 0)).cast("int8")
    return rows.select("s", "d", "odd", "away", "service", "visit", "refused", p=rows.s ^ rows.d, ways=ways)


def _told_of_pairs(narrow: ir.Table, least: int, united: Callable[[Any], Any]) -> ir.Table:
    """Select pairs with different steps, or of which one sent something to the other and had a visit of it.

    Returns
    -------
    ibis.expr.types.Table
        `p`, `several` (it may have enough steps that are no ordinary visits), `back` (see `with_relevant`'s `peers`),
        and `both` (a visitor sent something else too).
    """
    # Most pairs have one row: each more column that is grouped costs as much as reading it does.
    told = narrow.group_by("p").agg(first=narrow.odd.min(), last=narrow.odd.max(), ways=united(narrow.ways))
    ways: Any = told.ways
    back = ((ways & _BACK_ONE) == _BACK_ONE) | ((ways & _BACK_OTHER) == _BACK_OTHER)
    # Of a run's steps at most one may be an ordinary visit.
    several = (told.first != told.last) if least > 2 else told.first.notnull()
    both = ((ways & _SENT_AND_VISITED) == _SENT_AND_VISITED) | ((ways & _SAME_BACK) == _SAME_BACK)
    told = told.select(
        "p", several=several.fill_null(_NO), back=back.fill_null(_NO), both=both.fill_null(_NO)
    )
    return told.filter(told.several | told.back | told.both)


def _busy(narrow: ir.Table, told: ir.Table, least: int) -> ir.Table:
    """Select pairs with enough different steps for a sequence."""
    there = narrow.semi_join(told.filter(told.several), "p")
    away: Any = there.away.ifelse(there.odd, ibis.null("int32"))
    counted = there.group_by("p").agg(odd=there.odd.nunique(), away=away.nunique())
    return counted.filter((counted.odd >= least - 1) | (counted.away >= least)).select("p")


def _services(narrow: ir.Table, told: ir.Table, thresholds: Thresholds) -> ir.Table:
    """Select services that may be doors, as `service` and `d`; see `knockwatch.detections.door` for the conditions."""
    visits = narrow.filter(narrow.visit)
    parted = visits.group_by("service", part=visits.s & (_PARTS - 1)).agg(
        d=visits.d.max(), sessions=visits.count()
    )
    visited = parted.group_by("service").agg(
        d=parted.d.max(), sessions=parted.sessions.sum(), visitors=parted.count()
    )
    # A service whose visitors fall into all parts may have any number of them.
    rare = visited.visitors <= thresholds.door_rare_sessions_max
    rare = rare if thresholds.door_rare_sessions_max < _PARTS else ibis.literal(value=True)
    refused = narrow.filter(narrow.refused).semi_join(visited, "service").select("service").distinct()
    doubtful = visited.filter(rare | visited.service.isin(refused.service))
    senders = told.filter(told.both).select("p").mutate(sent=1)
    visitors = visits.semi_join(doubtful.filter(_many(doubtful, thresholds)), "service")
    visitors = visitors.select("service", "p").distinct().left_join(senders, "p")
    shares = visitors.group_by("service").agg(seen=visitors.count(), signalled=visitors.sent.count())
    signalled = shares.filter(shares.signalled >= thresholds.door_signalled_share * shares.seen)
    kept = doubtful.filter(~_many(doubtful, thresholds) | doubtful.service.isin(signalled.service))
    return kept.select("service", "d")


def _many(services: ir.Table, thresholds: Thresholds) -> Any:
    """Tell which services have so many sessions that their visitors must have sent a signal of their own."""
    return services.sessions > thresholds.door_relayed_sessions_max


def _selected(
    connections: ir.Table,
    hashed: Callable[[Any], Any],
    pairs: ir.Table,
    destinations: ir.Table,
    services: ir.Table,
    called: ir.Table,
) -> ir.Table:
    """Select the rows of pairs, of destinations that may have a door, of what is answered by a call, and of runs."""
    rows = with_facts(connections.mutate(d=hashed(connections.destination_ip), p=_pair(connections, hashed)))
    service = rows.d ^ _number(rows, rows.d)
    whole = ~_ordinary(rows) | service.isin(services.service)
    at_door = (beginning(rows) & rows.d.isin(destinations.d) & whole).fill_null(_NO)
    rows = rows.mutate(
        at_door=at_door, called=(service.isin(called.service) & ~_ordinary(rows)).fill_null(_NO)
    )
    kept = rows.filter(rows.at_door | rows.called | rows.p.isin(pairs.p) | may_be_in_run(rows))
    return kept.select(*_KEPT, "at_door")


def _number(rows: ir.Table, hashed: Any) -> Any:
    """Number the service of a row, as hashes are."""
    return step_number(rows).cast(hashed.type())
