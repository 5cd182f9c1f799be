"""How urgent an inferred door is: what makes it one, each with its points and its words."""

from __future__ import annotations

from collections.abc import Iterator

from knockwatch.cases import Confidence
from knockwatch.cases.door_doubts import doubts
from knockwatch.cases.doors import lateral
from knockwatch.cases.score import CLIENT, Part, Verdict
from knockwatch.cases.story import Story
from knockwatch.detections import Level

ONE_STEP_USES = 3
"""Uses from which on several users' single packets count as a signal."""
SHUT = 20
"""Closed to others: without this there is no door."""
SHUT_FIRST = 10
"""Closed to the same source until it signalled: the signal is what changed."""
EXCLUSIVE = 10
AGREED = 25
"""Two entries after the same steps: of 1,468 runs in 107 days of noise 15 came twice, none before an entry."""
STEP = 5
STEPS_MAX = 15
SIGNED = 25
"""A packet that hardly anything else sends, and an entry after it."""
TOKEN = 15
"""The same bytes from several users: as much as a signal of several steps."""
PROVEN = 15
UNLIKELY = 5
CHANCE_SMALL = 0.1
"""Share of other visits with something before them below which a precursor is no coincidence."""
DAEMON_AGREES = 30
CONFIGURED = 50
"""What a configuration says leaves no doubt that the door is there; who uses it is still to be judged."""
RELAYED = 15


def judge_door(story: Story) -> Verdict:
    """Judge an inferred door: to whom it is shut, whether its uses agree, and what innocent could have made it."""
    facts = story.facts
    closed = bool(facts.get("closed_to") or facts.get("refused_first") or facts.get("signed"))
    again = facts.get("uses", 0) > 1
    proven = bool(facts.get("proven")) or story.opened
    told = (
        len(story.sequence) > 1 or story.signal == "spa" or bool(facts.get("signed")) or _one_step_told(story)
    )
    if facts.get("relayed"):
        told = told and again
    believable = told and not doubts(story)
    configured = bool(facts.get("configured"))
    # Whoever starts a program made for knocking leaves no coincidence to doubt.
    sent = any(finding.kind == "client" for finding in story.findings)
    alert = configured or story.opened or sent or (closed and (believable or proven))
    certain = configured or story.opened or (again and closed and told)
    confidence: Confidence = "high" if certain else "medium"
    severity: Level = "critical" if lateral(story) else "high"
    if configured and not (story.entries or story.opened):
        severity = "medium"
    parts = tuple(_parts(story))
    if alert:
        return Verdict("alert", severity, confidence, parts)
    return Verdict("lead", "low", "low", parts)


def _one_step_told(story: Story) -> bool:
    """Tell whether a signal of one packet is seen often enough to be one.

    A ping of an odd size is one the second time, and so are the same bytes from two users, which no protocol has. Any
    other packet may precede a visit for many reasons: it must have made the difference for someone who had been
    refused, or have served several users.
    """
    facts = story.facts
    uses, users = facts.get("uses", 0), facts.get("users", 0)
    if story.signal == "icmp":
        return bool(facts.get("odd_ping")) and uses > 1
    if facts.get("token") and users > 1:
        return True
    return (uses > 1 and bool(facts.get("refused_first"))) or (uses >= ONE_STEP_USES and users > 1)


def _parts(story: Story) -> Iterator[Part]:
    """List what counts for and against it."""
    facts = story.facts
    chance = facts.get("chance", 1.0)
    if facts.get("configured") and not facts.get("uses"):
        yield "a configuration on the host names this door and its signal", CONFIGURED
        if story.opened:
            yield "a knock daemon says that it opened the door", DAEMON_AGREES
        return
    weighed = (
        (facts.get("configured"), "a configuration on the host names this door and its signal", CONFIGURED),
        (
            any(finding.kind == "client" for finding in story.findings),
            "a program that sends knocks was started for it",
            CLIENT,
        ),
        (facts.get("closed_to"), "the service refused other sources", SHUT),
        (facts.get("refused_first"), "it refused the very same source before the signal", SHUT_FIRST),
        (
            not facts.get("unexplained") and not facts.get("relayed"),
            "nobody got in without sending something first",
            EXCLUSIVE,
        ),
        (facts.get("uses", 0) > 1, "several entries agree on what was sent before", AGREED),
        (len(story.sequence) > 1, "a signal of several steps", min(STEP * len(story.sequence), STEPS_MAX)),
        (
            story.signal == "spa" and not facts.get("signed"),
            "one packet of the size of single packet authorization",
            STEPS_MAX,
        ),
        (
            facts.get("token") and facts.get("users", 0) > 1,
            "several users sent one packet with the same payload",
            TOKEN,
        ),
        (facts.get("signed"), "the packet before the entry has a format that is known", SIGNED),
        (facts.get("proven"), "another signal proves that the service is a door", PROVEN),
        (chance < CHANCE_SMALL, "visits to other services have hardly anything before them", UNLIKELY),
        (story.opened, "a knock daemon says that it opened the door", DAEMON_AGREES),
        (facts.get("relayed"), "who knocked and who entered differ, so chance weighs more", -RELAYED),
    )
    yield from ((words, points) for holds, words, points in weighed if holds)
    if not (story.opened or facts.get("configured")):
        yield from ((doubt.part, doubt.points) for doubt in doubts(story))
