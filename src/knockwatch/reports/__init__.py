"""Reports: the formats in which cases leave, each in its own module; they know cases, nothing of detections.

A format is a function that writes a `Report` to a text stream. To add one, write it in a module of its own and name
it in `FORMATS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from knockwatch.cases import Case, Confidence, Status

FORMATS: Mapping[str, str] = {
    "table": "knockwatch.reports.terminal:write_table",
    "json": "knockwatch.reports.machine:write_json",
    "jsonl": "knockwatch.reports.machine:write_jsonl",
    "csv": "knockwatch.reports.machine:write_csv",
    "markdown": "knockwatch.reports.markdown:write_markdown",
    "ocsf": "knockwatch.reports.ocsf:write_ocsf",
    "stix": "knockwatch.reports.stix:write_stix",
    "navigator": "knockwatch.reports.navigator:write_navigator",
    "timesketch": "knockwatch.reports.timesketch:write_timesketch",
}
"""Format to the function that writes it; named rather than imported, so that ``--help`` stays fast."""

LEVELS = ("low", "medium", "high", "critical")
"""Severities in rising order; the first three are the levels of confidence too."""


@dataclass(frozen=True)
class Report:
    """What a format has to tell.

    Parameters
    ----------
    cases
        The cases that were asked for, most urgent first.
    summary
        What was read, as in ``summary.json``.
    hidden
        How many cases are left out, under ``lead``, ``suppressed`` and ``confidence``.
    quiet
        Whether only the cases are wanted.
    """

    cases: tuple[Case, ...]
    summary: Mapping[str, Any]
    hidden: Mapping[str, int] = field(default_factory=dict)
    quiet: bool = False


def writer(name: str) -> Callable[[Report, TextIO], None]:
    """Load the function that writes a format of `FORMATS`."""
    module, _, function = FORMATS[name].partition(":")
    write: Callable[[Report, TextIO], None] = getattr(importlib.import_module(module), function)
    return write


def select(
    cases: Iterable[Case], statuses: Collection[Status], confidence: Confidence = "low"
) -> tuple[tuple[Case, ...], dict[str, int]]:
    """Select the cases of some statuses and of at least one confidence.

    Returns
    -------
    tuple
        The cases in their order, and how many were left out under ``lead``, ``suppressed`` and ``confidence``.
    """
    shown: list[Case] = []
    hidden: dict[str, int] = {}
    least = LEVELS.index(confidence)
    for case in cases:
        if case.status not in statuses:
            hidden[case.status] = hidden.get(case.status, 0) + 1
        elif LEVELS.index(case.confidence) < least:
            hidden["confidence"] = hidden.get("confidence", 0) + 1
        else:
            shown.append(case)
    return tuple(shown), hidden
