"""Connections back: a packet to a host, and within seconds a connection of that host to whoever sent it.

What waits for a packet and answers with a shell (REPTILE, BPFDoor, J-magic) needs no door. Services that connect to
their clients have a session with them first, or are old acquaintances, and are left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis
import polars as pl

from knockwatch.clock import SECOND_US
from knockwatch.config import Thresholds
from knockwatch.detections import Finding, Pointer, Rule, Signal, Use
from knockwatch.detections._pairs import answered, beginnings
from knockwatch.detections._relevant import connected, relevant
from knockwatch.detections._signatures import signed_in, trusted
from knockwatch.inference.contacts import COLUMNS, contacts
from knockwatch.inference.innocence import PING_BYTES, TOKEN_DIGITS
from knockwatch.inference.sessions import Contact, by_pair

if TYPE_CHECKING:
    import ibis.expr.types as ir

LABEL = "ConnectionBack"
_TRIES_MOST = 24
"""Packets in vain that are told of one source: a flood must not fill a case."""
_ROWS_MOST = 1000
"""Rows between two addresses beyond which they are acquainted, whatever the rows say."""

RULE = Rule(
    id="callback",
    title="Host that connects back to whoever sent it a packet",
    description=(
        "One packet that got no answer, or that matches a signature, and within seconds a connection of its "
        "destination to its source, though the two had nothing to do with each other before."
    ),
    labels=(LABEL,),
    attack=("T1205", "T1205.002"),
    data_sources=("Network Traffic: Network Traffic Flow", "Network Traffic: Network Connection Creation"),
    tables=("connections",),
    false_positives=(
        "A protocol in which the server connects to its client: active FTP, mail servers that check, ident.",
        "Peers that look for each other, as file sharing and games do.",
    ),
    severity="critical",
    confidence="medium",
    references=(
        "https://attack.mitre.org/techniques/T1205/",
        "https://attack.mitre.org/detectionstrategies/DET0524/",
    ),
)


@dataclass(frozen=True)
class Back:
    """One connection back: the packet and the session that followed."""

    packet: Contact
    session: Contact


class Callback:
    """Finds connections back."""

    rule = RULE

    def candidates(self, tables: Mapping[str, ir.Table], thresholds: Thresholds) -> ir.Table:
        """Select all that began between two addresses of which one sent a packet and was connected to soon after."""
        begun = beginnings(relevant(tables))
        rows = begun.mutate(visit=(answered(begun) & (begun.protocol == "tcp")))
        visits = rows.filter(rows.visit)
        out = visits.select(host="source_ip", peer="destination_ip", at_us="time_us")
        marked = signed_in(tables)
        marked = marked.select("file", "line", "signature").distinct()
        sent = rows.filter(~rows.visit)
        within = int(thresholds.callback_seconds * SECOND_US)
        backs = out.join(
            sent,
            [
                out.host == sent.destination_ip,
                out.peer == sent.source_ip,
                out.at_us >= sent.time_us,
                out.at_us <= sent.time_us + within,
            ],
        )
        found = backs.select(one="host", other="peer").distinct()
        either = found.union(found.select(one="other", other="one")).distinct()
        among = rows.semi_join(either, [rows.source_ip == either.one, rows.destination_ip == either.other])
        turn = ibis.row_number().over(
            group_by=[among.source_ip, among.destination_ip], order_by=[among.time_us, among.file, among.line]
        )
        among = among.mutate(turn=turn)
        among = among.filter(among.turn < _ROWS_MOST).drop("turn")
        answered_at = backs.select(at="host", by="protocol", port="destination_port").distinct()
        alike = sent.semi_join(
            answered_at,
            [
                sent.destination_ip == answered_at.at,
                sent.protocol == answered_at.by,
                sent.destination_port == answered_at.port,
            ],
        )
        place = ibis.row_number().over(
            group_by=[alike.destination_ip, alike.protocol, alike.destination_port],
            order_by=[alike.time_us, alike.file, alike.line],
        )
        alike = alike.mutate(turn=place)
        among = among.union(alike.filter(alike.turn < _ROWS_MOST).drop("turn")).distinct()
        peers = tables["peers"] if "peers" in tables else connected(visits)
        told = among.left_join(marked, ["file", "line"]).left_join(peers, "source_ip")
        return told.select(*COLUMNS, "signature", "peers")

    def findings(self, candidates: pl.DataFrame, thresholds: Thresholds) -> Iterator[Finding]:
        """Tell of each host and each source that it connected back to."""
        rows = candidates.with_columns(
            pl.col("signature").is_in(trusted()).fill_null(value=False).alias("signed")
        )
        peers = dict(rows.drop_nulls("peers").select("source_ip", "peers").unique("source_ip").iter_rows())
        ports: dict[tuple[str, str], set[int]] = defaultdict(set)
        for source, destination, port in rows.select(
            "source_ip", "destination_ip", "source_port"
        ).iter_rows():
            if port is not None:
                ports[source, destination].add(port)
        told = by_pair(contacts(rows))
        found: dict[tuple[str, str], list[Back]] = {}
        for (host, peer), sent in told.items():
            made = told.get((peer, host), [])
            if backs := _backs(sent, made, ports[peer, host], thresholds):
                found[host, peer] = backs
        agreed = Counter((host, word) for (host, _), backs in found.items() for word in _words(backs))
        named: set[tuple[str, str]] = set()
        for (host, peer), backs in found.items():
            # Whom the host connected to after the very same packet, at the very same port, are none of its business.
            alike = max((agreed[host, word] for word in _words(backs)), default=1)
            others = peers.get(host, 0) - (alike - 1 if alike <= thresholds.callback_alike_max else 0)
            exclusive = _exclusive(backs, others, thresholds)
            failed = []
            if exclusive and (host, backs[0].packet.step) not in named:
                named.add((host, backs[0].packet.step))
                failed = list(_failed(told, found, host, backs[0].packet))
            yield _finding(host, backs, failed, len(told[host, peer]), exclusive=exclusive)


def _backs(
    sent: Sequence[Contact], made: Sequence[Contact], ports: set[int], thresholds: Thresholds
) -> list[Back]:
    """Pair what a source sent with the host's connections to it; nothing where the two are acquainted.

    Acquainted are those who have a session, or whom the host contacted before the first packet; where no signature
    tells what the packet is, or after it without one. A connection to a port that the source sent from is the other
    half of the same flow.
    """
    within = int(thresholds.callback_seconds * SECOND_US)
    backs, alone = [], 0
    for contact in made:
        before = [c for c in sent if 0 <= contact.time_us - c.time_us <= within]
        if contact.step.startswith("tcp/") and int(contact.step.removeprefix("tcp/")) in ports:
            return []
        alone += not before
        if before and contact.session and contact.step.startswith("tcp/"):
            backs.append(Back(before[-1], contact))
    if not backs or any(contact.session for contact in sent) or made[0].time_us < sent[0].time_us:
        return []
    if any(back.packet.signed for back in backs):
        return backs
    # Who sends many packets scans or keeps looking for a peer.
    few = len(sent) <= thresholds.callback_packets_max * len(backs)
    return backs if few and not alone else []


def _ordinary(packet: Contact) -> bool:
    """Tell whether a packet is an ordinary ping."""
    return packet.step == "icmp" and packet.payload_length in {None, *PING_BYTES}


def _exclusive(backs: Sequence[Back], peers: int, thresholds: Thresholds) -> bool:
    """Tell whether nothing but its packets explains that a host connects to a source."""
    odd = not all(_ordinary(back.packet) for back in backs)
    return any(back.packet.signed for back in backs) or (odd and peers <= thresholds.callback_peers_max)


def _words(backs: Sequence[Back]) -> set[tuple[str, str, str]]:
    """Give what tells one signal from another, where the evidence has it: step, payload, and the port called."""
    told = ((back.packet.step, back.packet.payload_head or "", back.session.step) for back in backs)
    return {(step, head, service) for step, head, service in told if len(head) >= TOKEN_DIGITS}


def _failed(
    told: Mapping[tuple[str, str], Sequence[Contact]],
    found: Mapping[tuple[str, str], object],
    host: str,
    answered: Contact,
) -> Iterator[Contact]:
    """List packets that resemble one that a host answered with a connection, of sources that got none."""
    for (destination, source), sent in told.items():
        if destination != host or (host, source) in found:
            continue
        yield from [packet for packet in sent if not packet.session and _resembles(packet, answered)][
            :_TRIES_MOST
        ]


def _resembles(packet: Contact, answered: Contact) -> bool:
    """Tell whether a packet went where another did, with a payload of its length or its beginning."""
    head, other = packet.payload_head or "", answered.payload_head or ""
    if packet.step != answered.step or min(len(head), len(other)) < TOKEN_DIGITS:
        return False
    return packet.payload_length == answered.payload_length or head[:TOKEN_DIGITS] == other[:TOKEN_DIGITS]


def _finding(
    host: str, backs: Sequence[Back], failed: Sequence[Contact], packets: int, *, exclusive: bool
) -> Finding:
    """Tell of one host and one source, and of others that tried the same."""
    steps = (backs[0].packet.step,)
    tried = [_use(packet, None) for packet in failed]
    called = [_use(back.packet, back.session) for back in backs]
    uses = tuple(sorted([*called, *tried], key=lambda use: (use.start_us, use.source)))
    services = ", ".join(dict.fromkeys(back.session.step for back in backs))
    seconds = min(back.session.time_us - back.packet.time_us for back in backs) / SECOND_US
    signal: Signal = "icmp" if steps == ("icmp",) else "magic-packet"
    return Finding(
        rule=RULE.id,
        label=LABEL,
        kind="callback",
        leg="entry",
        start_us=uses[0].start_us,
        end_us=max(use.entry_us or use.end_us for use in uses),
        sources=tuple(dict.fromkeys((backs[0].packet.source, *(use.source for use in tried)))),
        destination=host,
        sequence=steps,
        complete=True,
        signal=signal,
        uses=uses,
        facts={"exclusive": exclusive, "packets": packets},
        note=f"{host} connected to {services} of {backs[0].packet.source} {seconds:.1f} s after its packet.",
        pointers=tuple(p for use in uses for p in (*use.pointers, *use.entry_pointers)),
    )


def _use(packet: Contact, session: Contact | None) -> Use:
    """Tell of one packet and the connection that followed, if one did."""
    return Use(
        source=packet.source,
        entrant=packet.source,
        start_us=packet.time_us,
        end_us=packet.time_us,
        entry_us=session.time_us if session else None,
        steps=(packet.step,),
        complete=session is not None,
        pointers=_pointers(packet),
        entry_pointers=_pointers(session) if session else (),
    )


def _pointers(contact: Contact) -> tuple[Pointer, ...]:
    """Point to the rows of a contact."""
    return tuple(Pointer("connections", file, line, contact.time_us) for file, line in contact.places)


DETECTION = Callback()
