"""Connections back: a packet to a host, and within seconds a connection of that host to whoever sent it.

What waits for a packet and answers with a shell (REPTILE, BPFDoor, J-magic) needs no door. Services that connect to
their clients have a session with them first, or are old acquaintances, and are left out.
"""

from __future__ import annotations

from collections import defaultdict
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
from knockwatch.detections._signatures import signed, trusted
from knockwatch.inference.contacts import COLUMNS, contacts
from knockwatch.inference.innocence import PING_BYTES
from knockwatch.inference.sessions import Contact, by_pair

if TYPE_CHECKING:
    import ibis.expr.types as ir

LABEL = "ConnectionBack"
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
        marked = tables["signed"] if "signed" in tables else signed(tables["connections"])
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
        among = among.filter(among.turn < _ROWS_MOST)
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
        for (host, peer), sent in told.items():
            made = told.get((peer, host), [])
            if backs := _backs(sent, made, ports[peer, host], thresholds):
                yield _finding(host, backs, sent, peers.get(host, 0), thresholds)


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


def _finding(
    host: str, backs: Sequence[Back], sent: Sequence[Contact], peers: int, thresholds: Thresholds
) -> Finding:
    """Tell of one host and one source."""
    steps = (backs[0].packet.step,)
    known = any(back.packet.signed for back in backs)
    odd = not all(_ordinary(back.packet) for back in backs)
    uses = tuple(_use(back) for back in backs)
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
        sources=(backs[0].packet.source,),
        destination=host,
        sequence=steps,
        complete=True,
        signal=signal,
        uses=uses,
        facts={"exclusive": known or (odd and peers <= thresholds.callback_peers_max), "packets": len(sent)},
        note=f"{host} connected to {services} of {backs[0].packet.source} {seconds:.1f} s after its packet.",
        pointers=tuple(p for use in uses for p in (*use.pointers, *use.entry_pointers)),
    )


def _use(back: Back) -> Use:
    """Tell of one packet and the connection that followed."""
    return Use(
        source=back.packet.source,
        entrant=back.packet.source,
        start_us=back.packet.time_us,
        end_us=back.packet.time_us,
        entry_us=back.session.time_us,
        steps=(back.packet.step,),
        complete=True,
        pointers=_pointers(back.packet),
        entry_pointers=_pointers(back.session),
    )


def _pointers(contact: Contact) -> tuple[Pointer, ...]:
    """Point to the rows of a contact."""
    return tuple(Pointer("connections", file, line, contact.time_us) for file, line in contact.places)


DETECTION = Callback()
