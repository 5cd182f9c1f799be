"""`knockwatch evaluate`: how good the detections are on labelled evidence."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from knockwatch.commands.console import output, say
from knockwatch.commands.listing import write_json
from knockwatch.commands.options import config_option, examples, listing_option, quiet_option


@click.command(
    epilog=examples(
        "knockwatch evaluate corpus/lab",
        "knockwatch evaluate corpus/lab --view 'server firewall' --format json",
    )
)
@click.argument(
    "corpora",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="CORPUS...",
)
@click.option("--view", "views", multiple=True, metavar="NAME", help="Judge this view only; may be repeated.")
@config_option
@listing_option
@quiet_option
def command(
    *,
    corpora: tuple[Path, ...],
    views: tuple[str, ...],
    config_file: Path | None,
    form: str,
    quiet: bool,
) -> None:
    """Judge the detections on labelled evidence.

    A CORPUS is a folder with labels.json; it is judged per view and on everything together. Of a folder without
    labels only the alerts are counted.
    """
    from knockwatch.config import load
    from knockwatch.evaluation import evaluate, render_table
    from knockwatch.reports.layout import wide_console_for

    config = load(config_file)
    evaluations = []
    for corpus in corpora:
        if not quiet and sys.stderr.isatty():
            say(f"Judging {corpus}")
        evaluations += evaluate([corpus], config, views=views or None)
    if form == "json":
        write_json([evaluation.to_json() for evaluation in evaluations])
        return
    with output():
        render_table(wide_console_for(sys.stdout), evaluations)
