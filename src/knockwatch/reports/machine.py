"""Cases for programs: JSON, JSON Lines and CSV, and cases read back from the first two."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from knockwatch.cases import Case
from knockwatch.errors import EvidenceError
from knockwatch.reports import Report
from knockwatch.reports.escape import cell, json_text

_COLUMNS: Mapping[str, Callable[[Case], Any]] = {
    "id": lambda case: case.id,
    "kind": lambda case: case.kind,
    "status": lambda case: case.status,
    "suppressed_by": lambda case: case.suppressed_by,
    "severity": lambda case: case.severity,
    "confidence": lambda case: case.confidence,
    "score": lambda case: case.score,
    "signal": lambda case: case.signal,
    "sources": lambda case: " ".join(case.sources),
    "destination": lambda case: case.destination,
    "host": lambda case: case.host,
    "sequence": lambda case: " ".join(case.sequence),
    "order_known": lambda case: case.order_known,
    "lateral": lambda case: case.lateral,
    "door": lambda case: case.door,
    "attempts": lambda case: len(case.attempts),
    "entries": lambda case: len(case.entries),
    "first_seen": lambda case: case.first_seen,
    "last_seen": lambda case: case.last_seen,
    "legs": lambda case: " ".join(case.legs),
    "rules": lambda case: " ".join(case.rules),
    "attack": lambda case: " ".join(case.attack),
    "explanation": lambda case: " ".join(case.explanation),
    "evidence": lambda case: " ".join(f"{quote.file}:{quote.line}" for quote in case.evidence),
}
"""The flat columns of CSV: lists become their members between blanks, attempts and entries their number."""


def write_json(report: Report, stream: TextIO) -> None:
    """Write one object: ``cases`` and ``summary``."""
    whole = {"cases": [case.to_json() for case in report.cases], "summary": dict(report.summary)}
    stream.write(json_text(whole, indent=2) + "\n")


def write_jsonl(report: Report, stream: TextIO) -> None:
    """Write one case a line."""
    stream.writelines(json_text(case.to_json()) + "\n" for case in report.cases)


def write_csv(report: Report, stream: TextIO) -> None:
    """Write one case a row, flat; no cell can act as a formula."""
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for case in report.cases:
        rows.writerow([_plain(value(case)) for value in _COLUMNS.values()])


def read_cases(stream: TextIO, name: str) -> list[Case]:
    """Read cases that `write_jsonl` or `write_json` wrote.

    Parameters
    ----------
    stream, name
        The text, and what to call it in an error.

    Raises
    ------
    EvidenceError
        If a line is no case; it names the line.
    """
    from pydantic import TypeAdapter, ValidationError

    shape: TypeAdapter[Case] = TypeAdapter(Case)
    number: int | None = None
    try:
        text = stream.read()
        if (listed := _listed(text)) is not None:
            return [shape.validate_python(data) for data in listed]
        cases = []
        for at, line in enumerate(text.split("\n"), 1):
            number = at
            if line.strip():
                cases.append(shape.validate_json(line))
    except (ValidationError, UnicodeDecodeError) as error:
        wanted = "is no case: give what `knockwatch scan --format jsonl` or `--out` wrote"
        raise EvidenceError(wanted, path=name, line=number) from error
    return cases


def _listed(text: str) -> list[Any] | None:
    """Give the cases of a whole JSON report; None where the text is none."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return None
    cases = whole.get("cases") if isinstance(whole, dict) else None
    return cases if isinstance(cases, list) else None


def _plain(value: Any) -> Any:
    """Give a value as CSV has it: text made safe, truth in small letters, nothing for what is not known."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return cell(value)
        case _:
            return value
