"""The table: cases for people, in 80 columns, with colours on a terminal only."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.text import Text

from knockwatch.cases import Case
from knockwatch.reports import Report
from knockwatch.reports.closing import write_closing
from knockwatch.reports.escape import visible
from knockwatch.reports.layout import GUTTER, block, console_for, cut, indented, put, wrapped
from knockwatch.reports.words import Glyphs, legs, route, title, when

EXPLANATION_LINES = {"alert": 4, "lead": 2}
"""Lines of explanation by status; a suppressed case is explained by what suppressed it."""
ID_SHOWN = 8
"""Characters of a case's id; `knockwatch explain` takes any beginning that is unique."""

STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}


def write_table(report: Report, stream: TextIO) -> None:
    """Write the cases as people read them, then what was read and what was left out."""
    console, glyphs = console_for(stream), Glyphs.for_stream(stream)
    _branches(console, report)
    for case in report.cases:
        _case(console, case, glyphs)
    if not report.quiet:
        write_closing(console, report, glyphs)


def _branches(console: Console, report: Report) -> None:
    """Print how many rows each branch of the specification has, where it was asked for."""
    if report.summary["asked"].get("rules") != "seed":
        return
    branches = report.summary["branches"]
    put(console, Text(f"The specification's rows: {sum(branches.values()):,}", "bold"))
    for branch, rows in branches.items():
        put(console, f"  {rows:>9,}  {visible(branch)}")
    put(console, "")


def _case(console: Console, case: Case, glyphs: Glyphs) -> None:
    """Print one case: alerts with their explanation, leads and suppressed cases in brief."""
    alert = case.status == "alert"
    gutter = Text(f"{case.severity if alert else case.status:<10}"[:10])
    gutter.append(f" {case.score:>3}  ")
    gutter.stylize(STYLES[case.severity] if alert else "dim")
    kind, about = title(case, glyphs)
    body = Text.assemble((kind, "bold" if alert else ""), f" {about}" if about else "")
    block(console, gutter, body, Text(visible(case.id[:ID_SHOWN]), "dim"))
    if acted := route(case, glyphs):
        indented(console, Text(acted), GUTTER)
    times, marks = when(case, glyphs), legs(case, glyphs)
    if GUTTER + len(times) + 2 + len(marks) > console.width:
        times, marks = "", f"{times}\n{marks}"
    indented(console, Text(f"{times}  {marks}".strip(), "dim"), GUTTER)
    if case.explanation and case.status in EXPLANATION_LINES:
        _explanation(console, case, glyphs)
    if case.suppressed_by:
        indented(console, Text(f"suppressed by {visible(case.suppressed_by)}"), GUTTER)
    put(console, "")


def _explanation(console: Console, case: Case, glyphs: Glyphs) -> None:
    """Print as many whole sentences as fit a few lines; at least the first, cut if need be."""
    sentences = [visible(sentence) for sentence in case.explanation]
    width, most = console.width - GUTTER, EXPLANATION_LINES[case.status]
    for count in range(len(sentences), 0, -1):
        left = f" {glyphs.more}" if count < len(sentences) else ""
        lines = wrapped(Text(" ".join(sentences[:count]) + left), width)
        if len(lines) <= most:
            break
    if len(lines) > most:
        lines = [*lines[: most - 1], cut(lines[most - 1], width, glyphs.more)]
    put(console, *(Text(" " * GUTTER) + line for line in lines))
