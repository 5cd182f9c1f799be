"""Daemons' lines as events: each thing that happened once, in order, however many files tell of it.

Logs may be whole-minute (knockd's own), newest first, or without any time (a daemon's standard output). What the
events add up to is not decided here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from knockwatch.clock import SECOND_US
from knockwatch.detections import Pointer
from knockwatch.detections._daemon_phrases import Spoken, understand

MINUTE_US = 60 * SECOND_US
DISORDER_US = SECOND_US
"""How far two loggers' times of one event may lie apart: they write within a second of each other."""
OWN_PROGRAMS = ("knockd", "fwknopd")
"""Programs whose every line says that a knock daemon runs, understood or not."""


@dataclass
class Event:
    """One thing that a daemon said, once.

    Parameters
    ----------
    spoken
        The phrase and its facts; None for a line of a daemon that says nothing of use.
    daemon
        Who said it.
    host
        On which host; None where no file tells.
    time_us
        When, in microseconds UTC, by the finest clock that tells.
    dated
        Whether the time is the line's own, not taken from its surroundings.
    order
        Sorts events of equal time: file, and place in it, oldest first.
    pointers
        The lines that tell of it.
    """

    spoken: Spoken | None
    daemon: str
    host: str | None
    time_us: int
    dated: bool
    order: tuple[int, int]
    pointers: list[Pointer] = field(default_factory=list)

    @property
    def facts(self) -> Mapping[str, str]:
        """What it tells."""
        return self.spoken.facts if self.spoken else {}

    @property
    def meaning(self) -> str:
        """What happened."""
        return self.spoken.phrase.meaning if self.spoken else "running"

    @property
    def key(self) -> tuple[object, ...]:
        """What an event of another file has to share to be the same."""
        return (self.daemon, self.meaning, *sorted(self.facts.items()))


@dataclass
class _File:
    """The events of one file, oldest first."""

    number: int
    events: list[Event]

    @property
    def resolution_us(self) -> int:
        """How finely its times are written; a file without times is the coarsest of all."""
        times = [event.time_us for event in self.events if event.dated]
        if not times:
            return 1 << 62
        return next((unit for unit in (MINUTE_US, SECOND_US) if all(time % unit == 0 for time in times)), 1)


def events(rows: Iterable[Mapping[str, Any]]) -> list[Event]:
    """Read events from candidate messages.

    Parameters
    ----------
    rows
        `time_us`, `file`, `line`, `host`, `program` and `message`, in any order.

    Returns
    -------
    list
        Events by time, each once.
    """
    by_file: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_file[row["file"]].append(row)
    files = [_File(number, _in_order(list(_events(lines)))) for number, lines in sorted(by_file.items())]
    files.sort(key=lambda file: (file.resolution_us, file.number))
    return sorted(_once(files), key=lambda event: (event.time_us, event.order))


def _events(rows: list[Mapping[str, Any]]) -> Iterator[Event]:
    """Read the events of one file, by line."""
    for row in sorted(rows, key=lambda row: row["line"]):
        spoken = understand(row["program"], row["message"] or "")
        daemon = _daemon(spoken, row["program"])
        if daemon is None:
            continue
        yield Event(
            spoken,
            daemon,
            row["host"],
            row["time_us"] or 0,
            row["time_us"] is not None,
            (row["file"], row["line"]),
            [Pointer("messages", row["file"], row["line"], row["time_us"])],
        )


def _daemon(spoken: Spoken | None, program: str | None) -> str | None:
    """Name the daemon that a line is about; None where it is about none."""
    if spoken is None:
        return program if program in OWN_PROGRAMS else None
    return {"knockd": "knockd", "fwknop": "fwknopd"}.get(spoken.facts.get("named", ""), spoken.phrase.daemon)


def _in_order(told: list[Event]) -> list[Event]:
    """Put the events of one file oldest first.

    The direction of a file is that of most of its steps in time; where all times are equal, that of its stages.
    Events without a time stay where they stand, at the time that is nearest to them.
    """
    dated = [event for event in told if event.dated]
    direction = sum((b.time_us > a.time_us) - (b.time_us < a.time_us) for a, b in pairwise(dated))
    if direction == 0:
        direction = sum(_step(a, b) for a, b in pairwise(told))
    if direction < 0:
        told = [replace(event, order=(event.order[0], -event.order[1])) for event in reversed(told)]
    told = _estimated(told)
    return sorted(told, key=lambda event: (event.time_us, event.order)) if dated else told


def _step(one: Event, other: Event) -> int:
    """Say whether two neighbouring events of one source run forwards (1), backwards (-1) or neither."""
    if one.facts.get("source") != other.facts.get("source") or one.meaning != "stage":
        return -1 if one.meaning == "opened" and other.meaning == "stage" else 0
    if other.meaning == "opened":
        return 1
    later, earlier = other.facts.get("stage"), one.facts["stage"]
    return (int(later) > int(earlier)) - (int(later) < int(earlier)) if later else 0


def _estimated(told: list[Event]) -> list[Event]:
    """Give events without a time that of the rule's expiry, or else of the nearest event that has one."""
    known = [event.time_us if event.dated else _expiry(event.facts.get("expiry", "")) for event in told]
    last = next((time for time in known if time is not None), None)
    for event, time in zip(told, known, strict=True):
        last = time if time is not None else last
        if not event.dated:
            event.time_us = last or 0
    return told


def _expiry(epoch: str) -> int | None:
    """Read the moment a rule expires: some seconds after the line that tells of it."""
    return int(epoch) * SECOND_US if len(epoch) == len("1795346820") else None


def _once(files: list[_File]) -> list[Event]:
    """Join what several files tell of one event; the finest clock comes first and gives the time."""
    known: dict[tuple[object, ...], list[tuple[Event, int]]] = defaultdict(list)
    for file in files:
        begin: dict[tuple[object, ...], int] = {}
        news: list[tuple[Event, int]] = []
        for event in file.events:
            found = _claim(known.get(event.key, []), event, file.resolution_us, begin)
            if found is None:
                news.append((event, file.resolution_us))
            else:
                found.host = found.host or event.host
                found.pointers.extend(event.pointers)
        for event, resolution in news:
            known[event.key].append((event, resolution))
        for same in known.values():
            same.sort(key=lambda entry: (entry[0].time_us, entry[0].order))
    return [event for same in known.values() for event, _ in same]


def _claim(
    candidates: list[tuple[Event, int]],
    event: Event,
    resolution_us: int,
    begin: dict[tuple[object, ...], int],
) -> Event | None:
    """Find the event of finer files that a line also tells of; none is claimed twice by one file."""
    place = (event.host, event.key)
    index = begin.get(place, 0)
    while index < len(candidates):
        known, finer_us = candidates[index]
        index += 1
        if event.dated and known.time_us > event.time_us + resolution_us + DISORDER_US:
            return None
        begin[place] = index
        early = (
            event.dated
            and known.dated
            and known.time_us + min(finer_us, MINUTE_US) + DISORDER_US < event.time_us
        )
        if not early and (known.host is None or event.host is None or known.host == event.host):
            return known
    return None
