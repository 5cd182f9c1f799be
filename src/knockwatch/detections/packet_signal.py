"""Packet signals: single packets, and runs of odd ones, that match a signature; what followed and what was sent before.

A match alone is a lead. What makes it more is an entry (`door`) or a connection back (`callback`), not this module.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis

from knockwatch.clock import SECOND_US
from knockwatch.config import Thresholds
from knockwatch.detections import Finding, Pointer, Rule
from knockwatch.detections._pairs import beginnings
from knockwatch.detections._relevant import relevant
from knockwatch.detections._signatures import (
    PACKET_COLUMNS,
    TRUST,
    Run,
    Signature,
    in_runs,
    signatures,
    signed_in,
    trusted,
)
from knockwatch.inference.contacts import SAME_PACKET_US
from knockwatch.inference.secrets import contains
from knockwatch.tables import ACCEPTED, DENIED, REFUSED, UNANSWERED

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import polars as pl

SIGNAL, REPLAY, RUN = "PacketSignal", "PacketReplayed", "PacketRun"
_HEAD_DIGITS = 64
"""Hexadecimal digits of a payload's whole first 32 bytes: fewer do not tell one payload from another."""
_NEXT_KEPT = 1000

RULE = Rule(
    id="packet-signal",
    title="Packet that looks like a signal",
    description=(
        "One packet, or a run of odd ones, has the format of single packet authorization, of an ICMP knock or of a "
        "magic packet that is known. It is a signal without a sequence; whether anything waits for it, an entry or a "
        "connection back tells."
    ),
    labels=(SIGNAL, REPLAY, RUN),
    attack=("T1205", "T1205.002"),
    data_sources=("Network Traffic: Network Traffic Content", "Network Traffic: Network Traffic Flow"),
    tables=("connections",),
    false_positives=(
        "An administrator's fwknop, which is a door all the same: declare it under [context] doors.",
        "Scanners and monitors that build their packets by themselves: odd payloads, numbers and ports.",
    ),
    severity="high",
    confidence="medium",
    references=(
        "https://attack.mitre.org/techniques/T1205/",
        "https://attack.mitre.org/techniques/T1205/002/",
    ),
)


