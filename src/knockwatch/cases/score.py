"""How urgent a story is: its score with the parts in words, status, severity and confidence; not who is excused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from knockwatch.cases import Confidence, Status
from knockwatch.cases.story import Story
from knockwatch.detections import Level, Rule
from knockwatch.detections._firewall_callers import BY_SERVICE

LEVELS: tuple[Level, ...] = ("low", "medium", "high", "critical")
CONFIDENCES: tuple[Confidence, ...] = ("low", "medium", "high")
SCORE_MAX = 100

OPENED = 60
"""The daemon's own word leaves no doubt about the knock; who knocked is still to be judged."""
ENTERED = 20
"""An entry after an opening: someone is in."""
AGAIN = 10
"""Once may be a test, twice is use."""
SEVERAL = 5
"""A secret that several know."""
CLIENT = 50
"""A program made for knocking has few other uses."""
COMPLETE = 35
"""A complete signal without an opening: a door that closes, or evidence that is missing."""
TRIED = 20
"""A signal begun at a door that exists."""
PROBES = 10
"""A run of denied ports: 1,468 of them in 107 days of noise at one host."""
SCANNED = 5
SCANNER = -5
"""Among hundreds of ports a few are denied in any order."""
REPEATED = 5
"""For each repetition of a run, of which noise has few."""
REPEATED_MAX = 15
MENTIONED = 10
"""A daemon that runs, or anything else that is no use of a door."""
LET_IN = 20
"""A firewall opened for one address: partners are let in so too."""
ODD_CALLER = 20
"""By a program that has no business at the firewall."""
NAMED = 10
"""The target and the steps stand in the command line."""

Part = tuple[str, int]


@dataclass(frozen=True)
class Verdict:
    """What a story amounts to, before context.

    Parameters
    ----------
    parts
        What the score is made of: words and points.
    """

    status: Status
    severity: Level
    confidence: Confidence
    parts: tuple[Part, ...]

    @property
    def score(self) -> int:
        """Sum of the parts, at most 100."""
        return max(0, min(SCORE_MAX, sum(points for _, points in self.parts)))

    @property
    def score_parts(self) -> list[dict[str, Any]]:
        """The parts as the JSON contract has them."""
        return [{"part": words, "points": points} for words, points in self.parts]


def judge(story: Story, rules: Mapping[str, Rule]) -> Verdict:
    """Judge a story by itself, as if nothing were known of the site.

    Parameters
    ----------
    story
        What happened.
    rules
        Id to rule, for the severity and confidence of those that fired.
    """
    alert = story.opened or story.kind == "client" or len(story.legs) > 1
    fired = [rules[finding.rule] for finding in story.findings if finding.rule in rules]
    severity: Level
    confidence: Confidence
    if alert:
        severity = max((rule.severity for rule in fired), key=LEVELS.index, default="high")
        certain: list[Confidence] = [rule.confidence for rule in fired]
        confidence = "high" if story.opened else max(certain, key=CONFIDENCES.index, default="medium")
    else:
        severity = "medium" if story.kind == "daemon" and story.knocks else "low"
        confidence = "medium" if story.kind == "daemon" else "low"
    parts = {"daemon": _daemon, "client": _client, "signal": _signal, "change": _change}.get(
        story.kind, _other
    )
    return Verdict("alert" if alert else "lead", severity, confidence, tuple(parts(story)))


def _daemon(story: Story) -> Iterator[Part]:
    """Score a door by what its daemon says of it."""
    openings = sum(knock.opened for knock in story.knocks)
    failed = sum(knock.complete is False for knock in story.knocks)
    if story.opened:
        yield "the host's own log says that a signal opened the door", OPENED
        if openings > 1:
            yield f"{openings} times", AGAIN
        if sum(actor.opened for actor in story.actors) > 1:
            yield "for more than one source", SEVERAL
    elif any(knock.complete for knock in story.knocks):
        yield "a complete signal, but no word of an opening", COMPLETE
    elif story.knocks:
        yield "someone began the signal of a door that exists", TRIED
    else:
        yield "a knock daemon runs", MENTIONED
    if failed:
        yield f"{failed} failed {'attempts' if failed > 1 else 'attempt'}: someone may be searching", SEVERAL
    if "entry" in story.legs:
        yield "an entry followed", ENTERED


def _client(story: Story) -> Iterator[Part]:
    """Score the use of knock clients."""
    yield "a program that sends knocks was started", CLIENT
    if story.sequence and story.destination:
        yield "its command line names the target and the steps", NAMED
    if len(story.knocks) > 1:
        yield f"it was started {len(story.knocks)} times", AGAIN


def _signal(story: Story) -> Iterator[Part]:
    """Score a run of probes that nothing else is known of."""
    if story.scan == "whole":
        yield "a port scan, which alone says nothing", SCANNED
        return
    yield "a run of denied ports, which alone says little", PROBES
    if story.scan == "part":
        yield "the same source scanned ports", SCANNER
    if (times := len(story.knocks)) > 1:
        points = min(REPEATED_MAX, REPEATED * (times - 1))
        yield f"the same run {times} times from one source", points
    yield from _legs(story)


def _change(story: Story) -> Iterator[Part]:
    """Score openings that only the host's own records show."""
    if story.opened:
        yield "a knock daemon changed the firewall", OPENED
    elif any(finding.label == BY_SERVICE for finding in story.findings):
        yield "a program that has no business at the firewall opened it", ODD_CALLER
    if story.sources:
        yield "the firewall was opened for single addresses", LET_IN
    if len(story.findings) > 1:
        yield f"{len(story.findings)} times", AGAIN
    yield from _legs(story)


def _other(story: Story) -> Iterator[Part]:
    """Score a kind of story that has no scale of its own."""
    yield f"evidence of the kind {story.kind}", MENTIONED
    if story.opened:
        yield "evidence that is conclusive on its own", OPENED
    yield from _legs(story)


def _legs(story: Story) -> Iterator[Part]:
    """Score the legs beyond the first."""
    if len(story.legs) > 1:
        yield f"{len(story.legs)} of three legs: {', '.join(story.legs)}", ENTERED * (len(story.legs) - 1)
