"""Evidence that was read once: the detections run on it, and its cases built, under one configuration or many.

It reads no evidence itself, but for the lines that cases quote; what the tables hold is `ingest`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from knockwatch.cases import Case
from knockwatch.cases.build import build
from knockwatch.config import Config, Thresholds
from knockwatch.detections import Detection, Finding, Pointer, detections
from knockwatch.detections._relevant import with_relevant
from knockwatch.engines import Engine
from knockwatch.engines.given import file_name
from knockwatch.engines.queries import DUCKDB, Dialect, Query, Steps, unbound
from knockwatch.inference.hosts import addresses, learn, sightings
from knockwatch.ingest import Workspace
from knockwatch.quotes import quotes, quotes_of
from knockwatch.stored_queries import Stored, load, name_of, store

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import polars as pl

Made = TypeVar("Made")
_TABLES = ""
"""No rule's: what the tables that queries read were made with."""


class _Watched:
    """Thresholds that remember which of them were read."""

    def __init__(self, thresholds: Thresholds) -> None:
        self.thresholds = thresholds
        self.read: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.thresholds, name)
        self.read[name] = value
        return value


@dataclass(frozen=True)
class _Step(Generic[Made]):
    """What was made, and the thresholds it was made with.

    What reads a threshold nowhere is the same whatever its value, so a step holds as long as what it read does.
    """

    made: Made
    read: Mapping[str, Any]

    def holds(self, thresholds: Thresholds) -> bool:
        return all(getattr(thresholds, name) == value for name, value in self.read.items())


@dataclass(frozen=True)
class Plan:
    """Queries of all detections under some thresholds, the tables they read, and the thresholds each was made with."""

    steps: Steps
    tables: _Step[Callable[[], Mapping[str, ir.Table]]]
    queries: Mapping[str, _Step[Query]]


@lru_cache(maxsize=4)
def plan(thresholds: Thresholds, dialect: Dialect = DUCKDB) -> Plan:
    """Write every detection's query, or take what was written before: a second of Python, or nearly none."""
    name = name_of({"dialect": dialect.name, **thresholds.model_dump()})
    kept = load(name)
    if kept and kept.read.keys() == {_TABLES, *kept.queries} == {
        _TABLES,
        *(one.rule.id for one in detections()),
    }:
        read = {of: {name: getattr(thresholds, name) for name in names} for of, names in kept.read.items()}
        queries = {rule: _Step(query, read[rule]) for rule, query in kept.queries.items()}
        # Few ever need the tables beside their queries: tuning does, which tries other thresholds.
        return Plan(
            Steps(dialect, kept.steps),
            _Step(cache(partial(_made, thresholds, dialect)), read[_TABLES]),
            queries,
        )
    planned = _written(thresholds, dialect)
    read_by = {_TABLES: planned.tables.read, **{rule: step.read for rule, step in planned.queries.items()}}
    made = {rule: step.made for rule, step in planned.queries.items()}
    store(name, Stored(planned.steps.sql, made, {of: [*read] for of, read in read_by.items()}))
    return planned


def _written(thresholds: Thresholds, dialect: Dialect) -> Plan:
    """Write every detection's query."""
    steps, watched = Steps(dialect), _Watched(thresholds)
    tables = with_relevant(unbound(), cast(Thresholds, watched), steps.cached, dialect)
    queries = {one.rule.id: _query(one, tables, thresholds, dialect) for one in detections()}
    return Plan(steps, _Step(lambda: tables, watched.read), queries)


def _made(thresholds: Thresholds, dialect: Dialect) -> Mapping[str, ir.Table]:
    """Make the tables that queries read."""
    return with_relevant(unbound(), thresholds, Steps(dialect).cached, dialect)


def _query(
    detection: Detection, tables: Mapping[str, ir.Table], thresholds: Thresholds, dialect: Dialect
) -> _Step[Query]:
    """Write a detection's query."""
    watched = _Watched(thresholds)
    candidates = detection.candidates(tables, cast(Thresholds, watched))
    return _Step(Query.of(candidates, dialect), watched.read)


