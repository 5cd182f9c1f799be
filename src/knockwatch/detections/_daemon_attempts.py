"""Daemons' events gathered to attempts: one use of a signal by one source at one door. Nothing is judged here."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from knockwatch.clock import SECOND_US
from knockwatch.detections._daemon_events import Event
from knockwatch.detections._firewall_commands import FirewallCommand, firewall_commands

ANSWER_US = 10 * SECOND_US
"""How long after an SPA packet its answer may be logged: fwknopd answers at once, a busy host later."""

ANNOUNCED_US = 120 * SECOND_US
"""How long after naming the source knockd may log the command: at once, but its own log has minutes only."""

Answer = Literal["opened", "obeyed", "failed", "entered"]
_ANSWERS: Mapping[str, Answer] = {
    "opened": "opened",
    "commanded": "obeyed",
    "failed": "failed",
    "entered": "entered",
}
DoorName = tuple[str, str | None, str | None]
"""Daemon, host, and what the daemon calls the door."""


@dataclass
class Attempt:
    """One use of a signal, as a daemon told it.

    Parameters
    ----------
    door
        Daemon, host and the door's name.
    source
        Who.
    start_us, end_us
        When.
    stage
        The last stage reached.
    answer
        What the daemon said of it; None where it said nothing.
    overtaken
        Whether the same source began again at the same door.
    command
        What the daemon ran for it.
    command_failed
        Whether that command failed.
    events
        What tells of it.
    """

    door: DoorName
    source: str
    start_us: int
    end_us: int
    stage: int = 0
    answer: Answer | None = None
    overtaken: bool = False
    command: FirewallCommand | None = None
    command_failed: bool = False
    events: list[Event] = field(default_factory=list)

    def fact(self, name: str) -> str | None:
        """Give a fact that one of its events tells."""
        return next((event.facts[name] for event in self.events if name in event.facts), None)

    def add(self, event: Event) -> None:
        """Add an event that tells of it."""
        self.events.append(event)
        self.end_us = max(self.end_us, event.time_us)


@dataclass
class _Awaited:
    """A door's command that a daemon announced by naming the source."""

    attempt: Attempt | None
    source: str
    time_us: int


class Gathering:
    """Attempts, while events are added in the order of time."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.running: dict[tuple[str, str | None], list[Event]] = defaultdict(list)
        self.last_us: dict[tuple[str, str | None], int] = {}
        self._current: dict[tuple[DoorName, str], Attempt] = {}
        self._awaited: dict[DoorName, deque[_Awaited]] = defaultdict(deque)
        self._commanded: dict[DoorName, Attempt | None] = {}
        self._expiring: dict[str, Attempt] = {}
        self._commands: dict[tuple[str, str | None], Counter[FirewallCommand]] = defaultdict(Counter)

    @classmethod
    def of(cls, events: Iterable[Event]) -> Gathering:
        """Gather events, given by time."""
        gathering = cls()
        for event in events:
            gathering._add(event)
        return gathering

    def usual(self, door: DoorName) -> FirewallCommand | None:
        """Give what a daemon usually runs for a door of that name, where it was seen to run anything."""
        daemon, _, name = door
        common = self._commands[daemon, name].most_common(1)
        return common[0][0] if common else None

    def _add(self, event: Event) -> None:
        """Add one event."""
        place = (event.daemon, event.host)
        self.last_us[place] = max(event.time_us, self.last_us.get(place, 0))
        # CSF names the port that a sequence opens, where others name the door.
        name = event.facts.get("door_name") or (event.facts.get("port") if event.daemon == "kernel" else None)
        door = (event.daemon, event.host, name)
        source = event.facts.get("source", "")
        match event.meaning:
            case "stage":
                self._stage(door, source, event)
            case "opened" | "failed" | "signal" | "commanded" | "entered":
                self._said(door, source, event)
            case "closing":
                self._awaited[door].append(_Awaited(None, source, event.time_us))
            case "command":
                self._command(door, event)
            case "command-failed":
                attempt = self._commanded.get(door)
                if attempt is not None:
                    attempt.command_failed = True
                    attempt.add(event)
            case "closed":
                attempt = self._expiring.get(event.facts.get("expiry", ""))
                if attempt is not None:
                    attempt.events.append(event)
            case _:
                self.running[place].append(event)

    def _stage(self, door: DoorName, source: str, event: Event) -> None:
        """Add a stage: a number that goes back or repeats begins a new attempt."""
        stage = int(event.facts["stage"])
        attempt = self._current.get((door, source))
        # The same line twice is no second step: exports double their rows.
        doubled = attempt is not None and stage == attempt.stage and event.time_us == attempt.end_us
        if attempt is None or attempt.answer or (stage <= attempt.stage and not doubled):
            attempt = self._begin(door, source, event)
        attempt.stage = stage
        attempt.add(event)

    def _begin(self, door: DoorName, source: str, event: Event) -> Attempt:
        """Begin an attempt."""
        before = self._current.get((door, source))
        if before is not None and before.answer is None:
            before.overtaken = True
        attempt = Attempt(door, source, event.time_us, event.time_us)
        self._current[door, source] = attempt
        self.attempts.append(attempt)
        return attempt

    def _said(self, door: DoorName, source: str, event: Event) -> None:
        """Add what a daemon said of an attempt; knockd names the door, fwknopd only the moment."""
        attempt = self._current.get((door, source))
        if attempt is None or not _continues(attempt, event):
            attempt = self._begin(door, source, event)
        attempt.add(event)
        attempt.answer = attempt.answer or _ANSWERS.get(event.meaning)
        if "expiry" in event.facts:
            self._expiring[event.facts["expiry"]] = attempt
        if "command" in event.facts:
            attempt.command = _first_command(event.facts["command"])
        elif event.meaning == "opened" and event.daemon == "knockd":
            self._awaited[door].append(_Awaited(attempt, source, event.time_us))

    def _command(self, door: DoorName, event: Event) -> None:
        """Give a door's command, which names no source of its own, to the attempt that it was announced for."""
        command = _first_command(event.facts["command"])
        waiting = self._awaited[door]
        while waiting and event.time_us - waiting[0].time_us > ANNOUNCED_US:
            waiting.popleft()
        named = [awaited for awaited in waiting if command and awaited.source == command.source]
        awaited = named[0] if named else waiting[0] if waiting else None
        if awaited is None:
            self._commanded[door] = None
            return
        waiting.remove(awaited)
        self._commanded[door] = awaited.attempt
        if awaited.attempt is None:
            return
        awaited.attempt.add(event)
        awaited.attempt.command = command
        if command is not None:
            self._commands[door[0], door[2]][replace(command, source=None)] += 1


def _continues(attempt: Attempt, event: Event) -> bool:
    """Tell whether what a daemon says is about the attempt that is under way."""
    if event.meaning == attempt.answer == "opened":
        # One SPA packet may add several rules, and exports double their rows.
        return attempt.end_us == event.time_us
    if attempt.answer or event.meaning == "signal":
        return False
    return attempt.stage > 0 or event.time_us - attempt.end_us <= ANSWER_US


def _first_command(text: str) -> FirewallCommand | None:
    """Give the first firewall command that names a port, or else the first."""
    read = firewall_commands(text)
    return next((command for command in read if command.port is not None), read[0] if read else None)
