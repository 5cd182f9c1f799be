"""What speaks against an inferred door: innocent ways in which the same could have come about, in words and points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from knockwatch.cases.story import Story
from knockwatch.cases.wording import enumerated

HABIT = 3
"""How many times more often than it entered a source may send a signal before it counts as its habit."""
TRIES_OF_A_PERSON = 2
"""Most wrong ports that one who looks for the right one tries before an ordinary visit."""
REFUSALS_PROVING = 2
"""Refusals of the very sources that later entered, from which on the signal and nothing else explains the entries."""
HABITUAL = -30
REGULAR = -30
UNASKED = -30
NOT_NEEDED = -30
BY_CHANCE = -30
MISTYPED = -15
SHORT = -10


@dataclass(frozen=True)
class Doubt:
    """One innocent way: what it is called in a score, its points, and the sentence for the reader."""

    part: str
    points: int
    sentence: str


def doubts(story: Story) -> list[Doubt]:
    """List what speaks against a door; any of these makes it a lead, unless something else proves it."""
    return list(_doubts(story))


def _doubts(story: Story) -> Iterator[Doubt]:
    facts = story.facts
    users = enumerated(dict.fromkeys(entry.source for entry in story.entries))
    steps = ", ".join(story.sequence)
    if facts.get("occurrences", 0) > HABIT * max(facts.get("uses", 1), 1):
        yield Doubt(
            "the same was sent many times without an entry: it may be a habit",
            HABITUAL,
            f"The same sources sent {story.sequence[-1]} far more often than they entered, so it may be their habit.",
        )
    if facts.get("by_chance"):
        yield Doubt(
            "chance alone may have put it before the entries",
            BY_CHANCE,
            f"Packets such as {steps} come to {story.target} often enough that chance alone may have put them "
            "before the entries.",
        )
    if facts.get("refused_first", 0) < REFUSALS_PROVING:
        yield from _of_the_allowed(story, users, steps)
    if facts.get("uses", 0) == 1 and not facts.get("refused_first") and not facts.get("relayed"):
        yield from _of_one_visit(story, users, steps)


def _of_the_allowed(story: Story, users: str, steps: str) -> Iterator[Doubt]:
    """List what would be innocent if the service is simply open to its users, who were never refused."""
    facts = story.facts
    if facts.get("unasked"):
        yield Doubt(
            "machines send this by themselves",
            UNASKED,
            f"Machines send {steps} by themselves before they visit a host; {users} may simply be allowed in, since "
            f"{story.door} was not seen to refuse them.",
        )
    if facts.get("regular"):
        yield Doubt(
            "it comes as regularly as a monitor",
            REGULAR,
            f"{users} came as regularly as a monitor or a health check, each time after the same packets, and "
            f"{story.door} was not seen to refuse them.",
        )
    if facts.get("not_needed"):
        yield Doubt(
            "many got in without it",
            NOT_NEEDED,
            f"{int(facts['unexplained'])} of {int(facts['sessions'])} entries had nothing before them, so the "
            "service may simply be open to some.",
        )


def _of_one_visit(story: Story, users: str, steps: str) -> Iterator[Doubt]:
    """List what would be innocent of one visit of someone the service was not seen to refuse."""
    if story.facts.get("mistyped"):
        yield Doubt(
            "it may be the port mistyped",
            MISTYPED,
            f"The ports {steps} look like {story.door} mistyped: {users} may have looked for the right port, once.",
        )
    elif story.signal != "spa" and 1 < len(story.sequence) <= TRIES_OF_A_PERSON:
        yield Doubt(
            "few steps, seen once",
            SHORT,
            f"{users} may have tried other ports first and then the right one: it is few steps, seen once.",
        )
