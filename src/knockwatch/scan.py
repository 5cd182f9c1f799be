"""The main job, for whoever calls it: evidence in, cases out."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import polars as pl

from knockwatch.config import Config, Thresholds
from knockwatch.engines import memory_bytes
from knockwatch.ingest import Progress, Workspace, ingest

if TYPE_CHECKING:
    from knockwatch.cases import Case
    from knockwatch.detections import Finding
    from knockwatch.investigation import Investigation

RuleSet = Literal["all", "seed"]


@dataclass
class Result:
    """What a scan found.

    Parameters
    ----------
    cases
        Alerts, leads and suppressed cases, most urgent first.
    findings
        Every finding before cases; with the rule set ``seed`` the specification's union with its exact columns.
    workspace
        Tables and file summaries of what was read; still open.
    problems
        Sentences on what could not be read at all, and on what is left out.
    seconds
        How long the parts took: `evidence` (parsed), `rules` (all detections), `cases` (built and quoted).
    """

    cases: list[Case]
    findings: pl.DataFrame
    workspace: Workspace
    problems: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def scan(
    arguments: Iterable[str],
    workspace: Workspace,
    config: Config | None = None,
    *,
    rules: RuleSet = "all",
    since_us: int | None = None,
    until_us: int | None = None,
    memory_limit: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Read evidence, run the detections, build the cases.

    Parameters
    ----------
    arguments
        Files, folders, globs or ``-``.
    workspace
        Where tables are kept meanwhile; the caller closes it.
    config
        The site's configuration; None for the defaults.
    rules
        ``all`` for everything we know, ``seed`` for the specification to the letter.
    since_us, until_us
        Only what happened from, and before, these times (microseconds UTC).
    memory_limit
        Bound on the program's memory, as ``2GB``; None for 80 % of the machine's.
    progress
        Called with a file's name and the bytes read since the last call.

    Raises
    ------
    EvidenceError
        If nothing could be read.
    UsageError
        If the memory limit is none.
    """
    config = config or Config()
    began = perf_counter()
    if memory_limit is not None:
        memory_bytes(memory_limit)
    begun = Event()

    def told(name: str, size: int) -> None:
        begun.set()
        if progress:
            progress(name, size)

    with ThreadPoolExecutor(max_workers=1) as beside:
        prepared = beside.submit(_prepare, begun, config.thresholds if rules == "all" else None)
        try:
            ingest(arguments, config.evidence, workspace, told, lean=rules == "all")
        finally:
            begun.set()
    prepared.result()
    parsed = perf_counter()
    from knockwatch.engines.embedded import Engine
    from knockwatch.investigation import Investigation

    with Engine(workspace, memory_limit=memory_limit, since_us=since_us, until_us=until_us) as engine:
        investigation = Investigation(workspace, engine)
        findings, table = _found(investigation, config.thresholds, rules)
        ruled = perf_counter()
        cases = investigation.cases(findings, config)
    seconds = {"evidence": parsed - began, "rules": ruled - parsed, "cases": perf_counter() - ruled}
    return Result(cases, table, workspace, [*workspace.problems, *investigation.problems], seconds)


def _prepare(begun: Event, thresholds: Thresholds | None) -> None:
    """Load what detections need, and write their queries under some thresholds.

    That is Python's work for half a second or more, of which reading evidence leaves plenty once it has begun.
    """
    begun.wait()
    import ibis

    from knockwatch.investigation import plan

    # Ibis loads a backend when it is first named.
    _ = ibis.duckdb
    if thresholds:
        plan(thresholds)


def _found(
    investigation: Investigation, thresholds: Thresholds, rules: RuleSet
) -> tuple[list[Finding], pl.DataFrame]:
    """Run the detections: their findings, and what is written of them."""
    if rules == "all":
        findings = investigation.findings(thresholds)
        return findings, findings_table(findings)
    from knockwatch.specification import specification_findings, specification_union
    from knockwatch.views import views

    engine = investigation.engine
    table = engine.execute(specification_union(views(engine.tables())))
    return [*specification_findings(table)], table


def findings_table(findings: Iterable[Finding]) -> pl.DataFrame:
    """Write findings as a table, one row each; `evidence` lists ``file:line`` numbers."""
    rows = [
        {
            "rule": finding.rule,
            "label": finding.label,
            "kind": finding.kind,
            "leg": finding.leg,
            "start_us": finding.start_us,
            "end_us": finding.end_us,
            "sources": list(finding.sources),
            "destination": finding.destination,
            "host": finding.host,
            "door": finding.door,
            "door_name": finding.door_name,
            "sequence": list(finding.sequence),
            "order_known": finding.order_known,
            "complete": finding.complete,
            "conclusive": finding.conclusive,
            "user": finding.user,
            "command_line": finding.command_line,
            "note": finding.note,
            "evidence": [f"{pointer.file}:{pointer.line}" for pointer in finding.pointers],
        }
        for finding in findings
    ]
    return pl.DataFrame(rows, schema=_FINDING_COLUMNS)


_FINDING_COLUMNS: dict[str, pl.DataType] = {
    "rule": pl.String(),
    "label": pl.String(),
    "kind": pl.String(),
    "leg": pl.String(),
    "start_us": pl.Int64(),
    "end_us": pl.Int64(),
    "sources": pl.List(pl.String()),
    "destination": pl.String(),
    "host": pl.String(),
    "door": pl.String(),
    "door_name": pl.String(),
    "sequence": pl.List(pl.String()),
    "order_known": pl.Boolean(),
    "complete": pl.Boolean(),
    "conclusive": pl.Boolean(),
    "user": pl.String(),
    "command_line": pl.String(),
    "note": pl.String(),
    "evidence": pl.List(pl.String()),
}
