"""The door: services that are closed, and open right after a signal for whoever sent it.

The engine picks the few destinations at which a service was both answered and refused, or hardly ever visited, and
drops their ordinary traffic; the inference over what is left is `knockwatch.inference`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import ibis
import polars as pl

from knockwatch.config import Thresholds
from knockwatch.detections import Finding, Pointer, Rule, Use
from knockwatch.detections._log_ins import log_ins
from knockwatch.detections._pairs import ICMP, PAIR, answered, beginnings, closed
from knockwatch.detections._relevant import relevant
from knockwatch.detections._signatures import signed_in, trusted
from knockwatch.inference import doors, sessions
from knockwatch.inference.contacts import COLUMNS, contacts
from knockwatch.inference.hosts import learn, named
from knockwatch.tables import ACCEPTED

if TYPE_CHECKING:
    import ibis.expr.types as ir

DOOR = "DoorInferred"
TRIED = "DoorTriedWithoutSignal"

_SERVICE = ["destination_ip", "protocol", "destination_port"]
_POINTERS_A_USE = 24
_TRIES_MOST = 1000
"""Tries without a signal that are kept of one door: a flood of spoofed sources must not fill a case."""

RULE = Rule(
    id="door",
    title="Service that opens only after a secret signal",
    description=(
        "A service that refuses everyone, and answers a source right after that source sent something that got no "
        "answer: a sequence of ports, one packet, a ping. The steps that several entries have in common are the "
        "secret; what differs between them is decoy."
    ),
    labels=(DOOR, TRIED),
    attack=("T1205.001", "T1205"),
    data_sources=(
        "Network Traffic: Network Traffic Flow",
        "Network Traffic: Network Connection Creation",
        "Firewall: Firewall Rule Modification",
    ),
    tables=("connections", "messages"),
    false_positives=(
        "An administrator's own door, which is a door all the same: declare it under [context] doors.",
        (
            "A service that only some networks may reach, whose users' machines always send something else first, "
            "as a ping or a file-sharing probe."
        ),
    ),
    severity="critical",
    confidence="high",
    references=(
        "https://attack.mitre.org/techniques/T1205/001/",
        "https://attack.mitre.org/detectionstrategies/DET0302/",
    ),
)


class DoorDetection:
    """Infers doors from connections and log-ins."""

    rule = RULE

    def candidates(self, tables: Mapping[str, ir.Table], thresholds: Thresholds) -> ir.Table:
        """Select what began at destinations that may have a door, without their ordinary sessions."""
        rows = relevant(tables)
        rows = beginnings(rows.filter(rows.at_door))
        rows = rows.mutate(
            answered=answered(rows).ifelse(1, 0),
            refused=closed(rows).ifelse(1, 0),
            ping=rows.protocol.isin(ICMP),
        )
        services = _services(rows, thresholds)
        # A service refused on one address of a host may be visited on another, so destinations are kept whole.
        logged_in = _hosts_with_log_ins(tables)
        destinations = (
            services.select("destination_ip")
            .union(rows.semi_join(logged_in, rows.sensor == logged_in.host).select("destination_ip"))
            .distinct()
        )
        there = rows.semi_join(destinations, "destination_ip")
        ordinary = (there.answered == 1) & ~there.ping & (there.protocol != "udp")
        kept = ibis.union(
            there.filter(~ordinary), there.filter(ordinary).semi_join(services, _SERVICE)
        ).select(*COLUMNS, "sensor")
        own = named(tables["messages"]).distinct()
        # A host's word for its own address is no connection, so it has no time.
        lacking = {name: ibis.null(kept[name].type()) for name in COLUMNS if name not in own.columns}
        own = own.mutate(**{**lacking, "forwarded": ibis.literal(value=False)}).select(*COLUMNS, "sensor")
        rows = ibis.union(kept, _log_ins(tables["messages"]), own)
        return _with_signatures(rows, signed_in(tables))

    def findings(self, candidates: pl.DataFrame, thresholds: Thresholds) -> Iterator[Finding]:
        """Infer the doors, one finding each, and one for the tries at a door that resemble no secret."""
        own = candidates.filter(~pl.col("forwarded")).drop_nulls(["sensor", "destination_ip"])
        hosts = learn(own.group_by("sensor", "destination_ip").agg(pl.len().alias("times")))
        rows = _located(candidates, hosts)
        for destination in doors.infer(contacts(rows), hosts, thresholds):
            for door in destination.doors:
                yield _of_door(door, hosts.get(door.destination), thresholds)
            for service, strangers in destination.strangers.items():
                door = next(door for door in destination.doors if door.service == service)
                if strangers:
                    yield _of_strangers(door, strangers, hosts.get(door.destination))


def _with_signatures(rows: ir.Table, found: ir.Table) -> ir.Table:
    """Mark, as `signed`, the packets that match a signature that can be trusted."""
    marked = found.filter(found.signature.isin(trusted())).select("file", "line").distinct()
    marked = marked.mutate(marked=True)
    joined = rows.left_join(marked, ["file", "line"])
    return joined.select(*COLUMNS, "sensor", signed=joined.marked.fill_null(ibis.literal(value=False)))


def _services(rows: ir.Table, thresholds: Thresholds) -> ir.Table:
    """Select the services that may be doors: answered, and refused to some or visited by hardly anyone.

    A service most of whose visitors sent nothing else to the destination is none, unless it has so few sessions that
    somebody else's signal may have opened it.
    """
    # Sessions are few beside probes, so all else is looked up from them.
    visits = rows.filter((rows.answered == 1) & ~rows.ping)
    visitors = visits.group_by([*_SERVICE, "source_ip"]).agg(sessions=visits.count())
    sent = rows.filter((rows.answered == 0) | rows.ping | (rows.protocol == "udp"))
    senders = sent.select(*PAIR).distinct().mutate(sent=ibis.literal(1))
    visitors = visitors.left_join(senders, PAIR)
    seen = visitors.group_by(_SERVICE).agg(
        sessions=visitors.sessions.sum(), visitors=visitors.count(), senders=visitors.sent.count()
    )
    refused = rows.filter((rows.refused == 1) & ~rows.ping)
    refused = refused.semi_join(visits.select(_SERVICE).distinct(), _SERVICE).select(_SERVICE).distinct()
    few = seen.sessions <= thresholds.door_relayed_sessions_max
    signalled = seen.senders >= thresholds.door_signalled_share * seen.visitors
    plausible = seen.filter(few | signalled)
    rare = plausible.filter(plausible.visitors <= thresholds.door_rare_sessions_max)
    return plausible.semi_join(refused, _SERVICE).select(_SERVICE).union(rare.select(_SERVICE)).distinct()


def _hosts_with_log_ins(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Name the hosts that somebody logged in to."""
    return log_ins(tables["messages"]).select("host").distinct()


