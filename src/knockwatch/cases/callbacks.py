"""Stories of connections back: a packet to a host, and its connection to whoever sent it; and words for packets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from knockwatch.cases import Entry
from knockwatch.cases.attempts import Knock, gather
from knockwatch.cases.hosts import Hosts, host_names
from knockwatch.cases.legs import NEAR_US, parted
from knockwatch.cases.story import Actor, Story, by_time, most_common
from knockwatch.cases.wording import enumerated, times
from knockwatch.clock import rfc3339
from knockwatch.detections import Finding

_FACTS = ("signature", "replayed")
_SURE = {
    1: "Other programs send such packets too, so by itself it says little.",
    2: "Few other programs send such packets; whether anything waits for it, an entry or a connection back would show.",
    3: "Hardly anything else has this format; whether anything waits for it, an entry or a connection back would show.",
}


def callbacks(findings: list[Finding], hosts: Hosts) -> tuple[list[Story], list[Finding]]:
    """Tell a story for each host that connects back to those who send it a packet, and what its packets look like."""
    mine, rest = parted(findings, lambda finding: finding.kind == "callback")
    if not mine:
        return [], findings
    groups: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for finding in mine:
        groups[finding.destination or "", *finding.sequence].append(finding)
    left = []
    for finding in rest:
        key = next((key for key, group in groups.items() if any(_of(finding, told) for told in group)), None)
        if finding.kind == "signal" and key is not None:
            groups[key].append(finding)
        else:
            left.append(finding)
    return [_story(key, group, hosts) for key, group in groups.items()], left


def signature_facts(findings: Iterable[Finding]) -> dict[str, float]:
    """Give what findings of packets say of their signatures: the most trustworthy, and whether one was replayed."""
    known = {name: [f.facts[name] for f in findings if f.facts.get(name)] for name in _FACTS}
    return {name: max(values) for name, values in known.items() if values}


def tell_packet(story: Story) -> Iterator[str]:
    """Tell of a packet, or of a run, that matches a signature."""
    steps = list(dict.fromkeys(story.sequence))
    what = f"to {', '.join(steps)} of" if steps != ["icmp"] else "over ICMP to"
    again = f", {times(len(story.knocks))}" if len(story.knocks) > 1 else ""
    yield f"{enumerated(story.sources)} sent a packet {what} {story.target} whose form is known{again}."
    yield _SURE[int(story.facts["signature"])]
    if any(not finding.facts.get("payload_seen", True) for finding in story.findings):
        yield "The evidence has no payload of it: only its header matches."


def tell_callback(story: Story) -> Iterator[str]:
    """Tell of a host that connected back."""
    who = enumerated(dict.fromkeys(entry.source for entry in story.entries))
    what = ", ".join(story.sequence)
    count = times(max(1, int(story.facts.get("uses", 1))))
    yield f"{story.target} connected to {who} right after it had been sent {what}, {count}."
    if story.facts.get("exclusive"):
        yield (
            f"{story.target} has no other business with {who}, and nobody there had a session with it: a program on "
            "the host waits for such a packet and opens a shell to whoever sent it."
        )
    else:
        yield f"{story.target} connects to others as well, so this may be a coincidence."
    called = {entry.source for entry in story.entries}
    if failed := [source for source in story.sources if source not in called]:
        yield f"{enumerated(failed)} sent something similar and {'was' if len(failed) == 1 else 'were'} not called."


def _of(finding: Finding, callback: Finding) -> bool:
    """Tell whether a finding is about a packet that was answered by a connection back."""
    return finding.destination == callback.destination and any(
        use.source in finding.sources
        and use.start_us - NEAR_US <= finding.end_us
        and finding.start_us <= use.end_us + NEAR_US
        for use in callback.uses
    )


def _story(key: tuple[str, ...], findings: list[Finding], hosts: Hosts) -> Story:
    """Tell of one host and one kind of packet."""
    told = [finding for finding in findings if finding.kind == "callback"]
    uses = sorted(
        (use for finding in told for use in finding.uses), key=lambda use: (use.start_us, use.source)
    )
    sources = list(dict.fromkeys(use.source for use in uses))
    entered = [use for use in uses if use.entry_us is not None]
    called = {use.source for use in entered}
    host, destination = hosts.joined(most_common(f.host for f in findings), told[0].destination)
    packets = [finding for finding in findings if finding.facts.get("signature")]
    best = max(packets, key=lambda finding: finding.facts["signature"], default=told[0])
    return Story(
        "callback",
        key,
        by_time(findings),
        knocks=gather(knock for finding in told for knock in Knock.each(finding)),
        actors=[
            Actor(source, host_names(None, source, hosts), opened=source in called) for source in sources
        ],
        sources=sources,
        destination=destination,
        host=host,
        signal=best.signal or told[0].signal,
        sequence=told[0].sequence,
        entries=[Entry(use.entrant, rfc3339(use.entry_us), None, complete=True) for use in entered],
        facts={
            **signature_facts(findings),
            "exclusive": all(f.facts["exclusive"] for f in told),
            "uses": len(entered),
        },
    )