@dataclass
class Packet:
    """One packet that matches a signature, however many files tell of it."""

    signature: Signature
    source: str
    destination: str
    step: str
    time_us: int
    row: Mapping[str, Any]
    pointers: list[Pointer]

    def is_also(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a later row is the same packet, seen by another recorder or sent again by its kernel."""
        same = all(
            self.row[name] == row[name] for name in ("source_port", "payload_head", "payload_length", "ip_id")
        )
        return same and row["time_us"] - self.time_us <= SAME_PACKET_US

    @property
    def payload(self) -> tuple[Any, ...] | None:
        """What tells its payload from others; None where too little of it is known."""
        head = self.row["payload_head"]
        if head is None or len(head) < _HEAD_DIGITS:
            return None
        return head, self.row["payload_length"], round(self.row["payload_entropy"] or 0, 6)


class PacketSignal:
    """Finds packets that match signatures."""

    rule = RULE

    def candidates(self, tables: Mapping[str, ir.Table], thresholds: Thresholds) -> ir.Table:
        """Select packets that match, those of runs, and what the same sources began there soon afterwards."""
        connections = relevant(tables)
        found = signed_in(tables)
        after = _after(connections, found.filter(found.signature.isin(trusted())), thresholds)
        return ibis.union(found, in_runs(connections), after)

    def findings(self, candidates: pl.DataFrame, thresholds: Thresholds) -> Iterator[Finding]:
        """Tell of each packet, and of each run."""
        singles: list[Mapping[str, Any]] = []
        runs: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
        later: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
        for row in candidates.sort("time_us", "file", "line").iter_rows(named=True):
            pair = row["source_ip"], row["destination_ip"]
            if row["signature"] is None:
                later[pair].append(row)
            elif signatures()[row["signature"]].run:
                runs[(row["signature"], *pair)].append(row)
            else:
                singles.append(row)
        within = int(thresholds.signal_follow_seconds * SECOND_US)
        yield from _of_packets(_packets(singles), later, within)
        for (name, *_), rows in runs.items():
            yield from _of_run(signatures()[name], rows, thresholds)


def _after(connections: ir.Table, found: ir.Table, thresholds: Thresholds) -> ir.Table:
    """Select what sources of signals began at the same destination soon afterwards."""
    begun = beginnings(connections).select(*PACKET_COLUMNS)
    begun = begun.filter(begun.destination_port.notnull())
    sent = found.select(source="source_ip", at="destination_ip", sent_us="time_us")
    soon = begun.join(
        sent,
        [
            begun.source_ip == sent.source,
            begun.destination_ip == sent.at,
            begun.time_us > sent.sent_us,
            begun.time_us <= sent.sent_us + int(thresholds.signal_follow_seconds * SECOND_US),
        ],
    ).select(*PACKET_COLUMNS)
    rows = soon.distinct()
    turn = ibis.row_number().over(group_by=rows.destination_ip, order_by=[rows.time_us, rows.file, rows.line])
    rows = rows.mutate(turn=turn)
    return rows.filter(rows.turn < _NEXT_KEPT).drop("turn").mutate(signature=ibis.null("string"))


def _step(row: Mapping[str, Any]) -> str:
    """Write what a packet was sent to as a step."""
    if row["protocol"] in {"icmp", "icmp6"}:
        return "icmp"
    port = row["destination_port"]
    return str(row["protocol"]) if port is None else f"{row['protocol']}/{port}"


def _packets(rows: Sequence[Mapping[str, Any]]) -> list[Packet]:
    """Make one packet of all rows that tell of it."""
    packets: list[Packet] = []
    latest: dict[tuple[Any, ...], Packet] = {}
    for row in rows:
        key = row["signature"], row["source_ip"], row["destination_ip"], _step(row), row["source_port"]
        pointer = Pointer("connections", row["file"], row["line"], row["time_us"])
        known = latest.get(key)
        if known and known.is_also(row):
            known.pointers.append(pointer)
            continue
        latest[key] = Packet(
            signatures()[row["signature"]],
            row["source_ip"],
            row["destination_ip"],
            _step(row),
            row["time_us"],
            row,
            [pointer],
        )
        packets.append(latest[key])
    return packets


def _of_packets(
    packets: Sequence[Packet],
    later: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]],
    within_us: int,
) -> Iterator[Finding]:
    """Tell of each packet, whether it was sent before, and whether its source was turned away afterwards."""
    sent: dict[tuple[Any, ...], Packet] = {}
    for packet in packets:
        payload = packet.payload if packet.signature.signal == "spa" else None
        first = sent.setdefault(payload, packet) if payload else packet
        turned_away = _turned_away(packet, later.get((packet.source, packet.destination), ()), within_us)
        to = "" if packet.step == "icmp" else f" to {packet.step}"
        notes = [f"{packet.source} sent {_article(packet.signature.name)}{to}"]
        if first is not packet:
            notes.append(_replayed(packet, first))
        if turned_away:
            notes.append(f"{turned_away} then did not let it in: forged, with a wrong key, or not waited for")
        yield Finding(
            rule=RULE.id,
            label=SIGNAL if first is packet else REPLAY,
            kind="signal",
            leg="signal",
            start_us=packet.time_us,
            end_us=packet.time_us,
            sources=(packet.source,),
            destination=packet.destination,
            sequence=(packet.step,),
            complete=False if turned_away else None,
            signal=packet.signature.signal,
            facts={
                "signature": TRUST[packet.signature.trust],
                "replayed": first is not packet,
                "payload_seen": packet.row["payload_length"] is not None,
            },
            note="; ".join(notes) + f" (signature {packet.signature.id}).",
            pointers=tuple(packet.pointers),
        )


def _article(name: str) -> str:
    """Put an article before the name of a thing."""
    if name.startswith("one ") or (name[0].isupper() and not name.startswith("SYN")):
        return f"what looks like {name}"
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"


def _replayed(packet: Packet, first: Packet) -> str:
    """Say when the same payload was sent before."""
    who = "it" if first.source == packet.source else first.source
    seconds = (packet.time_us - first.time_us) / SECOND_US
    return f"{who} had sent the same payload {seconds:.1f} s before, so this is a replay"


def _turned_away(packet: Packet, later: Sequence[Mapping[str, Any]], within_us: int) -> str | None:
    """Name the service that refused a packet's source soon afterwards, if none let it in."""
    after = [
        row
        for row in later
        if 0 < row["time_us"] - packet.time_us <= within_us
        and row["protocol"] == "tcp"
        and _step(row) != packet.step
    ]
    if any(row["outcome"] == ACCEPTED for row in after):
        return None
    return next(
        (_step(row) for row in after if row["outcome"] in {DENIED, REFUSED, UNANSWERED}),
        None,
    )


def _of_run(
    signature: Signature, rows: Sequence[Mapping[str, Any]], thresholds: Thresholds
) -> Iterator[Finding]:
    """Tell of the runs in what one source sent to one destination."""
    assert signature.run is not None
    gap = int(thresholds.sequence_gap_seconds * SECOND_US)
    run: list[Mapping[str, Any]] = []
    for row in [*rows, None]:
        if run and (row is None or row["time_us"] - run[-1]["time_us"] > gap):
            if told := _told(signature.run, run):
                yield _run_finding(signature, told)
            run = []
        if row is not None:
            run.append(row)


def _told(run: Run, rows: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Give the rows of one run, where they are what the signature asks for; nothing where they are not."""
    if run.steps:
        return rows if contains([_step(row) for row in rows], run.steps) else []
    groups: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row[run.same] if run.same else None].append(row)
    for group in groups.values():
        if run.at_least <= len({row[run.differ] for row in group}) <= run.at_most:
            return group
    return []


def _run_finding(signature: Signature, rows: Sequence[Mapping[str, Any]]) -> Finding:
    """Tell of one run."""
    first = rows[0]
    steps = tuple(_step(row) for row in rows)
    sizes = signature.run is not None and signature.run.differ == "payload_length"
    told = f" of {', '.join(str(row['payload_length']) for row in rows)} bytes" if sizes else ""
    return Finding(
        rule=RULE.id,
        label=RUN,
        kind="signal",
        leg="signal",
        start_us=first["time_us"],
        end_us=rows[-1]["time_us"],
        sources=(first["source_ip"],),
        destination=first["destination_ip"],
        sequence=tuple(dict.fromkeys(steps)) if not sizes else steps,
        order_known=len({row["time_us"] for row in rows}) == len(rows),
        signal=signature.signal,
        facts={"signature": TRUST[signature.trust], "payload_seen": sizes},
        note=f"{first['source_ip']} sent {_article(signature.name)}{told} (signature {signature.id}).",
        pointers=tuple(Pointer("connections", row["file"], row["line"], row["time_us"]) for row in rows),
    )


DETECTION = PacketSignal()
