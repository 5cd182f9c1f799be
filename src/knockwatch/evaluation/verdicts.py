"""The verdicts of an evaluation: per event, door, view and corpus, with their counts and their JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Opened:
    """What was said of a knock or SPA that opened a door.

    Parameters
    ----------
    found
        An alert names the source, the time and the destination.
    lead
        No alert does, but a lead.
    lead_suffices
        Signal and entry come from different sources: a lead is all that is asked.
    door, signal, secret
        That alert names the right service; and, besides, the right kind of signal; the exact sequence.
    entry
        That alert tells the entry: by whom and when.
    case
        Id of the alert that says most, else of the lead.
    instead
        What was there instead, where something is missing.
    """

    id: str
    title: str
    door_name: str
    destination: str
    found: bool = False
    lead: bool = False
    lead_suffices: bool = False
    door: bool = False
    signal: bool = False
    secret: bool = False
    entry: bool = False
    case: str | None = None
    instead: str = ""


@dataclass(frozen=True)
class Failed:
    """What was said of an attempt that opened nothing; `held` is whether the view holds it at all."""

    id: str
    title: str
    held: bool
    known: bool
    entries: tuple[str, ...] = ()
    instead: str = ""


@dataclass(frozen=True)
class Secret:
    """Whether the secret of a door that was used more than once came out exactly; `seen` is what was said."""

    door: str
    uses: int
    right: bool
    secret: tuple[str, ...]
    seen: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Stray:
    """An alert that should not be: with an innocent (and the events they are from), or about nothing labelled."""

    case: str
    what: str
    innocents: tuple[str, ...] = ()
    events: tuple[str, ...] = ()


@dataclass(frozen=True)
class Miss:
    """One thing that is not as it should be."""

    what: str
    id: str
    title: str
    instead: str


@dataclass(frozen=True)
class ViewEvaluation:
    """How one view of a corpus fared.

    Parameters
    ----------
    view
        Its name.
    opened, failed, secrets
        Verdicts on what the view holds whole, and on every failed attempt.
    signals_of, signals_known
        Openings whose signal the view holds without the entry, and how many of them a lead or alert tells.
    false_alerts, unexplained
        Alerts with an innocent source; alerts about nothing that is labelled.
    alerts, leads, suppressed
        Numbers of cases.
    seconds
        How long the scan took.
    problem
        Why nothing could be read, if so.
    """

    view: str
    opened: tuple[Opened, ...] = ()
    failed: tuple[Failed, ...] = ()
    secrets: tuple[Secret, ...] = ()
    signals_of: int = 0
    signals_known: int = 0
    false_alerts: tuple[Stray, ...] = ()
    unexplained: tuple[Stray, ...] = ()
    alerts: int = 0
    leads: int = 0
    suppressed: int = 0
    seconds: float = 0.0
    problem: str | None = None

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of a row of the table."""
        held = [verdict for verdict in self.failed if verdict.held]
        return {
            "opened": len(self.opened),
            "found": sum(verdict.found for verdict in self.opened),
            "by_lead": sum(verdict.lead for verdict in self.opened),
            "door_right": sum(verdict.door for verdict in self.opened),
            "signal_right": sum(verdict.signal for verdict in self.opened),
            "secrets": len(self.secrets),
            "secrets_right": sum(secret.right for secret in self.secrets),
            "entries_known": sum(verdict.entry for verdict in self.opened),
            "signals_only": self.signals_of,
            "signals_only_known": self.signals_known,
            "failed": len(held),
            "failed_known": sum(verdict.known for verdict in held),
            "false_entries": sum(bool(verdict.entries) for verdict in self.failed),
            "false_alerts": len(self.false_alerts),
            "unexplained": len(self.unexplained),
            "alerts": self.alerts,
            "leads": self.leads,
            "suppressed": self.suppressed,
        }

    @property
    def misses(self) -> list[Miss]:
        """Everything that is not as it should be, one by one."""
        return [
            *(miss for verdict in self.opened for miss in _opened_misses(verdict)),
            *(
                Miss(
                    f"secret of {secret.door} {'not exact' if any(secret.seen) else 'not told'}",
                    "-",
                    f"used {secret.uses} times",
                    "; ".join(" ".join(steps) or "nothing" for steps in secret.seen)
                    or "no alert with this door",
                )
                for secret in self.secrets
                if not secret.right
            ),
            *(miss for verdict in self.failed for miss in _failed_misses(verdict)),
            *(
                Miss("false alert", ",".join(stray.events), f"by {', '.join(stray.innocents)}", stray.what)
                for stray in self.false_alerts
            ),
            *(Miss("unexplained alert", "-", "nothing labelled", stray.what) for stray in self.unexplained),
        ]

    def to_json(self) -> dict[str, Any]:
        """Give counts, misses and every verdict."""
        verdicts = {
            name: [asdict(verdict) for verdict in getattr(self, name)]
            for name in ("opened", "failed", "secrets", "false_alerts", "unexplained")
        }
        return {
            "view": self.view,
            "counts": self.counts,
            "seconds": round(self.seconds, 3),
            "problem": self.problem,
            "misses": [asdict(miss) for miss in self.misses],
            "verdicts": verdicts,
        }


@dataclass(frozen=True)
class Evaluation:
    """How one corpus fared: its views, and last everything together."""

    corpus: Path
    labelled: bool
    views: list[ViewEvaluation] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Give everything as JSON can hold it."""
        return {
            "corpus": str(self.corpus),
            "labelled": self.labelled,
            "views": [view.to_json() for view in self.views],
        }


def _opened_misses(verdict: Opened) -> list[Miss]:
    """Say what is missing of an opening: the first thing that fails, since the rest hangs on it, and the entry."""
    if verdict.lead and verdict.lead_suffices:
        return []
    if not verdict.found:
        what = ["only a lead" if verdict.lead else "not found"]
    elif not verdict.door:
        what = ["door wrong"]
    else:
        what = [
            word
            for right, word in ((verdict.signal, "signal wrong"), (verdict.entry, "entry unknown"))
            if not right
        ]
    return [Miss(word, verdict.id, verdict.title, verdict.instead) for word in what]


def _failed_misses(verdict: Failed) -> list[Miss]:
    """Say what is wrong about a failed attempt."""
    misses = []
    if verdict.held and not verdict.known:
        misses.append(Miss("failed attempt unknown", verdict.id, verdict.title, verdict.instead))
    if verdict.entries:
        misses.append(
            Miss("false entry", verdict.id, verdict.title, f"an entry in case {', '.join(verdict.entries)}")
        )
    return misses
