"""A story: the findings about one door or one actor, put together but not yet judged."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal, TypeVar

from knockwatch.cases import LEGS, Entry
from knockwatch.cases.attempts import Knock
from knockwatch.detections import Finding, Kind, Leg, Signal

Value = TypeVar("Value")

ID_CHARACTERS = 16


@dataclass(frozen=True)
class Actor:
    """Someone who acts in a story.

    Parameters
    ----------
    shown
        What a reader is told.
    names
        Every name the site may know this actor by: addresses, host, user.
    opened
        Whether the door opened for this actor.
    """

    shown: str
    names: tuple[str, ...]
    opened: bool = False


@dataclass
class Story:
    """The findings about one door or one actor.

    Parameters
    ----------
    kind
        Kind of the case it becomes.
    identity
        What it is about, in words that more evidence about the same does not change.
    findings
        All of them, by time.
    knocks
        The attempts they tell of, by time.
    actors
        Who acts, in the order of their first appearance.
    sources, destination, host, signal, sequence, order_known, door
        As in the case; the host of a client is the one it ran on.
    door_name
        What the daemon calls the door.
    entries
        Sessions through the door, by time.
    facts
        The numbers that a door's score is made of; of a run, how much its source scanned.
    """

    kind: Kind
    identity: tuple[str, ...]
    findings: list[Finding]
    knocks: list[Knock] = field(default_factory=list)
    actors: list[Actor] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    destination: str | None = None
    host: str | None = None
    signal: Signal | None = None
    sequence: tuple[str, ...] = ()
    order_known: bool = True
    door: str | None = None
    door_name: str | None = None
    entries: list[Entry] = field(default_factory=list)
    facts: Mapping[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """A hash of what it is about."""
        text = json.dumps([self.kind, *self.identity], ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:ID_CHARACTERS]

    @property
    def opened(self) -> bool:
        """Whether a daemon's own word proves an opening."""
        return any(finding.conclusive for finding in self.findings)

    @property
    def legs(self) -> list[Leg]:
        """The legs there is evidence for; a signal known to be complete or to have failed was sent."""
        seen = {finding.leg for finding in self.findings}
        if any(knock.complete is not None for knock in self.knocks):
            seen.add("signal")
        if self.entries:
            seen |= {"signal", "entry"}
        return [leg for leg in LEGS if leg in seen]

    @property
    def scan(self) -> Literal["whole", "part"] | None:
        """Whether it is a port scan, or a run of a source that scanned."""
        if self.kind != "signal" or "ports" not in self.facts:
            return None
        return "part" if self.sequence else "whole"

    @property
    def target(self) -> str:
        """The host that was acted upon, as a reader calls it; a client's own host is not."""
        if self.kind == "client":
            return self.destination or "the host it was sent to"
        if self.host and self.destination and self.host != self.destination:
            return f"{self.host} ({self.destination})"
        return self.host or self.destination or "a host that the evidence does not name"


def by_time(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings so that their order does not depend on the order they were found in."""
    return sorted(findings, key=_order)


def _order(finding: Finding) -> tuple[object, ...]:
    """Give what findings are sorted by; a value that may be missing sorts as an empty one."""
    return (
        finding.start_us,
        finding.end_us,
        finding.rule,
        finding.label,
        finding.sources,
        finding.destination or "",
        finding.host or "",
        finding.door_name or "",
        finding.door or "",
        finding.sequence,
        finding.user or "",
        finding.command_line or "",
        finding.note,
        [(pointer.table, pointer.file, pointer.line) for pointer in finding.pointers],
    )


def most_common(values: Iterable[Value | None]) -> Value | None:
    """Give the value seen most often, the first seen among equals; None where there is none."""
    counts = Counter(value for value in values if value)
    return counts.most_common(1)[0][0] if counts else None


def kind_of(sequence: tuple[str, ...]) -> Signal | None:
    """Tell what kind of signal a sequence is; None where there is none."""
    if not sequence:
        return None
    return "icmp" if all(step.startswith("icmp") for step in sequence) else "sequence"


def step_order(step: str) -> tuple[int, str]:
    """Give what the steps of a signal are sorted by where their own order is unknown: port, then protocol."""
    protocol, _, port = step.partition("/")
    return int(port) if port.isdecimal() else 0, protocol


def address_order(address: str) -> tuple[int, int, str]:
    """Give what addresses are sorted by: as numbers, IPv4 first, and what is none last."""
    try:
        known = ip_address(address)
    except ValueError:
        return 9, 0, address
    return known.version, int(known), address
