"""Stories of what waits on a host: programs that see packets, odd listeners, implants' files; grouped, judged, told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from knockwatch.cases import Confidence
from knockwatch.cases.hosts import Hosts
from knockwatch.cases.score import Part, Verdict
from knockwatch.cases.story import Story, most_common
from knockwatch.detections import Finding, Level
from knockwatch.detections.late_listener import RULE as _LISTENER
from knockwatch.hoststate.facts import (
    DELETED,
    KERNEL_NAME,
    MEMORY_ONLY,
    ODDITIES,
    OTHER_PROGRAM,
    QUIET,
    TEMPORARY,
)

LATE_LISTENER = _LISTENER.id
SEES = 10
"""To see packets is what many programs do."""
TRACES = {1.0: 10, 2.0: 25, 3.0: 60}
"""An implant's constant, file or name, by how far it can be trusted."""
HIDDEN = 30
"""A socket whose owner cannot be found, though all processes could be looked at."""
ODD: dict[str, int] = {
    KERNEL_NAME: 50, MEMORY_ONLY: 40, DELETED: 30, OTHER_PROGRAM: 30, TEMPORARY: 25, QUIET: 25,
}  # fmt: skip
"""Hiding has no innocent reason in a program that waits, but updates delete programs that run."""
DEEP = 25
"""A filter that compares payloads."""
PORTS = 15
"""A filter that names ports."""
UNKNOWN = 10
"""A program that is not known to see packets."""
UNEXPECTED = 20
"""A known program whose filter waits for something else than it should."""
LATE = 15
SHELL = 30
"""A shell that listens."""
CERTAIN = 50
"""Score from which on a case is certain enough for high confidence."""
ALERT = 35
"""A score that several weak signs do not reach, and that one thing which has no innocent reason does."""


def is_waiting(story: Story) -> bool:
    """Tell whether a story is of this sort."""
    return story.kind == "sniffer" or all(finding.rule == LATE_LISTENER for finding in story.findings)


def waiting(findings: list[Finding], hosts: Hosts) -> tuple[list[Story], list[Finding]]:
    """Group what waits by host, program, and what it waits for."""
    groups: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    rest: list[Finding] = []
    for finding in findings:
        if finding.kind != "sniffer" and finding.rule != LATE_LISTENER:
            rest.append(finding)
            continue
        place = hosts.place(finding.host, finding.destination)
        name = finding.door_name or ""
        groups[finding.kind, place, name, finding.door or "", *finding.sequence].append(finding)
    return [_story(key, group, hosts) for key, group in groups.items()], rest


def _story(key: tuple[str, ...], findings: list[Finding], hosts: Hosts) -> Story:
    """Tell of one program."""
    first = findings[0]
    host, destination = hosts.joined(most_common(finding.host for finding in findings), first.destination)
    facts: dict[str, float] = {}
    for finding in findings:
        for name, value in finding.facts.items():
            facts[name] = max(value, facts.get(name, 0.0))
    return Story(
        first.kind,
        key[1:],
        findings,
        destination=destination,
        host=host,
        signal=first.signal,
        sequence=first.sequence,
        order_known=first.order_known,
        door=first.door,
        door_name=first.door_name,
        facts=facts,
    )


def judge_waiting(story: Story) -> Verdict:
    """Judge what waits by what it waits for and whether it hides."""
    parts = tuple(_parts(story))
    score = sum(points for _, points in parts)
    if score < ALERT:
        return Verdict("lead", "low", "low", parts)
    severity: Level = "critical" if story.facts.get("trace", 0) > 1 and score > CERTAIN else "high"
    confidence: Confidence = "high" if score >= CERTAIN else "medium"
    return Verdict("alert", severity, confidence, parts)


def _parts(story: Story) -> Iterator[Part]:
    """List what counts."""
    facts = story.facts
    expected = any(facts.get(role) for role in ("knock-daemon", "service", "monitor", "capture"))
    # A known program that is gone from the disk was most likely replaced under another path.
    yield from (
        (ODDITIES[fact], points // 2 if expected and fact == DELETED else points)
        for fact, points in ODD.items()
        if facts.get(fact)
    )
    unknown = facts.get("sees") and not (expected or facts.get("bpf"))
    weighed = (
        (facts.get("sees"), "it sees packets before the firewall", SEES),
        (facts.get("trace"), "an implant is known by this", TRACES.get(facts.get("trace", 0), 0)),
        (facts.get("hidden"), "no process was found that owns it", HIDDEN),
        (
            facts.get("unexpected"),
            "its filter waits for something else than a program of its name does",
            UNEXPECTED,
        ),
        (unknown, "it is not known to be a program that needs to", UNKNOWN),
        (unknown and facts.get("constants"), "its filter compares what packets hold", DEEP),
        (unknown and facts.get("steps"), "its filter waits for single ports, or for ICMP", PORTS),
        (facts.get("listens"), "it listens", SEES),
        (facts.get("late"), "long after the boot, started by a shell or a service", LATE),
        (facts.get("shell"), "a shell listens", SHELL),
    )
    yield from ((words, points) for holds, words, points in weighed if holds)


def tell_waiting(story: Story) -> Iterator[str]:
    """Say what waits, what for, and what it is known as."""
    if story.facts.get("file"):
        yield f"A file on {story.target} is known to be left by an implant."
    elif story.kind == "change":
        yield f"The program {story.door_name} listens at {story.door} of {story.target}."
    else:
        # Several filters of one program, or of its copies, are one story.
        what = f", waiting for {', '.join(story.sequence)}" if story.sequence else ""
        who = f"The program {story.door_name}" if story.door_name else "A process"
        yield f"{who} on {story.target} sees packets before the firewall does{what}."
    if story.facts.get("knock-daemon"):
        yield "It is a knock daemon by its name; the doors it opens are cases of their own."
    elif story.facts.get("capture"):
        yield "By its name it is a tool that somebody uses by hand: ask who captures, and what for."
    texts = dict.fromkeys(finding.command_line for finding in story.findings if finding.command_line)
    yield from (f"Program and command line: {text}" for text in list(texts)[:3])


def wanted(story: Story) -> list[str]:
    """Say what would settle it."""
    if story.facts.get("file"):
        return [f"who made the file, and whether a process of {story.target} sees packets"]
    told = [f"what the program is: its file, hash and package, and who started it on {story.target}"]
    if not any(finding.command_line for finding in story.findings):
        told.append("its command line and program: run knockwatch host as root there")
    if story.kind == "sniffer" and not story.sequence and not story.facts.get("constants"):
        told.append("what it waits for: its filter, which ss -0pb shows to root")
    return told
