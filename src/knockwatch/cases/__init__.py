"""Cases: the story of one door or one actor, in the shape that every output writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from knockwatch.detections import Kind, Leg, Level, Signal

SCHEMA_VERSION = "1.0"

Status = Literal["alert", "lead", "suppressed"]
Confidence = Literal["low", "medium", "high"]

LEGS: tuple[Leg, ...] = ("signal", "opening", "entry")


@dataclass(frozen=True)
class Attempt:
    """One use of a signal: who, when (RFC 3339, UTC), what was sent, and whether it was complete (None: unknown)."""

    source: str
    start: str | None
    end: str | None
    complete: bool | None
    sent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One session through the door: who and when; complete says whether it is known to have succeeded."""

    source: str
    start: str | None
    end: str | None
    complete: bool | None
    user: str | None = None


@dataclass(frozen=True)
class Quote:
    """One line of evidence: for which leg, from which table, file and line, when, and what it says."""

    leg: Leg | None
    table: str
    file: str
    line: int
    time: str | None
    text: str


@dataclass
class Case:
    """One case, with the fields of the JSON contract in their order; all times RFC 3339 in UTC.

    `id` is a hash of what the case is about (kind, destination, door, signal, sequence, or actor), never of paths
    or times of reading.
    """

    id: str
    kind: Kind
    status: Status
    suppressed_by: str | None = None
    severity: Level = "low"
    confidence: Confidence = "low"
    score: int = 0
    signal: Signal | None = None
    sources: list[str] = field(default_factory=list)
    destination: str | None = None
    host: str | None = None
    sequence: list[str] = field(default_factory=list)
    order_known: bool = True
    lateral: bool = False
    door: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    first_seen: str | None = None
    last_seen: str | None = None
    legs: list[Leg] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    attack: list[str] = field(default_factory=list)
    score_parts: list[dict[str, Any]] = field(default_factory=list)
    innocent_explanations: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    evidence: list[Quote] = field(default_factory=list)
    explanation: list[str] = field(default_factory=list)
    playbook: str | None = None
    guide: str | None = None
    hunts: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Give the case as the JSON contract has it."""
        # What `dataclasses.asdict` gives, in a tenth of the time: it copies every list and every text.
        whole = {"schema_version": SCHEMA_VERSION, **vars(self)}
        return whole | {
            name: [vars(part) for part in whole[name]] for name in ("attempts", "entries", "evidence")
        }
