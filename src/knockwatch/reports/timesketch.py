"""Cases as events of a Timesketch timeline, in JSON Lines: what was sent, who came in, and the lines that say so.

Timesketch asks for ``message``, ``datetime`` and ``timestamp_desc`` (its user guide, "Import JSONL or CSV").
What has no time has no place on a timeline, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TextIO

from knockwatch.cases import Case
from knockwatch.reports import Report
from knockwatch.reports.escape import json_text, visible
from knockwatch.reports.moments import microseconds, timestamp
from knockwatch.reports.words import Glyphs, title


def write_timesketch(report: Report, stream: TextIO) -> None:
    """Write one event a line, in order of time."""
    events = [event for case in report.cases for event in _events(case) if event["datetime"]]
    events.sort(key=lambda event: (event["timestamp"], event["case_id"], event["message"]))
    stream.writelines(json_text(event) + "\n" for event in events)


def _events(case: Case) -> Iterator[dict[str, Any]]:
    """Write what a case knows the time of."""
    for attempt in case.attempts:
        sent = " ".join(attempt.sent) or "a signal that the evidence does not show"
        yield _event(
            case, attempt.start, "Signal Sent", f"{attempt.source} sent {sent}", src_ip=attempt.source
        )
    for entry in case.entries:
        user = {"username": visible(entry.user)} if entry.user else {}
        words = f"{entry.source} entered{f' as {entry.user}' if entry.user else ''}"
        yield _event(case, entry.start, "Door Entered", words, src_ip=entry.source, **user)
    for quote in case.evidence:
        leg = quote.leg.capitalize() if quote.leg else "Other"
        place = {"file": visible(quote.file), "line": quote.line, "table": quote.table}
        yield _event(case, quote.time, f"{leg} Evidence", quote.text, **place)


def _event(case: Case, time: str | None, meaning: str, message: str, **more: Any) -> dict[str, Any]:
    """Write one event with what the case says of itself."""
    about = {
        "case_id": case.id,
        "case": " ".join(filter(None, title(case, Glyphs()))),
        "kind": case.kind,
        "status": case.status,
        "severity": case.severity,
        "score": case.score,
        "dst_ip": case.destination,
        "hostname": case.host,
        "door": case.door,
    }
    known = {
        key: visible(value) if isinstance(value, str) else value
        for key, value in about.items()
        if value is not None
    }
    when = timestamp(time)
    return {
        "message": visible(message),
        "datetime": when and when.replace("Z", "+00:00"),
        "timestamp": microseconds(time),
        "timestamp_desc": meaning,
        "tag": ["knockwatch", case.kind, case.status],
        **known,
        **more,
    }
