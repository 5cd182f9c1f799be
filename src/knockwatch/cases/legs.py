"""The legs that other evidence adds to what daemons say: the log-in after an opening, the firewall's change at it."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from knockwatch.cases import Entry
from knockwatch.cases.attempts import LOOKBACK, MINUTE_US, resolution
from knockwatch.cases.hosts import Hosts
from knockwatch.clock import SECOND_US, rfc3339
from knockwatch.detections import Finding
from knockwatch.detections._log_ins import LOGGED_IN

Key = TypeVar("Key", bound=Hashable)

ENTERS_WITHIN_US = 120 * SECOND_US
"""How long after an opening a log-in is its entry: doors stay open 10 to 60 s, clients come at once or a minute later,
and a log-in is logged when the password is right, which takes a person up to a minute."""
NEAR_US = 15 * SECOND_US
"""How far apart two observers may place the same knock: clocks differ by a few seconds."""
LOGGED_BEFORE_US = SECOND_US
"""How much before the opening a log-in may be logged: two programs' lines of one second come in any order."""


@dataclass(frozen=True)
class _Opening(Generic[Key]):
    """One opening that a daemon tells of."""

    key: Key
    place: str
    door: str | None
    start_us: int
    end_us: int


class Openings(Generic[Key]):
    """Openings that daemons tell of, found by whom they were for.

    Parameters
    ----------
    told
        What is told of each door, by whatever names the door.
    """

    def __init__(self, told: Mapping[Key, Iterable[Finding]], hosts: Hosts) -> None:
        self._hosts = hosts
        self._of: dict[str, list[_Opening[Key]]] = defaultdict(list)
        for key, findings in told.items():
            for finding in findings:
                if not finding.conclusive:
                    continue
                place = hosts.place(finding.host, finding.destination)
                opening = _Opening(key, place, finding.door, finding.start_us, _latest(finding))
                for source in finding.sources:
                    self._of[source].append(opening)
        for openings in self._of.values():
            openings.sort(key=lambda opening: (opening.start_us, opening.end_us))

    def entered(self, log_ins: Iterable[Finding]) -> tuple[dict[Key, list[Finding]], list[Finding]]:
        """Part log-ins into those that followed an opening for their source, by door, and the others."""
        return self._placed(log_ins, self._before)

    def changed(self, changes: Iterable[Finding]) -> tuple[dict[Key, list[Finding]], list[Finding]]:
        """Part a firewall's changes into those that made an opening, by door, and the others."""
        return self._placed(changes, self._nearest)

    def _placed(
        self,
        findings: Iterable[Finding],
        find: Callable[[Finding, list[_Opening[Key]]], _Opening[Key] | None],
    ) -> tuple[dict[Key, list[Finding]], list[Finding]]:
        """Give each finding to the opening it belongs to."""
        placed: dict[Key, list[Finding]] = defaultdict(list)
        rest: list[Finding] = []
        for finding in findings:
            known = [opening for source in finding.sources for opening in self._of.get(source, ())]
            opening = find(finding, known) if known else None
            if opening is None:
                rest.append(finding)
            else:
                placed[opening.key].append(finding)
        return placed, rest

    def _before(self, log_in: Finding, known: list[_Opening[Key]]) -> _Opening[Key] | None:
        """Find the last opening before a log-in at the same host, if the door may still have been open."""
        place = self._hosts.place(log_in.host, log_in.destination)
        until = bisect_right(known, log_in.start_us + LOGGED_BEFORE_US, key=_start)
        for opening in reversed(known[max(0, until - LOOKBACK) : until]):
            if (
                opening.place == place
                and _takes_log_ins(opening.door)
                and log_in.start_us <= opening.end_us + ENTERS_WITHIN_US
            ):
                return opening
        return None

    def _nearest(self, change: Finding, known: list[_Opening[Key]]) -> _Opening[Key] | None:
        """Find the opening that is nearest to a change of the same door."""
        place = self._hosts.place(change.host, change.destination)
        at = bisect_right(known, change.start_us, key=_start)
        near = [
            opening
            for opening in known[max(0, at - LOOKBACK) : at + LOOKBACK]
            if (not place or not opening.place or place == opening.place)
            and (not change.door or not opening.door or change.door == opening.door)
            and opening.start_us - NEAR_US <= change.end_us
            and change.start_us <= opening.end_us + NEAR_US
        ]
        return min(near, key=lambda opening: abs(opening.start_us - change.start_us), default=None)


