"""One case in prose: what happened, why it is believed, what else it could be, the evidence, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from knockwatch.cases import Attempt, Case, Entry
from knockwatch.guidance import guidance
from knockwatch.reports.escape import visible
from knockwatch.reports.layout import block, console_for, indented, put
from knockwatch.reports.words import SIGNALS, Glyphs, legs, moment, only_tries, route, title, when

BULLET = "  - "
_ITEM = re.compile(r"(?:-|\d+\.) ")
USES_SHOWN = 20
"""Attempts and entries listed; a door in daily use has thousands."""


def write_prose(case: Case, stream: TextIO) -> None:
    """Write a case for someone who has to decide about it."""
    console, glyphs = console_for(stream), Glyphs.for_stream(stream)
    _heading(console, case, glyphs)
    _section(console, "What happened", case.explanation)
    _section(console, "Attempts", _uses(_attempt(attempt, case, glyphs) for attempt in case.attempts))
    _section(console, "Entries", _uses(_entry(entry) for entry in case.entries))
    _section(console, f"Why the score is {case.score}", (_score_part(part) for part in case.score_parts))
    _section(console, "What else it could be", case.innocent_explanations)
    _section(console, "What would settle it", case.missing)
    _evidence(console, case)
    rules, techniques = ", ".join(case.rules) or "none", ", ".join(case.attack) or "none"
    _section(console, "Rules and techniques", [f"rules {rules}; ATT&CK {techniques}"])


def write_guidance(case: Case, stream: TextIO) -> None:
    """Write what to do about a case: its playbook, guide and related techniques, with commands indented and whole."""
    console = console_for(stream)
    put(console, "")
    command = False
    for line in guidance(case).whole.splitlines():
        if line.startswith("```"):
            command = not command
        elif command or line.startswith("|"):
            put(console, f"    {line}" if command else line)
        else:
            item = _ITEM.match(line)
            mark = f"  {item[0]}" if item else ""
            block(
                console,
                Text(mark),
                Text(line[item.end() :] if item else line, "bold" if line[:1] == "#" else ""),
            )


def _heading(console: Console, case: Case, glyphs: Glyphs) -> None:
    """Print what the case is about and how sure it is."""
    heading = " ".join(filter(None, title(case, glyphs)))
    block(console, Text(""), Text(heading[:1].upper() + heading[1:], "bold", end=""))
    if acted := route(case, glyphs):
        indented(console, Text(acted), 0)
    indented(console, Text(when(case, glyphs)), 0)
    indented(console, Text(legs(case, glyphs)), 0)
    verdict = (
        f"{case.status}, severity {case.severity}, confidence {case.confidence}, score {case.score} of 100"
    )
    if case.signal and not only_tries(case):
        verdict += f"; signal: {SIGNALS[case.signal]}"
    if case.lateral:
        verdict += "; between hosts of the site"
    indented(console, Text(f"case {visible(case.id)}: {verdict}"), 0)
    if case.suppressed_by:
        indented(console, Text(f"suppressed by {visible(case.suppressed_by)}"), 0)


def _section(console: Console, title: str, lines: Iterable[str]) -> None:
    """Print a titled list; nothing where it is empty."""
    told = [visible(line) for line in lines]
    if not told:
        return
    put(console, "", Text(title, "bold"))
    for line in told:
        block(console, Text(BULLET), Text(line))


def _uses(lines: Iterable[str]) -> list[str]:
    """Keep the first uses and count the rest."""
    told = list(lines)
    left = len(told) - USES_SHOWN
    return [*told[:USES_SHOWN], f"and {left:,} more"] if left > 0 else told


def _attempt(attempt: Attempt, case: Case, glyphs: Glyphs) -> str:
    """Write one attempt."""
    if only_tries(case):
        after = f" after it had sent {f' {glyphs.arrow} '.join(attempt.sent)}" if attempt.sent else ""
        return f"{_at(attempt.start)}, {attempt.source} tried {case.door}{after}"
    words = {True: "complete", False: "incomplete", None: "not known to be complete"}
    unseen = "a sequence that the evidence does not show"
    signal = SIGNALS[case.signal] if case.signal and case.signal != "sequence" else unseen
    sent = f" {glyphs.arrow} ".join(attempt.sent) or signal
    return f"{_at(attempt.start)}, {attempt.source} sent {sent} ({words[attempt.complete]})"


def _entry(entry: Entry) -> str:
    """Write one entry."""
    words = {True: "succeeded", False: "failed", None: "not known to have succeeded"}
    user = f" as {entry.user}" if entry.user else ""
    return f"{_at(entry.start)}, {entry.source} entered{user} ({words[entry.complete]})"


def _at(time: str | None) -> str:
    """Write a time, or that it is unknown."""
    return f"{moment(time)} UTC" if time else "At an unknown time"


def _score_part(part: Mapping[str, Any]) -> str:
    """Write one part of the score."""
    return f"{part.get('points')}: {part.get('part')}"


def _evidence(console: Console, case: Case) -> None:
    """Quote the lines of evidence, each below its place."""
    put(console, "", Text("Evidence", "bold"))
    for quote in case.evidence:
        place = f"{quote.leg or quote.table}, {visible(quote.file)}:{quote.line}"
        block(console, Text(BULLET), Text(place))
        indented(console, Text(visible(quote.text), "dim"), len(BULLET))
    if not case.evidence:
        block(console, Text(BULLET), Text("no line is quoted"))
