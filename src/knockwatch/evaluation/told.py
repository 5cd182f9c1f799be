"""What a case says, put so that it can be compared with a label: whom it names, when, and where; no verdict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from knockwatch.cases import Attempt, Case, Entry
from knockwatch.evaluation.hosts import Hosts
from knockwatch.evaluation.labels import INNOCENT, Corpus, Event, plain

Span = tuple[float, float]
"""First and last moment in seconds since 1970 UTC."""
TOLERANCE_SECONDS = 5.0
"""How far a case's time may lie outside of an event's: whole-second logs, and log lines that come after the packet."""


@dataclass(frozen=True)
class Told:
    """A case with its addresses in their shortest form and its times in seconds.

    Parameters
    ----------
    case
        The case.
    named
        Every address it names as an actor.
    spans
        Address to the times it is told to have done something; none where only its name is told.
    nameless
        The times of what it tells of nobody: of attempts and entries whose source is no address.
    span
        The time of the whole case, as far as it is told.
    """

    case: Case
    named: frozenset[str]
    spans: dict[str, list[Span]]
    nameless: list[Span]
    span: Span | None


def told(case: Case) -> Told:
    """Read a case."""
    spans: defaultdict[str, list[Span]] = defaultdict(list)
    nameless: list[Span] = []
    named = {source for text in case.sources if (source := plain(text))}
    acts: tuple[Attempt | Entry, ...] = (*case.attempts, *case.entries)
    for act in acts:
        source, span = plain(act.source), span_of(act)
        if source is not None:
            named.add(source)
        if span is not None:
            (nameless if source is None else spans[source]).append(span)
    whole = [moment for moment in (seconds(case.first_seen), seconds(case.last_seen)) if moment is not None]
    span = (whole[0], whole[-1]) if whole else None
    return Told(case, frozenset(named), dict(spans), nameless, span)


def seconds(text: str | None) -> float | None:
    """Read an RFC 3339 time."""
    return None if text is None else datetime.fromisoformat(text).timestamp()


def span_of(act: Attempt | Entry) -> Span | None:
    """Give the first and last moment of an attempt or entry, or None where no time is told."""
    start, end = seconds(act.start), seconds(act.end)
    if start is None or end is None:
        only = start if end is None else end
        return None if only is None else (only, only)
    return start, end


class Ground:
    """When and where each event happened, and whom it can be told by.

    A source that takes part in one event only is told by its name, if no time speaks against it; one that takes part
    in several is told by a time within the event alone. Windows of events with a common source and destination never
    overlap: the tolerance ends half-way between them.
    """

    def __init__(self, corpus: Corpus, hosts: Hosts, tolerance: float = TOLERANCE_SECONDS) -> None:
        self.hosts = hosts
        self.events = corpus.events
        by_actor: defaultdict[str, list[Event]] = defaultdict(list)
        for event in corpus.events:
            for actor in event.actors:
                by_actor[actor].append(event)
        self.by_actor = dict(by_actor)
        self.windows = {event.id: self._window(event, tolerance) for event in corpus.events}
        innocent = {actor for event in corpus.events if event.kind in INNOCENT for actor in event.actors}
        guilty = {actor for event in corpus.events if event.kind not in INNOCENT for actor in event.actors}
        self.innocent = innocent - guilty
        self.both = innocent & guilty

    def _window(self, event: Event, tolerance: float) -> Span:
        """Widen an event's time by the tolerance, but not into its neighbours'."""
        start, end = event.start - tolerance, event.end + tolerance
        places = {self.hosts.of(place) for place in event.dst}
        for other in {other.id: other for actor in event.actors for other in self.by_actor[actor]}.values():
            if other is event or places.isdisjoint(self.hosts.of(place) for place in other.dst):
                continue
            if other.end <= event.start:
                start = max(start, (other.end + event.start) / 2)
            elif other.start >= event.end:
                end = min(end, (other.start + event.end) / 2)
        return start, end

    def within(self, span: Span, event: Event) -> bool:
        """Tell whether something begins or ends in an event's window; what merely spans it does not."""
        start, end = self.windows[event.id]
        return any(start <= moment <= end for moment in span)

    def names(self, case: Told, event: Event, actors: Iterable[str] | None = None) -> bool:
        """Tell whether a case names an event's actor, at its time."""
        those = case.named & (event.actors if actors is None else frozenset(actors))
        if not those:
            return False
        spans = [span for actor in those for span in case.spans.get(actor, ())]
        if spans:
            return any(self.within(span, event) for span in spans)
        if not self.alone(those):
            return False
        if case.span is None:
            return True
        start, end = self.windows[event.id]
        return case.span[0] <= end and case.span[1] >= start

    def alone(self, actors: Iterable[str]) -> bool:
        """Tell whether one of these takes part in no other event."""
        return any(len(self.by_actor.get(actor, ())) == 1 for actor in actors)

    def place(self, case: Case) -> str | None:
        """Give the address that stands for the host a case is about."""
        if case.destination is not None:
            return self.hosts.of(plain(case.destination) or case.destination)
        return None if case.host is None else self.hosts.named(case.host)

    def at(self, case: Told, event: Event) -> bool:
        """Tell whether a case is about the host that an event happened at."""
        place = self.place(case.case)
        return place is not None and place in {self.hosts.of(known) for known in event.dst}

    def acts(
        self, acts: Iterable[Attempt | Entry], event: Event, actors: frozenset[str]
    ) -> list[Attempt | Entry]:
        """Select the attempts or entries of some actors that fall into an event."""
        chosen = []
        for act in acts:
            source = plain(act.source)
            if source is None or source not in actors:
                continue
            span = span_of(act)
            if self.within(span, event) if span else self.alone((source,)):
                chosen.append(act)
        return chosen
