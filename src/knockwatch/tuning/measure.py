"""Measures of tuning: how many alerts and leads a configuration gives, and which known cases it loses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knockwatch.cases import Case
from knockwatch.clock import SECOND_US, rfc3339
from knockwatch.config import Config
from knockwatch.investigation import Investigation
from knockwatch.tables import CANONICAL

DAY_US = 86_400 * SECOND_US


@dataclass(frozen=True)
class Span:
    """The time that evidence covers: first and last moment, and on how many days (UTC) anything was recorded."""

    first_us: int | None
    last_us: int | None
    days: int

    @property
    def is_daily(self) -> bool:
        """Whether it covers a day at least: numbers a day of less would be made up."""
        if self.first_us is None or self.last_us is None:
            return False
        return self.last_us - self.first_us >= DAY_US

    def a_day(self, count: int) -> float | None:
        """Give a number a day; None where the evidence covers no day."""
        return round(count / self.days, 2) if self.is_daily else None

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        return {
            "first_time": rfc3339(self.first_us),
            "last_time": rfc3339(self.last_us),
            "days": self.days if self.is_daily else None,
        }


def span(investigation: Investigation) -> Span:
    """Measure the time that evidence covers; days without a record count for nothing."""
    first: list[int] = []
    last: list[int] = []
    days: set[int] = set()
    for name in CANONICAL:
        rows = investigation.tables[name]
        time: Any = rows.time_us
        by_day = rows.filter(time.notnull()).group_by(day=time // DAY_US)
        for row in investigation.engine.execute(by_day.agg(first=time.min(), last=time.max())).iter_rows(
            named=True
        ):
            days.add(row["day"])
            first.append(row["first"])
            last.append(row["last"])
    return Span(min(first, default=None), max(last, default=None), len(days))


@dataclass(frozen=True)
class Outcome:
    """What a configuration gives: ids of its alerts, numbers of leads and suppressed cases, known cases it tells."""

    alerts: frozenset[str]
    leads: int
    suppressed: int
    told: frozenset[str]

    def to_json(self, span: Span) -> dict[str, Any]:
        """Give the numbers, a day too where the evidence covers one."""
        return {
            "alerts": len(self.alerts),
            "leads": self.leads,
            "suppressed": self.suppressed,
            "alerts_a_day": span.a_day(len(self.alerts)),
            "leads_a_day": span.a_day(self.leads),
        }


@dataclass(frozen=True)
class Change:
    """What becomes of an outcome: the alerts that come and go by their ids, the known cases lost by their names."""

    before: Outcome
    after: Outcome

    @property
    def gained(self) -> list[str]:
        """Ids of new alerts."""
        return sorted(self.after.alerts - self.before.alerts)

    @property
    def gone(self) -> list[str]:
        """Ids of alerts that are none any more."""
        return sorted(self.before.alerts - self.after.alerts)

    @property
    def lost(self) -> list[str]:
        """Known cases that are not told any more."""
        return sorted(self.before.told - self.after.told)

    @property
    def found(self) -> list[str]:
        """Known cases that are told only now."""
        return sorted(self.after.told - self.before.told)

    @property
    def leads(self) -> int:
        """How many leads more, or, negative, less."""
        return self.after.leads - self.before.leads

    @property
    def any(self) -> bool:
        """Whether anything changes."""
        return self.before != self.after

    def to_json(self, span: Span) -> dict[str, Any]:
        """Give what comes out, and what comes and goes."""
        return {
            **self.after.to_json(span),
            "alerts_gained": self.gained,
            "alerts_gone": self.gone,
            "known_found": self.found,
            "known_lost": self.lost,
        }


@dataclass(frozen=True)
class Known:
    """Cases that must not be lost.

    Parameters
    ----------
    origin
        Where they are from: ``alerts`` (of the configuration as it stands), ``cases`` (a file) or ``labels``.
    names
        All of them: ids of cases, or of labelled events.
    told_by
        Tells which of them some cases tell with an alert.
    """

    origin: str
    names: frozenset[str]
    told_by: Callable[[Sequence[Case]], frozenset[str]]

    def outcome(self, cases: Sequence[Case]) -> Outcome:
        """Measure what a configuration gave."""
        return Outcome(
            frozenset(case.id for case in cases if case.status == "alert"),
            sum(case.status == "lead" for case in cases),
            sum(case.status == "suppressed" for case in cases),
            self.told_by(cases),
        )

    def to_json(self, now: Outcome) -> dict[str, Any]:
        """Give where they are from, how many, and which are not told as it stands."""
        return {
            "from": self.origin,
            "cases": len(self.names),
            "not_told_now": sorted(self.names - now.told),
        }


def known_alerts(cases: Sequence[Case], origin: str = "alerts") -> Known:
    """Take alerts for the known cases.

    An alert tells one of them if it has its id, or is about the same door: what its secret is taken for may change.
    """
    alerts = [case for case in cases if case.status == "alert"]

    def told_by(others: Sequence[Case]) -> frozenset[str]:
        found = [case for case in others if case.status == "alert"]
        ids = {case.id for case in found}
        doors = {door for case in found for door in _doors(case)}
        return frozenset(case.id for case in alerts if case.id in ids or not doors.isdisjoint(_doors(case)))

    return Known(origin, frozenset(case.id for case in alerts), told_by)


def _doors(case: Case) -> set[tuple[str, str]]:
    """Name the door of a case, by its host's name and by its address; a case that names none has none."""
    return {(place, case.door) for place in (case.host, case.destination) if place and case.door}


def known_events(folder: Path, config: Config) -> Known:
    """Take the openings of a labelled corpus for the known cases.

    Raises
    ------
    CorpusError
        If the folder has no labels, or they do not say what they should.
    """
    from knockwatch.evaluation.judge import judge
    from knockwatch.evaluation.labels import LABELS, OPENED, CorpusError, load
    from knockwatch.evaluation.told import TOLERANCE_SECONDS

    corpus = load(folder)
    if not corpus.labelled:
        raise CorpusError(f"has no {LABELS}: name the folder of a labelled corpus", path=folder)
    offset = max((view.clock_seconds for view in corpus.views.values()), default=0.0)

    def told_by(cases: Sequence[Case]) -> frozenset[str]:
        names: Mapping[str, Iterable[str]] = config.hosts
        judged = judge(corpus, cases, names=names, tolerance=TOLERANCE_SECONDS + offset)
        return frozenset(verdict.id for verdict in judged.opened if verdict.found)

    return Known("labels", frozenset(event.id for event in corpus.events if event.kind in OPENED), told_by)
