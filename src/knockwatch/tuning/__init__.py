"""Tuning: what the site's own evidence says of its configuration. It measures and proposes; it decides nothing.

Evidence is read once. What a threshold or an entry of the context would change is found by judging the same evidence
again with it (`knockwatch.investigation`), never by guessing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from knockwatch.investigation import Investigation
from knockwatch.tuning.measure import Known, Outcome, Span, known_alerts, span
from knockwatch.tuning.proposals import Proposal, proposals
from knockwatch.tuning.thresholds import Trial, trials

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from knockwatch.cases import Case
    from knockwatch.config import Config

__all__ = ["Proposal", "Trial", "Tuning", "tune"]


@dataclass(frozen=True)
class Tuning:
    """What was measured.

    Parameters
    ----------
    span
        The time that the evidence covers.
    now
        What the configuration gives as it stands.
    known
        Which cases must not be lost.
    proposals, left_out
        Entries of the context, the best first; how many further sources scan that are not asked about.
    trials
        Values of thresholds that change something.
    unchanged, unused
        Thresholds of which both values that were tried change nothing; which no detection read.
    """

    span: Span
    now: Outcome
    known: Known
    proposals: tuple[Proposal, ...]
    left_out: int
    trials: tuple[Trial, ...]
    unchanged: tuple[str, ...]
    unused: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give everything as JSON can hold it."""
        return {
            "evidence": self.span.to_json(),
            "now": self.now.to_json(self.span),
            "known": self.known.to_json(self.now),
            "proposals": [proposal.to_json(self.span) for proposal in self.proposals],
            "sources_not_asked_about": self.left_out,
            "thresholds": [trial.to_json(self.span) for trial in self.trials],
            "thresholds_that_change_nothing": list(self.unchanged),
            "thresholds_not_used": list(self.unused),
        }


def tune(
    investigation: Investigation,
    config: Config,
    known: Callable[[Sequence[Case]], Known] = known_alerts,
) -> Tuning:
    """Measure what each threshold, and each entry of the context that the evidence suggests, would change.

    Parameters
    ----------
    investigation
        The evidence; made with ``keep``.
    config
        The site's configuration as it stands.
    known
        Given the cases that it gives now, says which cases must not be lost.
    """
    findings = investigation.findings(config.thresholds)
    cases = investigation.cases(findings, config, quoted=False)
    yardstick = known(cases)
    now = yardstick.outcome(cases)
    proposed, left_out = proposals(investigation, findings, cases, config, yardstick)
    tried = list(trials(investigation, config, yardstick, now))
    changing = {trial.name for trial in tried if trial.change.any}
    used = investigation.used
    names = list(type(config.thresholds).model_fields)
    return Tuning(
        span(investigation),
        now,
        yardstick,
        tuple(proposed),
        left_out,
        tuple(trial for trial in tried if trial.change.any),
        tuple(name for name in names if name in used and name not in changing),
        tuple(name for name in names if name not in used),
    )
