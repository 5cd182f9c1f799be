"""An evaluation as a table for people: a row per view, and below it every miss on a line of its own."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from knockwatch.evaluation.verdicts import Evaluation, ViewEvaluation
from knockwatch.reports.escape import visible

COLUMNS = (
    ("opened", "opened doors of which an alert names source, time and destination"),
    ("lead", "opened doors that only a lead tells"),
    ("door", "found with the right service"),
    ("kind", "and with the right kind of signal"),
    ("entry", "and with the entry told"),
    ("secret", "sequence doors used more than once whose secret is exact"),
    ("signal\nonly", "openings whose entry the view lacks, told by a lead or alert"),
    ("failed", "failed attempts known as such"),
    ("false\nentry", "failed attempts said to have entered"),
    ("false\nalert", "alerts with an innocent source"),
    ("stray", "alerts about nothing that is labelled"),
)


def render_table(console: Console, evaluations: Iterable[Evaluation]) -> None:
    """Print one table a corpus, and its misses; in the end what the columns mean."""
    labelled = False
    for evaluation in evaluations:
        labelled |= evaluation.labelled
        console.print(Text(visible(str(evaluation.corpus)), style="bold"))
        if evaluation.labelled:
            console.print(_table(evaluation))
        for view in evaluation.views:
            _details(console, view, labelled=evaluation.labelled)
    if labelled:
        meanings = "; ".join(f"{title.replace(chr(10), ' ')}: {meaning}" for title, meaning in COLUMNS)
        console.print(Text(meanings + ".", style="dim"))


def _table(evaluation: Evaluation) -> Table:
    """Make the table of a labelled corpus; it fits 80 columns."""
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, padding=0)
    table.add_column("view", min_width=12)
    for title, _ in COLUMNS:
        table.add_column(title, justify="right", no_wrap=True)
    for view in evaluation.views:
        counts = view.counts
        table.add_row(
            Text(visible(view.view)),
            f"{counts['found']}/{counts['opened']}",
            str(counts["by_lead"]),
            str(counts["door_right"]),
            str(counts["signal_right"]),
            str(counts["entries_known"]),
            f"{counts['secrets_right']}/{counts['secrets']}",
            f"{counts['signals_only_known']}/{counts['signals_only']}",
            f"{counts['failed_known']}/{counts['failed']}",
            str(counts["false_entries"]),
            str(counts["false_alerts"]),
            str(counts["unexplained"]),
        )
    return table


def _details(console: Console, view: ViewEvaluation, *, labelled: bool) -> None:
    """Print what a view misses, one thing a line."""
    if view.problem:
        console.print(Text(f"{visible(view.view)}: {visible(view.problem)}"), soft_wrap=True)
        return
    if not labelled:
        line = f"no labels: {view.alerts} alerts, {view.leads} leads, {view.suppressed} suppressed"
        console.print(Text(line), soft_wrap=True)
        for stray in view.unexplained:
            console.print(Text(f"  alert: {visible(stray.what)}"), soft_wrap=True)
        return
    misses = view.misses
    if not misses:
        return
    console.print(Text(f"{visible(view.view)}:", style="bold"))
    for miss in misses:
        line = f"  {miss.what}: {miss.id} ({miss.title}): {miss.instead}"
        console.print(Text(visible(line)), soft_wrap=True)