def _start(opening: _Opening[Any]) -> int:
    """Give what openings are sorted by."""
    return opening.start_us


def is_log_in(finding: Finding) -> bool:
    """Tell whether a finding is a log-in, which makes no case of its own."""
    return finding.label == LOGGED_IN


def entry(finding: Finding) -> Entry:
    """Write a log-in, or a daemon's word of an entry, as a case has it."""
    return Entry(
        ", ".join(finding.sources), rfc3339(finding.start_us), None, complete=True, user=finding.user
    )


def parted(
    findings: Iterable[Finding], mine: Callable[[Finding], bool]
) -> tuple[list[Finding], list[Finding]]:
    """Part findings into those of a sort and the others."""
    parts: tuple[list[Finding], list[Finding]] = ([], [])
    for finding in findings:
        parts[0 if mine(finding) else 1].append(finding)
    return parts


def settled(findings: list[Finding], hosts: Hosts) -> list[Finding]:
    """Give a host to those lines of daemons that name none (knockd's own log), where only one can be meant.

    It is the one host with a door of that name at which the same source was seen within the same minute; else the
    one host of whose doors the same file also tells.
    """
    told = [finding for finding in findings if finding.kind == "daemon"]
    orphans = {one for one in told if one.door_name and not (one.host or one.destination)}
    if not orphans:
        return findings
    homes = _Homes(told, _Seen(findings, hosts, {source for one in orphans for source in one.sources}), hosts)
    return [homes.brought_home(finding) if finding in orphans else finding for finding in findings]


class _Homes:
    """The hosts that daemons' lines name, each by a line that names it."""

    def __init__(self, told: Iterable[Finding], seen: _Seen, hosts: Hosts) -> None:
        self._seen = seen
        self._models: dict[str, Finding] = {}
        self._names: dict[str, set[str]] = defaultdict(set)
        self._files: dict[str, set[int]] = defaultdict(set)
        for finding in told:
            place = hosts.place(finding.host, finding.destination)
            if place and finding.door_name:
                self._models.setdefault(place, finding)
                self._names[place].add(finding.door_name)
                self._files[place] |= {pointer.file for pointer in finding.pointers}

    def brought_home(self, orphan: Finding) -> Finding:
        """Give one finding the host it must be of; as it is, where there is none or more than one."""
        own = {pointer.file for pointer in orphan.pointers}
        places = [
            place
            for place, names in self._names.items()
            if orphan.door_name in names and self._seen.near(place, orphan)
        ] or [place for place, files in self._files.items() if not own.isdisjoint(files)]
        if len(places) != 1:
            return orphan
        model = self._models[places[0]]
        return replace(orphan, host=model.host, destination=model.destination)


class _Seen:
    """When some sources were seen where, by whatever evidence."""

    def __init__(self, findings: Iterable[Finding], hosts: Hosts, sources: set[str]) -> None:
        self._times: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        for finding in findings:
            place = hosts.place(finding.host, finding.destination)
            if not place or finding.kind == "client":
                continue
            for use in finding.uses:
                for source in {use.source, use.entrant} & sources:
                    self._times[place, source].append((use.start_us, use.entry_us or use.end_us))
            if not finding.uses:
                for source in sources.intersection(finding.sources):
                    self._times[place, source].append((finding.start_us, finding.end_us))

    def near(self, place: str, finding: Finding) -> bool:
        """Tell whether a finding's source was seen at a place within the minute, as far as the clocks can say."""
        return any(
            start - NEAR_US <= _latest(finding) and finding.start_us <= end + NEAR_US
            for source in finding.sources
            for start, end in self._times.get((place, source), ())
        )


def _latest(finding: Finding) -> int:
    """Give the latest moment that a finding's end may mean: a whole minute stands for all of it."""
    coarse = resolution(finding.start_us) == MINUTE_US and resolution(finding.end_us) == MINUTE_US
    return finding.end_us + (MINUTE_US if coarse else 0)


def _takes_log_ins(door: str | None) -> bool:
    """Tell whether SSH may be behind a door: it runs over TCP."""
    return door is None or door.startswith("tcp/")
