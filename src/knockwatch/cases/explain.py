"""A story in plain sentences: why, why not a scan, what would settle it; the verdict is made elsewhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from knockwatch.cases.callbacks import tell_callback, tell_packet
from knockwatch.cases.context import Knowledge
from knockwatch.cases.door_words import tell_door
from knockwatch.cases.story import Story, most_common
from knockwatch.cases.waiting import is_waiting, tell_waiting
from knockwatch.cases.waiting import wanted as wanted_waiting
from knockwatch.cases.wording import NAMES_SHOWN, enumerated, times
from knockwatch.detections import Finding, Rule
from knockwatch.detections._touch_runs import ENTERED, TOUCHED

NOTES_SHOWN = 3
_SERVICE = re.compile(r"(?:tcp|udp|sctp)/\d+ ")


def explanation(story: Story, knowledge: Knowledge) -> list[str]:
    """Say what happened, why it is no scan or may be one, and what the site knows of it.

    Returns
    -------
    list
        Sentences; the first one is the case in a line.
    """
    tell = {
        "daemon": _daemon,
        "client": _client,
        "signal": _signal,
        "door": tell_door,
        "change": _change,
        "callback": tell_callback,
    }.get(story.kind, _other)
    tell = tell_waiting if is_waiting(story) else tell
    sentences = [*tell(story), *_users(story), *_order(story), *_notes(story), *_known(story, knowledge)]
    return list(dict.fromkeys(map(_begun, sentences)))


def missing(story: Story) -> list[str]:
    """Say what evidence would settle the story."""
    if is_waiting(story):
        return wanted_waiting(story)
    at = story.target
    wanted: list[str] = []
    if story.facts.get("configured") and not story.facts.get("uses") and not story.knocks:
        told = [f"who uses it: firewall logs, flows or a capture of {at}"]
        return told if story.door else [*told, f"what it opens: the daemon's configuration on {at}"]
    if story.kind == "daemon" and not story.knocks and not story.opened:
        return [f"who used it: the daemon's own log and the firewall log of {at}"]
    if "opening" not in story.legs:
        wanted.append(f"the opening: rule changes, new listeners or a knock daemon's log of {at}")
    if "entry" not in story.legs:
        who = "the source" if len(story.sources) == 1 else "these sources"
        wanted.append(f"the entry: log-ins, firewall accepts or flows of {who} at {at} soon after")
    if story.kind == "daemon" and story.door is None:
        wanted.append("which port the door opens: the daemon's configuration or the command it runs")
    if story.kind == "daemon" and not story.sequence and story.signal == "sequence":
        wanted.append(f"the secret sequence: /etc/knockd.conf of {at}, or a capture of a knock")
    if not story.order_known:
        wanted.append("the order of the probes: a log with finer times, or a capture")
    if story.kind == "change":
        wanted.append(f"the signal: firewall logs, flows or a capture of what came to {at} before")
    return wanted


def innocent(story: Story, rules: Mapping[str, Rule]) -> list[str]:
    """Say what innocent activity looks the same: what the rules that fired say, and how to tell us."""
    words = {
        reason
        for finding in story.findings
        if finding.rule in rules
        for reason in rules[finding.rule].false_positives
    }
    own = {
        "door": "a door of the site's own: name it in context.doors, with who may knock",
        "daemon": "a door of the site's own: name it in context.doors, with who may knock",
        "client": "an administrator who knocks at a door of the site: name the user or host in "
        "context.administrators",
        "signal": "a port scan, a mistyped address or a service that moved",
        "callback": "a protocol in which the server connects to its client, as active FTP, mail checks and ident do",
        "change": "an administrator who lets an address in by hand, or a program that manages the firewall",
    }
    scan = [f"a port scan: {_scanned(story)}"] if story.scan else []
    return [
        *scan,
        *([own[story.kind]] if story.kind in own and not is_waiting(story) else []),
        *sorted(words),
    ]


def _daemon(story: Story) -> Iterator[str]:
    """Tell of a door by what its daemon says."""
    openings = [knock for knock in story.knocks if knock.opened]
    failed = [knock for knock in story.knocks if knock.complete is False]
    begun = [knock for knock in story.knocks if knock.complete is None]
    shut = [knock for knock in story.knocks if knock.complete and not knock.opened]
    door = " ".join(filter(None, ("the door", story.door_name, story.door and f"({story.door})")))
    if openings:
        who = enumerated(dict.fromkeys(knock.source for knock in openings))
        count = times(len(openings))
        yield f"The log of {story.target} says that a complete signal opened {door} {count}, for {who}."
        yield (
            "This is no scan: such a door opens only for a source that sent the whole secret signal, "
            "which probing at random does not hit."
        )
    elif story.opened:
        yield f"The log of {story.target} says that a complete signal opened {door}; it does not say for whom."
    elif not story.knocks:
        yield f"A knock daemon runs on {story.target}; nobody was seen to knock."
    if shut:
        who = enumerated(dict.fromkeys(knock.source for knock in shut))
        yield (
            f"{who} sent a complete signal to {door} on {story.target} {times(len(shut))} without a word of "
            "an opening: it may be a signal that closes the door, or one that the daemon lost."
        )
    for knocks, verb in ((failed, "failed at"), (begun, "began the signal of")):
        if knocks:
            who = enumerated(dict.fromkeys(knock.source for knock in knocks))
            yield f"{who} {verb} {door} on {story.target} {times(len(knocks))}."
    if story.knocks and not story.opened:
        yield "One port of the secret is enough for such a line, so a scan that hits it looks the same."


def _client(story: Story) -> Iterator[str]:
    """Tell of a knock client."""
    commands = Counter(finding.command_line for finding in story.findings if finding.command_line)
    user = most_common(finding.user for finding in story.findings)
    who = story.actors[0].shown if story.actors else "Someone"
    who = f"User {who}" if user and who.startswith(user) else who
    at = f", at {story.destination}" if story.destination else ""
    general = all(finding.label in {TOUCHED, ENTERED} for finding in story.findings)
    started = "used general tools that touch ports" if general else "started a program that sends knocks"
    yield f"{who} {started} {times(len(story.knocks))}{at}."
    if story.sequence:
        yield f"It was told to send {', '.join(story.sequence)}."
    yield from (f"Command line: {command}" for command in list(commands)[:NAMES_SHOWN])
    if general:
        yield "Checks of services look the same; few have such ports, and a log-in right after makes it a knock."
        return
    yield (
        "This is no scan: the program sends a signal to one host, and it was started here, where its user and "
        "purpose can be asked for."
    )


def _signal(story: Story) -> Iterator[str]:
    """Tell of a run of probes."""
    who = enumerated(story.sources) or "a source that the evidence does not name"
    if story.door and not story.sequence:
        yield f"{who} tried {story.door} of {story.target}, which is a door, without getting in."
        yield "What was sent before, if anything, is nothing like a signal that opens it."
        return
    if story.facts.get("signature"):
        yield from tell_packet(story)
        return
    if story.scan == "whole":
        yield f"{who} scanned {story.target}."
        yield "No knock has so many steps or goes to so many; what was tried is kept to explain runs of this source."
        return
    if len(story.sources) > 1:
        yield f"{who} sent {', '.join(story.sequence)} to {story.target}, in this order, {times(len(story.knocks))}."
        yield "Hardly any other destination sees this sequence, so it may be a secret; no entry is shown."
        return
    count = len(story.knocks)
    took = min((knock.end_us - knock.start_us for knock in story.knocks), default=0)
    within = f"within {_span(took)}" if took else "at once"
    again = f", {times(count)} in the same way." if count > 1 else "."
    if story.sequence:
        yield f"{who} was denied at {', '.join(story.sequence)} of {story.target} {within}{again}"
    else:
        yield f"{who} sent something to {story.target} that got no answer{again}"
    if story.scan == "part":
        yield f"{_scanned(story)}: this run may be a part of that scan."
    elif count > 1:
        yield (
            "Noise seldom repeats a run at one host, but scanners that work through a list do; nothing here "
            "says that a door opened."
        )
    else:
        yield "Scans and mistakes look the same: without an opening or an entry this is no more than a lead."


def _scanned(story: Story) -> str:
    """Say how much the source of a run scanned."""
    at = int(story.facts["destinations"])
    where = "one destination" if at == 1 else f"one of {at} destinations"
    return f"{story.sources[0]} was turned away at {int(story.facts['ports'])} ports of {where}"


def _change(story: Story) -> Iterator[str]:
    """Tell of openings that only the host's own records show."""
    whom = enumerated(story.sources) or "everyone"
    at = f" at {story.door}" if story.door else ""
    yield f"The firewall of {story.target} was opened for {whom}{at} {times(len(story.findings))}."
    if story.opened:
        yield "A knock daemon made the change, and it does so only after a complete signal, so this is no scan."
    else:
        yield "What came before and after is not in the evidence: whoever made the change can say why."
    commands = dict.fromkeys(finding.command_line for finding in story.findings if finding.command_line)
    yield from (f"Command line: {command}" for command in list(commands)[:NAMES_SHOWN])