def _log_ins(messages: ir.Table) -> ir.Table:
    """Give log-ins the shape of connections: `sensor` is the host, its address is open, the port is the usual."""
    rows = log_ins(messages)
    source_port: Any = rows.source_port
    nothing: dict[str, Any] = {
        "destination_ip": ibis.null("string"),
        "clock_us": ibis.null("int64"),
        "icmp_type": ibis.null("int32"),
        "payload_length": ibis.null("int32"),
        "payload_head": ibis.null("string"),
    }
    known: dict[str, Any] = {
        "source_ip": rows.source,
        "source_port": source_port.try_cast("int32"),
        "destination_port": rows.port,
        "outcome": ibis.literal(ACCEPTED),
        "forwarded": ibis.literal(value=False),
        "sensor": rows.host,
    }
    return rows.mutate(**nothing, **known).select(*COLUMNS, "sensor")


def _located(rows: pl.DataFrame, hosts: Mapping[str, str]) -> pl.DataFrame:
    """Give log-ins the address and port they went to.

    A connection with the same source address and port tells both; else the host's address of the same family, and
    the usual port. A log-in at a host whose addresses nobody knows, or to an unknown service, is left out.
    """
    log_ins = rows.filter(pl.col("destination_ip").is_null())
    others = rows.filter(pl.col("destination_ip").is_not_null())
    if log_ins.is_empty():
        return others
    end = ["protocol", "source_ip", "source_port"]
    seen = (
        others.filter(pl.col("source_port").is_not_null())
        .select(*end, "destination_ip", "destination_port")
        .unique(end, keep="last", maintain_order=True)
    )
    six = pl.col("source_ip").str.contains(":", literal=True)
    addresses = pl.DataFrame(
        {"sensor": list(hosts.values()), "address": list(hosts)},
        schema={"sensor": pl.String, "address": pl.String},
    ).with_columns(pl.col("address").str.contains(":", literal=True).alias("six"))
    located = (
        log_ins.drop("destination_ip")
        .rename({"destination_port": "usual_port"})
        .join(seen, on=end, how="left")
        .with_columns(six.alias("six"))
        .join(addresses.unique(["sensor", "six"], maintain_order=True), on=["sensor", "six"], how="left")
        .with_columns(
            pl.coalesce("destination_ip", "address").alias("destination_ip"),
            pl.coalesce("destination_port", "usual_port").alias("destination_port"),
        )
        .drop_nulls(["destination_ip", "destination_port"])
    )
    return pl.concat([others, located.select(others.columns)])


