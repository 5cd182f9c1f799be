"""What tuning measured, for people: what is, what the context could say, what each threshold would change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from knockwatch.cases.wording import enumerated
from knockwatch.reports.escape import visible
from knockwatch.reports.layout import GUTTER, block, put
from knockwatch.tuning import Tuning
from knockwatch.tuning.measure import Change, Known, Span
from knockwatch.tuning.proposals import Proposal

ID_SHOWN = 8
"""Characters of a case's id, as cases on a terminal show it."""


def render(console: Console, tuning: Tuning) -> None:
    """Print a tuning in the columns of a console."""
    _heading(console, tuning)
    put(console, "", Text("Context", "bold"))
    for proposal in tuning.proposals:
        _proposal(console, proposal, tuning)
    if not tuning.proposals:
        put(console, "No source stands out as a monitor, a scanner or an administrator.")
    if tuning.left_out:
        _line(console, f"{tuning.left_out} more were seen less often and are not asked about.")
    put(console, "", Text("Thresholds, one changed at a time", "bold"))
    for trial in tuning.trials:
        body = f"{trial.name} = {trial.tried:g} (now {trial.value:g}): "
        block(console, Text(""), Text(visible(body + change_words(trial.change, tuning))))
    for names, what in (
        (tuning.unchanged, "Lower and higher values of these change nothing here"),
        (tuning.unused, "Not used on this evidence"),
    ):
        if names:
            put(console, "")
            _line(console, f"{what}: {', '.join(names)}.")
    put(console, "")
    _line(
        console,
        "Numbers are of this evidence alone. Fewer leads are not better by themselves: a threshold that "
        "shows less hides the knock it was not measured on.",
    )


def change_words(change: Change, tuning: Tuning) -> str:
    """Say in words what changes."""
    parts = []
    if change.gone:
        parts.append(f"{_count(len(change.gone), 'alert')} fewer ({_short(change.gone)})")
    if change.gained:
        parts.append(f"{_count(len(change.gained), 'alert')} more ({_short(change.gained)})")
    if change.leads:
        many = abs(change.leads)
        daily = tuning.span.a_day(many)
        a_day = "" if daily is None else f", {daily:g} a day"
        parts.append(f"{_count(many, 'lead')} {'more' if change.leads > 0 else 'fewer'}{a_day}")
    if change.lost:
        parts.append(f"known cases lost: {_known_names(change.lost, tuning.known)}")
    if change.found:
        parts.append(f"known cases found: {_known_names(change.found, tuning.known)}")
    if not parts:
        return "only what is suppressed changes" if change.any else "changes no case of this evidence"
    return "; ".join(parts)


def _heading(console: Console, tuning: Tuning) -> None:
    """Say what was measured, and what it gives now."""
    span, now, known = tuning.span, tuning.now, tuning.known
    _entry(console, "Evidence", _span_words(span))
    counts = f"{_count(len(now.alerts), 'alert')}, {_count(now.leads, 'lead')}, {now.suppressed} suppressed"
    if span.is_daily:
        counts += f": {span.a_day(len(now.alerts)):g} alerts and {span.a_day(now.leads):g} leads a day"
    _entry(console, "Now", counts)
    if known.origin == "alerts":
        words = "the alerts of now: nobody said which are true (--cases, --labels)"
    else:
        missing = sorted(known.names - now.told)
        words = f"{_count(len(known.names), 'case')} from {known.origin}; "
        words += f"not told now: {_known_names(missing, known)}" if missing else "all of them told now"
    _entry(console, "Known", words)


def _span_words(span: Span) -> str:
    """Say what time the evidence covers."""
    shown = span.to_json()
    if span.first_us is None:
        return "tells no time"
    times = " to ".join(str(shown[key])[:16].replace("T", " ") for key in ("first_time", "last_time"))
    if span.is_daily:
        return f"{times} UTC, {_count(span.days, 'day')} with records"
    return f"{times} UTC: less than a day, so no numbers a day"


def _proposal(console: Console, proposal: Proposal, tuning: Tuning) -> None:
    """Print one proposed entry."""
    words = f"{proposal.entry} {proposal.sentence}"
    _entry(console, proposal.key, words)
    _entry(console, "", f"Effect: {change_words(proposal.change, tuning)}.")
    if proposal.evidence:
        _entry(console, "", f"Evidence: {enumerated(proposal.evidence)}")
    if proposal.question:
        _entry(console, "", f"Ask: {proposal.question}")


def _entry(console: Console, name: str, words: str) -> None:
    """Print words beside their name."""
    block(console, Text(f"{name:<{GUTTER}}", "bold"), Text(visible(words)))


def _line(console: Console, words: str) -> None:
    """Print a sentence."""
    block(console, Text(""), Text(visible(words)))


def _known_names(names: Sequence[str], known: Known) -> str:
    """Name known cases: ids of cases are cut, ids of labelled events are short."""
    return enumerated(names, 5) if known.origin == "labels" else _short(names)


def _short(ids: Iterable[str]) -> str:
    """Name cases by the beginning of their ids."""
    return enumerated([one[:ID_SHOWN] for one in ids], 5)


def _count(count: int, noun: str) -> str:
    """Say how many."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
