"""Trials of thresholds: each set lower and higher, one at a time, and what that changes on the evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from annotated_types import Le, Lt
from pydantic import ValidationError

from knockwatch.config import Config, Thresholds
from knockwatch.investigation import Investigation
from knockwatch.tuning.measure import Change, Known, Outcome, Span

SMALL = 4
"""Numbers up to this are tried one lower and one higher; others are halved and doubled."""


@dataclass(frozen=True)
class Trial:
    """One threshold with another value, and what that changes."""

    name: str
    value: float
    tried: float
    change: Change

    def to_json(self, span: Span) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        return {"name": self.name, "value": self.value, "tried": self.tried, **self.change.to_json(span)}


def trials(investigation: Investigation, config: Config, known: Known, now: Outcome) -> Iterator[Trial]:
    """Try the thresholds that were used for what the investigation keeps; the others cannot change anything."""
    for name in Thresholds.model_fields:
        if name not in investigation.used:
            continue
        value = getattr(config.thresholds, name)
        for tried in others(name, value):
            thresholds = _with(config.thresholds, name, tried)
            if thresholds is None:
                continue
            findings = investigation.findings(thresholds)
            cases = investigation.cases(findings, config, quoted=False)
            yield Trial(name, value, tried, Change(now, known.outcome(cases)))


def others(name: str, value: float) -> list[float]:
    """Give a lower and a higher value for a threshold; a share stays one."""
    if isinstance(value, int):
        return [value - 1, value + 1] if value <= SMALL else [value // 2, value * 2]
    bounded = any(isinstance(rule, Le | Lt) for rule in Thresholds.model_fields[name].metadata)
    higher = value * 2
    if bounded and higher >= 1:
        higher = (value + 1) / 2
    return [value / 2, higher]


def _with(thresholds: Thresholds, name: str, value: float) -> Thresholds | None:
    """Set a threshold; None where the others, or its bounds, leave no room."""
    try:
        return Thresholds.model_validate({**thresholds.model_dump(), name: value})
    except ValidationError:
        return None