def _of_door(door: doors.Door, host: str | None, thresholds: Thresholds) -> Finding:
    """Tell of one door."""
    uses = sorted(
        [
            *(_use(use, complete=True) for use in door.uses),
            *(_use(use, complete=False if use.refused else None) for use in door.failed),
        ],
        key=lambda use: (use.start_us, use.source),
    )
    entered = [use for use in uses if use.entry_us is not None]
    facts: dict[str, float] = {
        "uses": len(door.uses),
        "users": len({use.source for use in door.uses}),
        "closed_to": door.closed_to,
        "refused_first": door.refused_first,
        "sessions": door.sessions,
        "unexplained": door.unexplained,
        "occurrences": door.occurrences,
        "proven": door.proven,
        "relayed": door.relayed,
        "by_chance": door.coincidence > thresholds.door_coincidence_max,
        "not_needed": door.unexplained > thresholds.door_unexplained_share_max * door.sessions,
        "odd_ping": door.odd,
        "signed": door.signed,
        "token": door.token,
        "unasked": door.unasked,
        "mistyped": door.mistyped,
        "regular": door.regular,
        "skew_us": max(_skews(door), default=0),
    }
    if door.chance is not None:
        facts["chance"] = door.chance
    return Finding(
        rule=RULE.id,
        label=DOOR,
        kind="door",
        leg="entry",
        start_us=uses[0].start_us,
        end_us=max(use.entry_us or use.end_us for use in uses),
        sources=tuple(
            dict.fromkeys(who for use in uses for who in (use.source, *_relayers(door, use), use.entrant))
        ),
        destination=door.destination,
        host=host,
        door=door.service,
        sequence=door.secret,
        order_known=door.order_known,
        complete=True,
        signal=door.signal,
        uses=tuple(uses),
        facts=facts,
        pointers=tuple(pointer for use in entered for pointer in (*use.pointers, *use.entry_pointers)),
    )


def _skews(door: doors.Door) -> Iterator[int]:
    """Give by how much clocks were corrected for what the door's uses are made of."""
    for use in door.uses:
        yield from (contact.skew_us for contact in (*use.contacts, *([use.entry] if use.entry else [])))


def _relayers(door: doors.Door, use: Use) -> tuple[str, ...]:
    """Name those who sent single steps of a relayed signal."""
    if not door.relayed:
        return ()
    return tuple(
        contact.source for known in door.uses if known.entrant == use.entrant for contact in known.contacts
    )


def _of_strangers(door: doors.Door, tries: list[sessions.Use], host: str | None) -> Finding:
    """Tell of those who tried a door without anything like its secret."""
    uses = sorted((_use(use, complete=False) for use in tries), key=lambda use: (use.start_us, use.source))
    kept = uses[:_TRIES_MOST]
    return Finding(
        rule=RULE.id,
        label=TRIED,
        kind="signal",
        leg="signal",
        start_us=uses[0].start_us,
        end_us=max(use.end_us for use in uses),
        sources=tuple(dict.fromkeys(use.source for use in kept)),
        destination=door.destination,
        host=host,
        door=door.service,
        complete=False,
        signal="unknown",
        uses=tuple(kept),
        facts={"tries": len(uses)},
        pointers=tuple(pointer for use in kept for pointer in use.pointers),
    )


def _use(use: sessions.Use, *, complete: bool | None) -> Use:
    """Tell of one use, or try, with where the evidence stands."""
    sent = use.contacts[-_POINTERS_A_USE:] or ((use.refused,) if use.refused else ())
    entry = use.entry
    return Use(
        source=use.source,
        entrant=use.entrant,
        start_us=use.start_us,
        end_us=max(use.end_us, use.refused.time_us) if use.refused and not entry else use.end_us,
        entry_us=entry.accepted_us if entry else None,
        steps=use.steps,
        complete=complete,
        pointers=tuple(pointer for contact in sent for pointer in _pointers(contact)[:1]),
        entry_pointers=_pointers(entry) if entry else (),
    )


def _pointers(contact: sessions.Contact) -> tuple[Pointer, ...]:
    """Point to the rows of a contact."""
    return tuple(Pointer("connections", file, line, contact.time_us) for file, line in contact.places)


DETECTION = DoorDetection()
