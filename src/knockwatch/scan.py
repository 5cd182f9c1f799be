"""The main job, for whoever calls it: evidence in, cases out."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal

import polars as pl

from knockwatch.cases import Case
from knockwatch.config import Config
from knockwatch.detections import Finding
from knockwatch.engines.embedded import Engine
from knockwatch.ingest import Progress, Workspace, ingest
from knockwatch.investigation import Investigation, plan
from knockwatch.specification import specification_findings, specification_union
from knockwatch.views import views

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
        Sentences on what could not be read at all.
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
        Bound on the engine's memory, as ``2GB``.
    progress
        Called with a file's name and the bytes read since the last call.

    Raises
    ------
    EvidenceError
        If nothing could be read.
    """
    config = config or Config()
    began = perf_counter()
    findings: list[Finding] = []
    with Engine(workspace, memory_limit=memory_limit, since_us=since_us, until_us=until_us) as engine:
        investigation = Investigation(workspace, engine)
        with ThreadPoolExecutor(max_workers=1) as beside:
            # Writing the queries takes a second of Python, of which reading evidence leaves plenty.
            planned = beside.submit(plan, config.thresholds) if rules == "all" else None
            ingest(arguments, config.evidence, workspace, progress, lean=rules == "all")
        parsed = perf_counter()
        if planned is None:
            table = engine.execute(specification_union(views(engine.tables())))
            findings += specification_findings(table)
        else:
            planned.result()
            findings += investigation.findings(config.thresholds)
            table = findings_table(findings)
        ruled = perf_counter()
        cases = investigation.cases(findings, config)
    seconds = {"evidence": parsed - began, "rules": ruled - parsed, "cases": perf_counter() - ruled}
    return Result(cases, table, workspace, list(workspace.problems), seconds)


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