class Investigation:
    """Evidence that was read, ready to be judged.

    Parameters
    ----------
    workspace
        What was read.
    engine
        Runs over it; open as long as the investigation is used.
    keep
        Keep what the first thresholds gave, candidates too, so that others cost only what they change.

    Attributes
    ----------
    problems
        Sentences on what its cases leave out.
    """

    def __init__(self, workspace: Workspace, engine: Engine, *, keep: bool = False) -> None:
        self.workspace = workspace
        self.engine = engine
        self.tables: Mapping[str, ir.Table] = engine.tables()
        self.problems: list[str] = []
        self._keep = keep
        self._first: Plan | None = None
        self._candidates: dict[str, _Step[pl.DataFrame]] = {}
        self._findings: dict[str, _Step[list[Finding]]] = {}

    @property
    def used(self) -> frozenset[str]:
        """Names of the thresholds that were read for what is kept; no other changes a finding."""
        steps = [*self._candidates.values(), *self._findings.values(), self._first and self._first.tables]
        return frozenset(name for step in steps if step for name in step.read)

    def prepared(self, thresholds: Thresholds) -> Plan:
        """Give the plan under some thresholds, or the one that is kept, where its tables are the same."""
        if self._first and self._first.tables.holds(thresholds):
            return self._first
        planned = plan(thresholds, self.engine.dialect)
        if self._keep and not self._first:
            self._first = planned
        return planned

    def findings(self, thresholds: Thresholds) -> list[Finding]:
        """Run every detection; while one reasons about its candidates, the engine selects the next one's."""
        planned = self.prepared(thresholds)
        with ThreadPoolExecutor(max_workers=1) as executor:
            reasoned = [
                self._reasoned(detection, planned, thresholds, executor) for detection in detections()
            ]
            return [finding for future in reasoned for finding in future.result()]

    def _reasoned(
        self, detection: Detection, planned: Plan, thresholds: Thresholds, executor: ThreadPoolExecutor
    ) -> Future[list[Finding]]:
        """Give what a detection will find, or has found."""
        name = detection.rule.id
        candidates, findings = self._candidates.get(name), self._findings.get(name)
        if candidates is None or planned is not self._first or not candidates.holds(thresholds):
            candidates, findings = self._selected(detection, planned, thresholds), None
        if findings is not None and findings.holds(thresholds):
            done: Future[list[Finding]] = Future()
            done.set_result(findings.made)
            return done
        return executor.submit(self._reason, detection, candidates.made, thresholds)

    def _selected(self, detection: Detection, planned: Plan, thresholds: Thresholds) -> _Step[pl.DataFrame]:
        """Select a detection's candidates."""
        query = planned.queries[detection.rule.id]
        if not query.holds(thresholds):
            query = _query(detection, planned.tables.made(), thresholds, self.engine.dialect)
        step = _Step(self.engine.execute(query.made, planned.steps), query.read)
        if self._keep:
            self._candidates.setdefault(detection.rule.id, step)
        return step

    def _reason(
        self, detection: Detection, candidates: pl.DataFrame, thresholds: Thresholds
    ) -> list[Finding]:
        """Turn a detection's candidates into findings."""
        watched = _Watched(thresholds)
        found = list(detection.findings(candidates, cast(Thresholds, watched)))
        if self._keep:
            self._findings.setdefault(detection.rule.id, _Step(found, watched.read))
        return found

    @cached_property
    def _learned(self) -> Mapping[str, str]:
        """Address to host name, as the evidence tells."""
        return learn(self.engine.execute(sightings(self.tables["connections"], self.tables["messages"])))

    def cases(self, findings: Iterable[Finding], config: Config, *, quoted: bool = True) -> list[Case]:
        """Build the cases of findings; without quotes no evidence is read again."""
        found = list(findings)
        # An engine gives its rows in any order: which address of a host counts first must not hang on it.
        named = sorted(
            (finding.destination, finding.host)
            for finding in found
            if finding.kind == "door" and finding.destination and finding.host and not finding.uses
        )
        summaries = enumerate(self.workspace.summaries)
        return build(
            found,
            config,
            quotes=lambda pointers: self._quotes(pointers) if quoted else {},
            file_name=self._file_name,
            learned=addresses({**self._learned, **dict(named), **self._learned}),
            incomplete=frozenset(number for number, summary in summaries if summary.rate_limited),
            problems=self.problems,
        )

    def _quotes(self, pointers: Iterable[Pointer]) -> Mapping[tuple[int, int], str]:
        """Read what stands at some places of the evidence."""
        return quotes_of(self.engine, pointers) if self.engine.parts else quotes(self.workspace, pointers)

    def _file_name(self, pointer: Pointer) -> str:
        """Name the file that a row stands in."""
        if self.engine.parts:
            return file_name(self.engine.parts, pointer)
        return self.workspace.evidence[pointer.file].name
