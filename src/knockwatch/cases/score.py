"""How urgent a story is: its score with the parts in words, status, severity and confidence; not who is excused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from knockwatch.cases import Confidence, Status
from knockwatch.cases.story import Story
from knockwatch.detections import Level, Rule
from knockwatch.detections._firewall_callers import BY_SERVICE
from knockwatch.detections._touch_runs import TOUCHED

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

SIGNATURE = {1: 10, 2: 20, 3: 30}
"""A packet that matches a signature, by how far that can be trusted."""
REPLAYED = 10
"""Who sends somebody's packet again has captured it."""
CALLED_BACK = 30
"""A connection from the packet's destination back to its source."""
ALONE = 20
"""The destination has no other business with the source."""

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
    called = story.kind != "callback" or bool(story.facts.get("exclusive"))
    alert = called and (
        story.opened or (story.kind == "client" and not touched_only(story)) or len(story.legs) > 1
    )
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
        if story.facts.get("signature", 0) == max(SIGNATURE):
            # The format is unmistakable; what it did is not known.
            severity = confidence = "medium"
    parts = {
        "daemon": _daemon,
        "client": _client,
        "signal": _signal,
        "change": _change,
        "callback": _callback,
    }.get(story.kind, _other)
    return Verdict("alert" if alert else "lead", severity, confidence, tuple(parts(story)))


def touched_only(story: Story) -> bool:
    """Tell whether a client is no more than general tools that touch ports, which checks of services do too."""
    return story.kind == "client" and all(finding.label == TOUCHED for finding in story.findings)


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
    if touched_only(story):
        yield "general tools touched several ports of one host in a row", PROBES
        return
    yield "a program that sends knocks was started", CLIENT
    if story.sequence and story.destination:
        yield "its command line names the target and the steps", NAMED
    if len(story.knocks) > 1:
        yield f"it was started {len(story.knocks)} times", AGAIN


def _signal(story: Story) -> Iterator[Part]:
    """Score a run of probes, or a packet, that nothing else is known of."""
    if story.facts.get("signature"):
        yield from _packet(story)
        return
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


def _packet(story: Story) -> Iterator[Part]:
    """Score a packet that matches a signature."""
    trust = int(story.facts["signature"])
    sure = {1: "which others send too", 2: "which few others send", 3: "which hardly anything else sends"}[
        trust
    ]
    yield f"a packet, or a run, of a form that is known, {sure}", SIGNATURE[trust]
    if story.facts.get("replayed"):
        yield "a payload that was sent before, so it is a replay", REPLAYED
    if (times := len(story.knocks)) > 1:
        yield f"{times} times from one source", min(REPEATED_MAX, REPEATED * (times - 1))
    yield from _legs(story)


def _callback(story: Story) -> Iterator[Part]:
    """Score a connection from a packet's destination back to its source."""
    if story.facts.get("signature"):
        yield from _packet(story)
    yield "the destination connected to the source of the packet at once", CALLED_BACK
    if story.facts.get("exclusive"):
        yield "it has no other business with the source", ALONE
    if story.facts.get("uses", 0) > 1:
        yield f"{int(story.facts['uses'])} times", AGAIN


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