def _users(story: Story) -> Iterator[str]:
    """Say who logged in through the door, and how soon after it opened."""
    by_user: dict[str, list[str]] = {}
    for entry in story.entries:
        if entry.user:
            by_user.setdefault(entry.user, []).append(entry.source)
    for user, sources in list(by_user.items())[:NAMES_SHOWN]:
        who = enumerated(dict.fromkeys(sources))
        yield f"The log of {story.target} shows that {who} then logged in as {user} {times(len(sources))}."


def _other(story: Story) -> Iterator[str]:
    """Tell of a kind of story that has no words of its own."""
    who = f" by {enumerated(story.sources)}" if story.sources else ""
    yield f"Evidence of the kind {story.kind} on {story.target}{who}."


def _order(story: Story) -> Iterator[str]:
    """Say where the order of a signal is not known."""
    if story.sequence and not story.order_known:
        yield (
            "The order of the steps is unknown: the evidence gives them one and the same time, so they are "
            "listed by port."
        )


def _notes(story: Story) -> Iterator[str]:
    """Repeat what the detections say, each remark once: on the actors, if there are any, and what is odd first."""
    acting = [finding for finding in story.findings if finding.sources] or story.findings
    acting = sorted(
        acting,
        key=lambda finding: (
            not (finding.facts.get("replayed") or (finding.complete and not finding.conclusive))
        ),
    )
    notes = list(dict.fromkeys(_by_user(finding) for finding in acting if finding.note))
    yield from notes[:NOTES_SHOWN]
    if (more := len(notes) - NOTES_SHOWN) > 0:
        yield f"The detections make {more} more {'remarks' if more > 1 else 'remark'} of this sort."


