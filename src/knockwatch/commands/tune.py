"""`knockwatch tune`: what the site's own evidence says of its configuration."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from knockwatch.commands.console import output, say
from knockwatch.commands.listing import write_json
from knockwatch.commands.options import (
    cache_option,
    check_window,
    config_option,
    evidence_argument,
    examples,
    listing_option,
    memory_option,
    quiet_option,
    window_options,
)
from knockwatch.commands.progress import reading
from knockwatch.errors import UsageError

if TYPE_CHECKING:
    from knockwatch.cases import Case
    from knockwatch.config import Config
    from knockwatch.tuning import Proposal, Tuning
    from knockwatch.tuning.measure import Known


@click.command(
    epilog=examples(
        "knockwatch tune /var/log",
        "knockwatch tune logs/ --cases results/cases.jsonl",
        "knockwatch tune logs/ --config site.toml --write",
        "knockwatch tune logs/ --write --confirm 198.51.100.130",
    )
)
@evidence_argument
@click.option(
    "--cases",
    "cases_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Known cases, as scan wrote them: its alerts must not be lost.",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="A labelled corpus, as evaluate reads it: its openings must not be lost.",
)
@click.option("--write", "writes", is_flag=True, help="Add to the configuration what needs no answer.")
@click.option(
    "--confirm",
    "confirmed",
    multiple=True,
    metavar="ENTRY",
    help="With --write, also this one, whose question you answer with yes; may be repeated.",
)
@config_option
@window_options
@listing_option
@cache_option
@memory_option
@quiet_option
def command(
    *,
    evidence: tuple[str, ...],
    cases_file: Path | None,
    labels: Path | None,
    writes: bool,
    confirmed: tuple[str, ...],
    config_file: Path | None,
    since_us: int | None,
    until_us: int | None,
    form: str,
    cached: bool,
    memory_limit: str | None,
    quiet: bool,
) -> None:
    """Measure what thresholds and context would change on your own evidence.

    Every threshold that was used is tried lower and higher, one at a time. Entries of the context are proposed with
    their evidence: who checks services to the beat, who scans, who starts knock clients again and again. Whether a
    scanner is yours, or a user an administrator, is asked, never presumed. Nothing is written without --write.
    """
    from knockwatch.cache import Cache
    from knockwatch.config import FILE_NAME, load
    from knockwatch.engines.embedded import Engine
    from knockwatch.ingest import Workspace, ingest
    from knockwatch.investigation import Investigation
    from knockwatch.tuning import tune

    check_window(since_us, until_us)
    if cases_file and labels:
        raise UsageError("--cases and --labels both say which cases are known: give one of them")
    if confirmed and not writes:
        raise UsageError("--confirm answers what --write asks: give both")
    config = load(config_file)
    known = _known(cases_file, labels, config)
    with Workspace.temporary(Cache.of(config.cache) if cached else None) as workspace:
        with reading(evidence, quiet=quiet) as progress:
            ingest(evidence, config.evidence, workspace, progress, lean=True)
        problems = [*workspace.problems, *(f"{f.path}: {p}" for f in workspace.summaries for p in f.problems)]
        if not quiet and sys.stderr.isatty():
            say("Judging the evidence again with each threshold changed: some tens of times")
        with Engine(workspace, memory_limit=memory_limit, since_us=since_us, until_us=until_us) as engine:
            tuning = tune(Investigation(workspace, engine, keep=True), config, known)
    _show(tuning, form)
    for problem in problems:
        say(problem)
    if writes:
        _write(tuning, config_file or Path(FILE_NAME), confirmed, quiet=quiet)
    elif tuning.proposals and not quiet:
        say("Nothing was written: --write adds what asks nothing, --confirm ENTRY what you answer with yes.")


def _known(cases_file: Path | None, labels: Path | None, config: Config) -> Callable[[Sequence[Case]], Known]:
    """Find out which cases must not be lost."""
    from knockwatch.reports.machine import read_cases
    from knockwatch.tuning.measure import known_alerts, known_events

    if labels:
        events = known_events(labels, config)
        return lambda _: events
    if cases_file:
        with cases_file.open(encoding="utf-8") as stream:
            told = known_alerts(read_cases(stream, str(cases_file)), "cases")
        return lambda _: told
    return known_alerts


def _show(tuning: Tuning, form: str) -> None:
    """Write what was measured."""
    from knockwatch.reports.layout import console_for
    from knockwatch.tuning.render import render

    if form == "json":
        write_json(tuning.to_json())
        return
    with output():
        render(console_for(sys.stdout), tuning)


def _write(tuning: Tuning, path: Path, confirmed: Sequence[str], *, quiet: bool) -> None:
    """Add the proposals that ask nothing, and those that are confirmed, to the configuration."""
    from knockwatch.tuning.written import write

    proposed = {proposal.entry for proposal in tuning.proposals}
    if strangers := [entry for entry in confirmed if entry not in proposed]:
        raise UsageError(f"nothing proposes {', '.join(strangers)}: write it into [context] yourself")
    chosen: list[Proposal] = [
        one for one in tuning.proposals if one.question is None or one.entry in confirmed
    ]
    if chosen:
        write(path, chosen)
    if quiet:
        return
    say(f"Wrote {_enumerated(chosen)} to {path}." if chosen else "Nothing to write without a question.")
    if asked := [one for one in tuning.proposals if one not in chosen]:
        say(f"Not written, but asked: {_enumerated(asked)}.")


def _enumerated(proposals: Sequence[Proposal]) -> str:
    """Name proposals."""
    from knockwatch.cases.wording import enumerated

    return enumerated((f"{one.key} {one.entry}" for one in proposals), len(proposals))
