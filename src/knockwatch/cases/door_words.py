"""An inferred door in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator

from knockwatch.cases.door_doubts import doubts
from knockwatch.cases.story import Story
from knockwatch.cases.wording import NAMES_SHOWN, enumerated, times
from knockwatch.clock import SECOND_US
from knockwatch.detections.opened_port import OPENED

SKEW_TOLD_US = SECOND_US + SECOND_US // 10
"""Logs without fractions of seconds differ by up to one from others: no fault of a clock."""


def tell_door(story: Story) -> Iterator[str]:
    """Say what opened for whom, why it is no ordinary service and no scan, and what is less certain."""
    if story.facts.get("configured") and not story.facts.get("uses"):
        yield from _configured(story)
        return
    yield _what(story)
    if story.facts.get("configured"):
        yield "The host's own configuration names this door and the steps that open it."
    yield _closed(story)
    yield from _less_certain(story)
    decoyed = any(len(knock.sent) > len(story.sequence) for knock in story.knocks if knock.complete)
    if decoyed:
        yield "Some sent other packets in between; the uses do not agree on those, so they are decoys or noise."
    if failed := sorted({knock.source for knock in story.knocks if knock.complete is False}):
        yield f"{enumerated(failed)} sent something similar and did not get in."
    if story.opened:
        yield "A knock daemon on the host says that it opened the door."
    opened = dict.fromkeys(finding.note for finding in story.findings if finding.label == OPENED)
    yield from list(opened)[:NAMES_SHOWN]


def _configured(story: Story) -> Iterator[str]:
    """Tell of a door that only the host's configuration names."""
    signal = ", ".join(story.sequence) or (
        "one SPA packet" if story.signal == "spa" else "a signal that it does not tell"
    )
    whom = "everyone" if story.facts.get("for_all") else "the sender"
    if story.door:
        yield f"{story.target} is configured to open {story.door} for {whom} after {signal}."
    else:
        yield f"{story.target} is configured to wait for {signal}; what that opens is not told."
    users = sorted({knock.source for knock in story.knocks})
    if users:
        yield f"{enumerated(users)} sent something to it."
    else:
        yield "Nobody was seen to use it: a configured door waits, used or not."


def _what(story: Story) -> str:
    """Say what opened, for whom, after what."""
    entrants = list(dict.fromkeys(entry.source for entry in story.entries))
    senders = "they" if len(entrants) > 1 else "it"
    if story.facts.get("relayed"):
        senders = "others"
    return (
        f"{story.door} of {story.target} opened for {enumerated(entrants)} after {senders} had sent "
        f"{', '.join(story.sequence)}, {times(int(story.facts.get('uses', 1)))} in all."
    )


def _closed(story: Story) -> str:
    """Say to whom the service is shut, which makes it no ordinary one and the signal no scan."""
    refused = int(story.facts.get("closed_to", 0))
    if not refused:
        if story.facts.get("refused_first"):
            return "It refused the very same source before: what was sent in between made the difference."
        if story.opened:
            return "The traffic does not show that it was closed before; the daemon's word does."
        if story.facts.get("signed"):
            return (
                "The evidence does not show that it was closed before; the packet before the entry has a format that "
                "hardly anything else has."
            )
        return "Nothing shows that the service was ever closed, so this may be a coincidence."
    others = f"{refused} other sources" if refused > 1 else "1 other source"
    exclusive = not story.facts.get("unexplained") and not story.facts.get("relayed")
    alone = ", and nobody got in without sending something first" if exclusive else ""
    return (
        f"It is no ordinary service, since it refused {others}{alone}; and no scan, since a scanner is refused "
        "and goes on, while these sources sent few packets and were let in."
    )


def _less_certain(story: Story) -> Iterator[str]:
    """Say what makes the door less certain."""
    if not (story.opened or story.facts.get("configured")):
        yield from (doubt.sentence for doubt in doubts(story))
    if story.facts.get("relayed"):
        yield "Who knocked and who entered are different addresses, which makes this less certain."
    if (skew := story.facts.get("skew_us", 0)) > SKEW_TOLD_US:
        yield (
            f"The recorders' clocks differ by up to {skew / SECOND_US:.1f} s, as packets that several saw tell; times "
            "were corrected by that before they were compared."
        )
    if story.facts.get("uses", 0) == 1 and len(story.sequence) > 1:
        yield "It was used once, so the steps may hold decoys that a second use would show."