def _by_user(finding: Finding) -> str:
    """Give a note; a user's name at its beginning keeps its small letters."""
    named = finding.user and finding.note.startswith(f"{finding.user} ")
    return f"User {finding.note}" if named else finding.note


def _begun(sentence: str) -> str:
    """Let a sentence begin with a capital."""
    if _SERVICE.match(sentence):
        return f"The service {sentence}"
    return sentence[:1].upper() + sentence[1:]


def _span(microseconds: int) -> str:
    """Write a duration with as many digits as a reader needs: 20 ms, 1.4 s, 45 s, 12 min, 3 h."""
    seconds = microseconds / 1e6
    if seconds < 0.0995:
        return f"{max(1, round(seconds * 1000))} ms"
    for unit, most, name in ((1, 120, "s"), (60, 120, "min"), (3600, 48, "h")):
        if (amount := seconds / unit) < most:
            return f"{round(amount, 1) if amount < 9.95 else round(amount):g} {name}"
    return f"{round(seconds / 86_400)} days"


def _known(story: Story, knowledge: Knowledge) -> Iterator[str]:
    """Say whom the site knows and whom it does not, where it knows some of them."""
    if not knowledge.known:
        return
    if not knowledge.unknown:
        yield "The site's configuration explains all who act here."
        return
    facts = list(dict.fromkeys(str(fact) for _, fact in knowledge.known))
    known = enumerated(actor.shown for actor, _ in knowledge.known)
    yield f"Known to the site: {known} ({enumerated(facts)})."
    unknown: Sequence[str] = [
        f"{actor.shown} (the door opened)" if actor.opened else actor.shown
        for actor in sorted(knowledge.unknown, key=lambda actor: not actor.opened)
    ]
    yield f"Not authorised{' at this door' if story.door else ''}: {enumerated(unknown)}."
    opened = any(actor.opened for actor, _ in knowledge.known)
    if opened and not any(actor.opened for actor in knowledge.unknown):
        yield "The door opened only for those who may; the others tried and were not let in."
