"""Cases as Markdown: one as a ticket, with what to do about it, or all that were found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TextIO

from knockwatch.cases import LEGS, Attempt, Case, Entry, Quote
from knockwatch.guidance import guidance
from knockwatch.reports import Report
from knockwatch.reports.escape import Markdown, code_span, plain_words
from knockwatch.reports.words import Glyphs, moment, plural, route, title, when

USES_SHOWN = 20
"""Attempts and entries listed; a door in daily use has thousands."""
QUOTE_SHOWN = 1000
"""Characters of a quoted line: a ticket is no archive."""
_COMPLETE = {True: "complete", False: "incomplete", None: "not known to be complete"}
_ENTERED = {True: "succeeded", False: "failed", None: "not known to have succeeded"}


def write_markdown(report: Report, stream: TextIO) -> None:
    """Write all cases, each as a ticket; only alerts carry their playbook and guide in full."""
    stream.write(f"# knockwatch: {plural(len(report.cases), 'case')}\n")
    for case in report.cases:
        stream.write("\n")
        write_ticket(case, stream, full=case.status == "alert")


def write_ticket(case: Case, stream: TextIO, *, full: bool = True) -> None:
    """Write one case as a ticket, with its playbook, guide and related detections or only their names."""
    stream.write("\n".join(_ticket(case)) + "\n")
    if full:
        stream.write("\n" + guidance(case).whole)


def _ticket(case: Case) -> Iterator[str]:
    """Write what the case says, line by line."""
    glyphs = Glyphs()
    heading = " ".join(filter(None, title(case, glyphs)))
    yield f"# {_sentence(heading)}"
    yield ""
    yield f"- Case: {code_span(case.id)}, {case.status}, severity {case.severity}, confidence {case.confidence}"
    yield f"- Score: {case.score} of 100"
    if acted := route(case, glyphs):
        yield f"- Who: {plain_words(acted)}"
    yield f"- When: {plain_words(when(case, glyphs))}"
    yield f"- Legs: {', '.join(f'{leg} {_seen(leg in case.legs)}' for leg in LEGS)}"
    if case.suppressed_by:
        yield f"- Suppressed by: {plain_words(case.suppressed_by)}"
    yield f"- Rules: {_codes(case.rules)}; ATT&CK: {_codes(case.attack)}"
    names = [case.playbook, case.guide, *case.hunts]
    yield f"- Playbook, guide, hunts: {_codes(name for name in names if name)}"
    yield from _section("What happened", map(plain_words, case.explanation))
    yield from _section("Attempts", _few(map(_attempt, case.attempts)))
    yield from _section("Entries", _few(map(_entry, case.entries)))
    yield from _section("Score", (_part(part.get("part"), part.get("points")) for part in case.score_parts))
    yield from _section("What else it could be", map(plain_words, case.innocent_explanations))
    yield from _section("What would settle it", map(plain_words, case.missing))
    yield from _section("Evidence", map(_quote, case.evidence))


def _section(heading: str, items: Iterable[str]) -> Iterator[str]:
    """Write a list under a heading; nothing where it is empty."""
    told = list(items)
    if told:
        yield from ("", f"## {heading}", "", *(f"- {item}" for item in told))


def _few(items: Iterable[str]) -> list[str]:
    """Keep the first uses and count the rest."""
    told = list(items)
    left = len(told) - USES_SHOWN
    return [*told[:USES_SHOWN], f"and {left:,} more"] if left > 0 else told


def _sentence(text: str) -> Markdown:
    """Let a heading begin with a capital."""
    return plain_words(text[:1].upper() + text[1:])


def _seen(present: bool) -> str:  # noqa: FBT001
    """Say whether a leg was seen."""
    return "seen" if present else "not seen"


def _codes(texts: Iterable[str]) -> str:
    """List names."""
    return ", ".join(map(code_span, texts)) or "none"


def _attempt(attempt: Attempt) -> str:
    """Write one attempt."""
    sent = " → ".join(attempt.sent) or "a signal that the evidence does not show"
    return f"{_at(attempt.start)}, {code_span(attempt.source)} sent {plain_words(sent)} ({_COMPLETE[attempt.complete]})"


def _entry(entry: Entry) -> str:
    """Write one entry."""
    user = f" as {code_span(entry.user)}" if entry.user else ""
    return f"{_at(entry.start)}, {code_span(entry.source)} entered{user} ({_ENTERED[entry.complete]})"


def _part(words: object, points: object) -> str:
    """Write one part of the score."""
    return f"{plain_words(str(points))}: {plain_words(str(words))}"


def _at(time: str | None) -> str:
    """Write a time, or that it is unknown."""
    return f"{plain_words(moment(time))} UTC" if time else "At an unknown time"


def _quote(quote: Quote) -> str:
    """Write one line of evidence with its place."""
    text = quote.text[:QUOTE_SHOWN]
    more = f" … ({len(quote.text) - QUOTE_SHOWN:,} characters more)" if len(quote.text) > QUOTE_SHOWN else ""
    place = f"{quote.file}:{quote.line}"
    return f"{code_span(quote.leg or quote.table)}, {code_span(place)}: {code_span(text)}{more}"
