"""The main job, for whoever calls it: evidence in, cases out."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from knockwatch.clock import rfc3339
from knockwatch.config import Config, Thresholds
from knockwatch.engines import memory_bytes
from knockwatch.ingest import FileSummary, Progress, Workspace, ingest

if TYPE_CHECKING:
    from knockwatch.cases import Case
    from knockwatch.detections import Finding
    from knockwatch.engines.embedded import Engine
    from knockwatch.engines.given import Given, Part
    from knockwatch.engines.remote import Remote
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
        if rules == "all":
            findings = investigation.findings(config.thresholds)
            return _concluded(investigation, config, findings, findings_table(findings), began, parsed)
        from knockwatch.specification import specification_findings, specification_union
        from knockwatch.views import views

        table = engine.execute(specification_union(views(engine.tables())))
        return _concluded(investigation, config, specification_findings(table), table, began, parsed)


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


def scan_tables(
    given: Given,
    workspace: Workspace,
    config: Config | None = None,
    *,
    url: str | None = None,
    since_us: int | None = None,
    until_us: int | None = None,
    memory_limit: str | None = None,
) -> Result:
    """Run the detections where tables are, and build the cases from the candidates that come back.

    Parameters
    ----------
    given
        The tables.
    workspace
        An empty one, for what the embedded engine spills and for what is told of the tables.
    config
        The site's configuration; None for the defaults.
    url
        Of the engine; None for the embedded one, which reads Parquet.
    since_us, until_us
        Only what happened from, and before, these times (microseconds UTC).
    memory_limit
        Bound on the embedded engine's memory, as ``2GB``.

    Raises
    ------
    ConfigError, EvidenceError, UsageError
        If a table or the engine is not there, or the table's columns are none that are known.
    """
    from knockwatch.investigation import Investigation

    config = config or Config()
    began = perf_counter()
    with _engine(url, given, workspace, memory_limit, since_us, until_us) as engine:
        workspace.summaries += [_counted(engine, part) for part in engine.parts]
        counted = perf_counter()
        investigation = Investigation(workspace, engine)
        findings = investigation.findings(config.thresholds)
        return _concluded(investigation, config, findings, findings_table(findings), began, counted)


def _engine(
    url: str | None,
    given: Given,
    workspace: Workspace,
    memory_limit: str | None,
    since_us: int | None,
    until_us: int | None,
) -> Engine | Remote:
    """Open the engine that tables are in."""
    from knockwatch.engines.embedded import Engine
    from knockwatch.engines.queries import DUCKDB
    from knockwatch.engines.remote import connect

    if url is None or url.partition(":")[0] == DUCKDB.name:
        return Engine(workspace, given=given, memory_limit=memory_limit, since_us=since_us, until_us=until_us)
    return connect(url, given, since_us=since_us, until_us=until_us)


def _counted(engine: Engine | Remote, part: Part) -> FileSummary:
    """Count the rows of a table, and say of which time they are."""
    time: Any = part.rows.time_us
    told = part.rows.agg(rows=part.rows.count(), first=time.min(), last=time.max())
    [row] = engine.execute(told).iter_rows(named=True)
    return FileSummary(
        part.source,
        part.shape,
        1.0,
        lines=row["rows"],
        rows={part.canonical: row["rows"]},
        first_time=rfc3339(row["first"]),
        last_time=rfc3339(row["last"]),
    )


def _concluded(
    investigation: Investigation,
    config: Config,
    findings: Iterable[Finding],
    table: pl.DataFrame,
    began: float,
    parsed: float,
) -> Result:
    """Build the cases of what the rules, which have just ended, found."""
    ruled = perf_counter()
    cases = investigation.cases(findings, config)
    seconds = {"evidence": parsed - began, "rules": ruled - parsed, "cases": perf_counter() - ruled}
    workspace = investigation.workspace
    return Result(cases, table, workspace, [*workspace.problems, *investigation.problems], seconds)


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
