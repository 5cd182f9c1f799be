"""`knockwatch scan`: evidence in, cases out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from knockwatch.commands.console import output, say
from knockwatch.commands.options import (
    cache_option,
    check_window,
    config_option,
    engine_options,
    examples,
    memory_option,
    quiet_option,
    window_options,
)
from knockwatch.commands.progress import reading
from knockwatch.errors import UsageError
from knockwatch.reports import FORMATS, LEVELS, Report, select, writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from knockwatch.cases import Case, Confidence, Status
    from knockwatch.scan import RuleSet

MET = 3
"""Exit status when `--fail-on` found what it was told to."""


@click.command(
    epilog=examples(
        "knockwatch scan /var/log",
        "knockwatch scan 'logs/**/*.gz' --since 7d --show-leads",
        "journalctl -o json | knockwatch scan -",
        "knockwatch scan evidence/ --format jsonl --out results/",
        "knockwatch scan firewall.log --rules seed",
        "knockwatch scan --table CommonSecurityLog='export/*.parquet'",
        "knockwatch scan --engine spark://host:7077 --table connections=lake.net",
        "knockwatch scan /var/log --quiet --fail-on high || mail-the-team",
    )
)
@click.argument("evidence", nargs=-1, type=click.Path(allow_dash=True), metavar="EVIDENCE...")
@engine_options
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default="table",
    metavar="FORMAT",
    show_default=True,
    help=f"How cases are written: {', '.join(list(FORMATS)[:-1])} or {list(FORMATS)[-1]}.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also write cases.jsonl (every case), findings.parquet, summary.json and report.html there.",
)
@config_option
@window_options
@click.option(
    "--min-confidence",
    type=click.Choice(LEVELS[:3]),
    default="low",
    metavar="LEVEL",
    help="Leave out cases of less confidence than low (all are shown), medium or high.",
)
@click.option("--show-leads", is_flag=True, help="Show leads too: not worth waking anyone for.")
@click.option("--show-suppressed", is_flag=True, help="Show what the configuration explains.")
@click.option(
    "--rules",
    type=click.Choice(["all", "seed"]),
    default="all",
    metavar="SET",
    show_default=True,
    help="all, or seed: the three branches that everyone starts from, to the letter.",
)
@click.option(
    "--fail-on",
    type=click.Choice(LEVELS),
    metavar="LEVEL",
    help="Exit with status 3 if an alert is at least low, medium, high or critical.",
)
@cache_option
@memory_option
@quiet_option
def command(
    *,
    evidence: tuple[str, ...],
    engine: str | None,
    tables: tuple[tuple[str, str], ...],
    lake: str | None,
    form: str,
    out: Path | None,
    config_file: Path | None,
    since_us: int | None,
    until_us: int | None,
    min_confidence: Confidence,
    show_leads: bool,
    show_suppressed: bool,
    rules: RuleSet,
    fail_on: str | None,
    cached: bool,
    memory_limit: str | None,
    quiet: bool,
) -> None:
    """Find port knocking in evidence: the main job.

    EVIDENCE is files, folders, globs or - for standard input. Formats and compressions are told from the
    content. Instead of them --table, --lake and --engine name tables, which are read where they are: only what may
    be a case is fetched. Cases go to standard output, everything else to standard error. An alert is shown with its
    explanation; leads and suppressed cases are counted.
    """
    from knockwatch.cache import Cache
    from knockwatch.clock import rfc3339
    from knockwatch.config import load
    from knockwatch.engines.given import Given
    from knockwatch.ingest import Workspace
    from knockwatch.reports.folder import write_folder
    from knockwatch.reports.summary import summarise
    from knockwatch.scan import scan, scan_tables

    check_window(since_us, until_us)
    check_asked(evidence, engine=engine, tables=bool(tables), lake=lake, rules=rules)
    config = load(config_file)
    asked: dict[str, Any] = {
        "evidence": evidence,
        "config": str(config_file) if config_file else None,
        "rules": rules,
        "since": rfc3339(since_us),
        "until": rfc3339(until_us),
    }
    with Workspace.temporary(Cache.of(config.cache) if cached and evidence else None) as workspace:
        if evidence:
            with reading(evidence, quiet=quiet) as progress:
                result = scan(
                    evidence,
                    workspace,
                    config,
                    rules=rules,
                    since_us=since_us,
                    until_us=until_us,
                    memory_limit=memory_limit,
                    progress=progress,
                )
        else:
            asked |= {"engine": engine, "tables": ["=".join(pair) for pair in tables], "lake": lake}
            result = scan_tables(
                Given(tables, lake, config.tables),
                workspace,
                config,
                url=engine,
                since_us=since_us,
                until_us=until_us,
                memory_limit=memory_limit,
            )
        summary = summarise(result, asked)
        written = write_folder(result, summary, out) if out else []
    statuses: dict[Status, bool] = {"alert": True, "lead": show_leads, "suppressed": show_suppressed}
    chosen = [status for status, wanted in statuses.items() if wanted]
    cases, hidden = select(result.cases, chosen, min_confidence)
    write_report(Report(cases, summary, hidden, quiet), form)
    if written and not quiet:
        say(f"Wrote {', '.join(path.name for path in written)} to {out}")
    if fail_on and is_met(cases, fail_on):
        raise click.exceptions.Exit(MET)


def check_asked(
    evidence: Sequence[str], *, engine: str | None, tables: bool, lake: str | None, rules: RuleSet
) -> None:
    """Refuse to read evidence and tables at once, or neither."""
    if evidence and (engine or tables or lake):
        raise UsageError("either evidence or tables: --engine, --table and --lake read no files of evidence")
    if not evidence and not (engine or tables or lake):
        raise UsageError("there is nothing to scan: name some evidence, or tables by --table")
    if not evidence and rules == "seed":
        raise UsageError("--rules seed runs on evidence alone: a lake runs the query itself")


def write_report(report: Report, form: str) -> None:
    """Write the cases, and beside a format for programs the closing words in a line."""
    write = writer(form)
    with output():
        write(report, sys.stdout)
    if form != "table" and not report.quiet:
        from knockwatch.reports.closing import brief

        say(brief(report))


def is_met(cases: Iterable[Case], level: str) -> bool:
    """Tell whether there is an alert of at least a severity."""
    least = LEVELS.index(level)
    return any(case.status == "alert" and LEVELS.index(case.severity) >= least for case in cases)
