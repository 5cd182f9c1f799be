"""Judging: cases against labels, strictly; it reads no evidence, and takes what a view holds from the labels alone.

An opened door (knock, SPA) is
- *found*, if an alert names the event's source (or the address that entered) at its time and is about its destination.
  Times come from the case's attempts and entries; a source that takes part in one event only may be named without a
  time, as long as the case's own time fits;
- *door right*, if that same alert names the door's service; *signal right*, if it also gives the door's kind of
  signal; its *entry known*, if an alert with that door tells an entry of that source at that time;
- *by lead*, if no alert but a lead is found so. Where signal and entry come from different sources, a lead suffices.

Of several alerts the one that says most counts, as a whole: its door, its signal and its sequence are not picked from
different cases. A sequence door that was opened twice or more has its *secret right* if every one of these openings
that was found is told by an alert with exactly the secret, and at least one is; an opening at an address used once is
exempt, since one use cannot tell decoys.

A *failed* attempt is known, if it is an attempt, not said to be complete, of an alert or lead at that destination, or
if a lead names its source there. An entry of its source in its time, in any alert or lead, is a *false entry*, unless
the entry itself says that it failed.

An alert that names a source of a scan, of a benign client or of noise, as source, in an attempt or in an entry, is a
*false alert*. An alert about nothing that is labelled is *unexplained*; in evidence without labels all are. An alert
that names no address at all is explained if all that it tells falls into labelled knocks and failed attempts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from knockwatch.cases import Attempt, Case
from knockwatch.evaluation.hosts import Hosts
from knockwatch.evaluation.labels import INNOCENT, OPENED, Corpus, Door, Event
from knockwatch.evaluation.told import TOLERANCE_SECONDS, Ground, Told, told
from knockwatch.evaluation.verdicts import Failed, Opened, Secret, Stray, ViewEvaluation

SHOWN_INNOCENTS = 5
"""How many innocent addresses of one false alert are quoted."""
SHOWN_SEQUENCES = 5
"""How many wrong sequences of one door are quoted."""


def judge(
    corpus: Corpus,
    cases: Sequence[Case],
    *,
    view: str = "all together",
    signal: Collection[str] | None = None,
    entry: Collection[str] | None = None,
    names: Mapping[str, Iterable[str]] | None = None,
    tolerance: float = TOLERANCE_SECONDS,
) -> ViewEvaluation:
    """Judge the cases that a scan of one view gave.

    Parameters
    ----------
    corpus
        What happened.
    cases
        What was said.
    view
        Name of the view.
    signal, entry
        Ids of the events whose signal, and whose entry, the view holds; None for all.
    names
        Host names with their addresses, where known.
    tolerance
        How far times may be off, in seconds.
    """
    hosts = Hosts(corpus, names or {})
    ground = Ground(corpus, hosts, tolerance)
    said = [told(case) for case in cases]
    hosts.learn(_named_places(ground, said))
    court = _Court(corpus, ground, said)
    events = [event for event in corpus.events if event.kind in OPENED]
    held = [event for event in events if _holds(signal, event) and _holds(entry, event)]
    part = [event for event in events if _holds(signal, event) and not _holds(entry, event)]
    opened = tuple(court.opened(event) for event in held)
    failed = tuple(
        court.failed(event, held=_holds(signal, event)) for event in corpus.events if event.kind == "failed"
    )
    status = Counter(case.status for case in cases)
    return ViewEvaluation(
        view,
        opened=opened,
        failed=failed,
        secrets=tuple(court.secrets(opened)),
        signals_of=len(part),
        signals_known=sum(bool(court.about(event, "alert", "lead")) for event in part),
        false_alerts=tuple(court.false_alerts()),
        unexplained=tuple(court.unexplained()),
        alerts=status["alert"],
        leads=status["lead"],
        suppressed=status["suppressed"],
    )


def _holds(ids: Collection[str] | None, event: Event) -> bool:
    """Tell whether a view holds an event, by its list of ids."""
    return ids is None or event.id in ids


def _named_places(ground: Ground, said: Iterable[Told]) -> list[tuple[str, str]]:
    """Pair the host names of cases without a destination with where the events they tell happened."""
    return [
        (case.case.host, event.dst[0])
        for case in said
        if case.case.destination is None and case.case.host is not None
        for event in ground.events
        if event.kind not in INNOCENT and len(event.dst) == 1 and ground.names(case, event)
    ]


class _Court:
    """The cases and the labels of one view."""

    def __init__(self, corpus: Corpus, ground: Ground, said: Sequence[Told]) -> None:
        self.corpus = corpus
        self.ground = ground
        self.said = said
        self._naming: defaultdict[str, list[Told]] = defaultdict(list)
        for case in said:
            for actor in case.named:
                self._naming[actor].append(case)

    def naming(self, event: Event) -> list[Told]:
        """Find the cases that name an event's actor, each once."""
        found = {id(case): case for actor in sorted(event.actors) for case in self._naming.get(actor, ())}
        return list(found.values())

    def about(self, event: Event, *statuses: str) -> list[Told]:
        """Find the cases of some statuses that tell an event: its source, time and destination."""
        return [
            case
            for case in self.naming(event)
            if case.case.status in statuses and self.ground.names(case, event) and self.ground.at(case, event)
        ]

    def opened(self, event: Event) -> Opened:
        """Judge what was said of an opening."""
        assert event.door is not None
        door = self.corpus.doors[event.door]
        alerts, leads = self.about(event, "alert"), self.about(event, "lead")
        best = max(alerts or leads, key=lambda case: _rightness(case.case, door), default=None)
        right = _rightness(best.case, door) if best and alerts else (False, False, False)
        entry = any(self._enters(case, event) for case in alerts if _right_door(case.case, door))
        whole = all(right[:2]) and entry
        return Opened(
            event.id,
            event.title,
            event.door,
            event.dst[0],
            found=bool(alerts),
            lead=not alerts and bool(leads),
            lead_suffices=event.distributed,
            door=right[0],
            signal=right[1],
            secret=right[2],
            entry=entry,
            case=best.case.id if best else None,
            instead="" if whole else self._instead(event, best),
        )

    def failed(self, event: Event, *, held: bool) -> Failed:
        """Judge what was said of a failed attempt."""
        cases = self.about(event, "alert", "lead")
        known = any(self._knows_failed(case, event) for case in cases)
        entries = [
            case.case.id
            for case in self.naming(event)
            if case.case.status in ("alert", "lead")
            and (self.ground.at(case, event) or self.ground.alone(event.actors & case.named))
            and self._enters(case, event, event.actors)
        ]
        instead = "said to be complete" if cases else self._instead(event, None)
        return Failed(event.id, event.title, held, known, tuple(entries), "" if known else instead)

    def secrets(self, opened: Sequence[Opened]) -> Iterable[Secret]:
        """Judge the secrets of sequence doors that a view holds two openings of, or more."""
        for name, door in self.corpus.doors.items():
            uses = [verdict for verdict in opened if verdict.door_name == name]
            if door.signal != "sequence" or door.secret is None or len(uses) < 2:
                continue
            at = Counter(verdict.destination for verdict in uses)
            found = [verdict for verdict in uses if verdict.found]
            exact = [verdict for verdict in found if verdict.secret]
            owed = [verdict for verdict in found if at[verdict.destination] > 1]
            right = bool(exact) and all(verdict.secret for verdict in owed)
            told_by = {verdict.case for verdict in found}
            seen = {tuple(case.case.sequence) for case in self.said if case.case.id in told_by}
            yield Secret(name, len(uses), right, door.secret, tuple(sorted(seen)[:SHOWN_SEQUENCES]))

    def false_alerts(self) -> Iterable[Stray]:
        """List the alerts that name an innocent."""
        for case in self.said:
            if case.case.status != "alert":
                continue
            wronged = sorted(self._innocents(case))
            if wronged:
                events = sorted(
                    {
                        event.id
                        for actor in wronged
                        for event in self.ground.by_actor[actor]
                        if event.kind in INNOCENT
                    }
                )
                yield Stray(
                    case.case.id, _summary(case.case), tuple(wronged[:SHOWN_INNOCENTS]), tuple(events)
                )

    def unexplained(self) -> Iterable[Stray]:
        """List the alerts that tell no labelled event."""
        guilty = [event for event in self.corpus.events if event.kind not in INNOCENT]
        for case in self.said:
            if case.case.status != "alert" or self._innocents(case):
                continue
            if case.named:
                if not any(
                    self.ground.names(case, event) and self.ground.at(case, event) for event in guilty
                ):
                    yield Stray(case.case.id, _summary(case.case))
            elif what := self._outside(case, guilty):
                yield Stray(case.case.id, f"{_summary(case.case)}, {what}")

    def _outside(self, case: Told, guilty: Sequence[Event]) -> str | None:
        """Say what of a case that names nobody falls into no labelled event; None if all of it does."""
        there = [
            event for event in guilty if self.ground.place(case.case) is None or self.ground.at(case, event)
        ]
        spans = case.nameless or ([case.span] if case.span else [])
        out = [
            span
            for span in spans
            if not any(all(self.ground.within((at, at), event) for at in span) for event in there)
        ]
        if spans and not out:
            return None
        return f"{len(out)} of {len(spans)} times in no labelled event" if spans else "at no time"

    def _innocents(self, case: Told) -> set[str]:
        """Select the innocents a case names; who was both innocent and not counts by the time of what is told."""
        ground = self.ground
        wronged = set(case.named & ground.innocent)
        for actor in case.named & ground.both:
            for span in case.spans.get(actor, ()):
                fits = [event for event in ground.by_actor[actor] if ground.within(span, event)]
                if fits and all(event.kind in INNOCENT and ground.at(case, event) for event in fits):
                    wronged.add(actor)
        return wronged

    def _enters(self, case: Told, event: Event, actors: frozenset[str] | None = None) -> bool:
        """Tell whether a case says that an event's source entered."""
        acts = self.ground.acts(case.case.entries, event, event.entrants if actors is None else actors)
        return any(act.complete is not False for act in acts)

    def _knows_failed(self, case: Told, event: Event) -> bool:
        """Tell whether a case says of a failed attempt that it was one, and not that it was complete."""
        acts: list[Attempt] = [
            act
            for act in self.ground.acts(case.case.attempts, event, event.actors)
            if isinstance(act, Attempt)
        ]
        return case.case.status == "lead" or any(act.complete is not True for act in acts)

    def _instead(self, event: Event, best: Told | None) -> str:
        """Say what there was instead."""
        if best is not None:
            entered = [entry.source for entry in best.case.entries]
            tail = f", entries of {', '.join(sorted(set(entered))[:3])}" if entered else ", no entries"
            return _summary(best.case) + tail
        near = self.naming(event)
        if not near:
            return "no case names " + ", ".join(sorted(event.actors)[:3])
        for case in near:
            if case.case.status == "suppressed" and self.ground.names(case, event):
                return f"{_summary(case.case)}, suppressed by {case.case.suppressed_by}"
        timely = [case for case in near if self.ground.names(case, event)]
        place = "at another destination" if timely else "at another time"
        return f"{place}: {_summary((timely or near)[0].case)}"


def _rightness(case: Case, door: Door) -> tuple[bool, bool, bool]:
    """Tell what a case says rightly of a door: service, kind of signal, sequence."""
    right = _right_door(case, door)
    exact = door.secret is not None and tuple(case.sequence) == door.secret
    return right, right and case.signal == door.signal, right and exact


def _right_door(case: Case, door: Door) -> bool:
    """Tell whether a case names a door's service, or a call back where the door calls."""
    return case.door == door.service or (door.calls_back and case.kind == "callback")


def _summary(case: Case) -> str:
    """Put a case in a line."""
    where = case.destination or case.host or "no destination"
    door, signal = case.door or "no door", case.signal or "no signal"
    steps = " ".join(case.sequence) or "no sequence"
    return f"{case.status} {case.id} {case.kind} {where} {door} {signal} [{steps}]"
