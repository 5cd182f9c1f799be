"""`knockwatch hunt`: hunting queries in KQL, listed, shown, and run on local evidence."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from knockwatch.commands.console import say
from knockwatch.commands.listing import write_entry, write_line, write_list
from knockwatch.commands.options import (
    cache_option,
    check_window,
    config_option,
    examples,
    memory_option,
    quiet_option,
    window_options,
)
from knockwatch.commands.progress import reading
from knockwatch.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from knockwatch.config import Config
    from knockwatch.hunting import Hunt

_SUFFIX = ".kql"


@click.command(
    epilog=examples(
        "knockwatch hunt",
        "knockwatch hunt denied-then-accepted",
        "knockwatch hunt denied-then-accepted /var/log",
        "knockwatch hunt --format jsonl mine.kql evidence/ | jq .SourceIP",
    )
)
@click.argument("name", required=False, metavar="[NAME|FILE.kql]")
@click.argument("evidence", nargs=-1, type=click.Path(allow_dash=True), metavar="EVIDENCE...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "jsonl", "csv"]),
    metavar="FORMAT",
    default="table",
    help="table, json, jsonl or csv.",
)
@config_option
@window_options
@cache_option
@memory_option
@quiet_option
def command(
    *,
    name: str | None,
    evidence: tuple[str, ...],
    form: str,
    config_file: Path | None,
    since_us: int | None,
    until_us: int | None,
    cached: bool,
    memory_limit: str | None,
    quiet: bool,
) -> None:
    """Run a hunting query on local evidence; without evidence, show it; without a name, list all.

    A query is one that comes with knockwatch or a file in KQL. It asks Syslog, CommonSecurityLog and
    DeviceProcessEvents as Microsoft Sentinel and Defender have them, and runs there as it stands. The configuration's
    thresholds and context go into the queries that come with knockwatch, not into a file.
    """
    from knockwatch.config import load

    if name is None:
        _list(form)
        return
    check_window(since_us, until_us)
    config = load(config_file)
    text, hunt = _query(name, config)
    if not evidence:
        _show(name, text, hunt, form)
        return
    from knockwatch.cache import Cache
    from knockwatch.hunting.run import run_kql
    from knockwatch.ingest import Workspace, ingest

    with Workspace.temporary(Cache.of(config.cache) if cached else None) as workspace:
        with reading(evidence, quiet=quiet) as progress:
            ingest(evidence, config.evidence, workspace, progress)
        rows = run_kql(text, name, workspace, memory_limit=memory_limit, since_us=since_us, until_us=until_us)
        problems = [*workspace.problems, *(f"{f.path}: {p}" for f in workspace.summaries for p in f.problems)]
    for problem in problems:
        say(problem)
    _write(rows, form, hunt, quiet=quiet)


def _query(name: str, config: Config) -> tuple[str, Hunt | None]:
    """Find a query by its name, with the site's values in it, or read it from a file."""
    from knockwatch.hunting import HuntError, hunts
    from knockwatch.hunting.site import fitted

    if name.endswith(_SUFFIX):
        try:
            return Path(name).read_text("utf-8-sig"), None
        except OSError as error:
            raise HuntError(f"cannot be read ({error.strerror})", path=name) from error
        except UnicodeDecodeError as error:
            raise HuntError(f"is no UTF-8 text: {error.reason}", path=name) from error
    known = hunts()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else "`knockwatch hunt` lists them all"
        raise UsageError(f"no hunt {name!r}: {hint}; a query of your own is a file that ends in {_SUFFIX}")
    hunt = fitted(known[name], config)
    return hunt.text, hunt


def _list(form: str) -> None:
    """List the hunts."""
    from knockwatch.hunting import hunts
    from knockwatch.reports.rows import write_rows

    known = hunts().values()
    if form == "table":
        rows = [(hunt.id, ", ".join(hunt.tables), hunt.title) for hunt in known]
        write_list(("name", "asks", "finds"), rows)
        return
    columns = (
        "id",
        "title",
        "tables",
        "attack",
        "cases",
        "rules",
        "legs",
        "hypothesis",
        "data",
        "reading",
        "lost",
    )
    write_rows(columns, [[getattr(hunt, column) for column in columns] for hunt in known], form)


def _show(name: str, text: str, hunt: Hunt | None, form: str) -> None:
    """Show a hunt: what it is for, then the KQL, or the bare text for another program."""
    from knockwatch.reports.rows import write_text

    if hunt is None:
        raise UsageError(f"{name} needs evidence to run on: files, folders, globs or -")
    if form == "table":
        write_entry(
            f"{hunt.id}: {hunt.title}",
            [
                ("Hypothesis", [hunt.hypothesis]),
                ("Data", [hunt.data]),
                ("Reading", [hunt.reading]),
                ("Lost", [hunt.lost]),
                ("Legs", [", ".join(hunt.legs) or "none"]),
                ("ATT&CK", [", ".join(hunt.attack)]),
                ("Cases", [", ".join(hunt.cases)]),
                ("Rules", [", ".join(hunt.rules)]),
                (
                    "Tunables",
                    [
                        f"{one.name} = {one.value}: {one.meaning}"
                        for one in hunt.tunables
                        if one.source is None or one.source.startswith("thresholds")
                    ],
                ),
            ],
        )
        write_line("")
        write_text(hunt.query)
        return
    write_text(text)


def _write(rows: pl.DataFrame, form: str, hunt: Hunt | None, *, quiet: bool) -> None:
    """Write what a query found."""
    from knockwatch.reports.rows import write_rows

    write_rows(rows.columns, rows.iter_rows(), form)
    if quiet:
        return
    say(f"{rows.height:,} {'row' if rows.height == 1 else 'rows'}.")
    if hunt is not None and rows.height:
        say(f"How to read them: {hunt.reading}")
    elif hunt is not None:
        say(f"It needs: {hunt.data}")
