"""Findings to stories: which of them tell of the same door or the same actor at the same destination.

Each grouping takes the findings it can place and hands back the rest to the next, so a new kind of story is one
more function in `GROUPINGS`, before those that would take its findings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from knockwatch.cases.attempts import Knock, gather
from knockwatch.cases.callbacks import callbacks, signature_facts
from knockwatch.cases.daemons import daemons
from knockwatch.cases.doors import doors
from knockwatch.cases.hosts import Hosts, host_names, user_names
from knockwatch.cases.legs import settled
from knockwatch.cases.story import Actor, Story, by_time, kind_of, most_common, step_order
from knockwatch.cases.waiting import waiting
from knockwatch.detections import Finding, Signal
from knockwatch.detections._touch_runs import TOUCHED
from knockwatch.detections.opened_port import OPENED
from knockwatch.detections.port_scan import RULE as _SCAN

PORT_SCAN = _SCAN.id
Grouping = Callable[[list[Finding], Hosts], tuple[list[Story], list[Finding]]]


def stories(findings: Iterable[Finding], hosts: Hosts) -> Iterator[Story]:
    """Put findings together into stories; each ends up in at least one, but for log-ins and opened ports at no door."""
    rest = settled(by_time(findings), hosts)
    for grouping in GROUPINGS:
        told, rest = grouping(rest, hosts)
        yield from told


def signals(findings: list[Finding], hosts: Hosts) -> tuple[list[Story], list[Finding]]:
    """Group runs of probes by source, destination and what was sent."""
    mine, rest = _parted(findings, "signal")
    ordered = {_run(finding, hosts): sorted(finding.sequence) for finding in mine if finding.order_known}
    orders: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
    for key, steps in ordered.items():
        orders[(*key[:2], *steps)].append(key)
    groups: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for finding in mine:
        key = _run(finding, hosts)
        if not finding.order_known:
            # A run whose order nobody saw is the one run of the same steps whose order somebody saw.
            same = orders.get((*key[:2], *sorted(finding.sequence)), [])
            key = same[0] if len(same) == 1 else (*key[:2], "any order", *sorted(finding.sequence))
        groups[key].append(finding)
    scans = {finding.sources: finding for finding in mine if finding.rule == PORT_SCAN}
    return [_signal(key, group, scans, hosts) for key, group in groups.items()], rest


def clients(findings: list[Finding], hosts: Hosts) -> tuple[list[Story], list[Finding]]:
    """Group runs of knock clients by the host they ran on, the user and whom they knocked at."""
    mine, rest = _parted(findings, "client")
    groups: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for finding in mine:
        runs_on = hosts.place(finding.host, next(iter(finding.sources), None))
        key = (runs_on, (finding.user or "").lower(), finding.destination or "")
        # What general tools touched alone is another story than knocks: it may be a check.
        groups[(*key, TOUCHED) if finding.label == TOUCHED else key].append(finding)
    return [_client(key, group, hosts) for key, group in groups.items()], rest


def changes(findings: list[Finding], hosts: Hosts) -> tuple[list[Story], list[Finding]]:
    """Group changes of a firewall by host, service and by what kind of program made them.

    Ports that were opened for everybody without a door's use say nothing and end here.
    """
    mine, rest = _parted(findings, "change")
    mine = [finding for finding in mine if finding.label != OPENED]
    groups: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for finding in mine:
        place = hosts.place(finding.host, finding.destination)
        groups[place, finding.label, finding.door or ""].append(finding)
    return [_change(key, group, hosts) for key, group in groups.items()], rest


def others(findings: list[Finding], hosts: Hosts) -> tuple[list[Story], list[Finding]]:
    """Group what no other grouping took by kind, host, door and source, so that nothing is lost."""
    groups: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for finding in findings:
        place = hosts.place(finding.host, finding.destination)
        door = finding.door_name or finding.door or ""
        groups[finding.kind, place, door, *sorted(finding.sources)].append(finding)
    return [_other(key, group, hosts) for key, group in groups.items()], []


GROUPINGS: tuple[Grouping, ...] = (doors, waiting, callbacks, daemons, clients, signals, changes, others)


def _parted(findings: list[Finding], kind: str) -> tuple[list[Finding], list[Finding]]:
    """Part the findings of a kind from the others."""
    mine: list[Finding] = []
    rest: list[Finding] = []
    for finding in findings:
        (mine if finding.kind == kind else rest).append(finding)
    return mine, rest


def _run(finding: Finding, hosts: Hosts) -> tuple[str, ...]:
    """Give what a run of probes is about: from whom, at whom, which steps."""
    at = finding.destination or hosts.place(finding.host, None)
    if finding.uses:
        # It is about a place, whoever comes to it: more evidence brings more sources, not another story.
        return finding.label, at, finding.door or "", *finding.sequence
    return ", ".join(sorted(finding.sources)), at, *finding.sequence


def _signal(
    key: tuple[str, ...], findings: list[Finding], scans: Mapping[tuple[str, ...], Finding], hosts: Hosts
) -> Story:
    """Tell of one run and its repetitions, and of the scan of the same source, if it made one."""
    first = next((finding for finding in findings if finding.order_known), findings[0])
    host, destination = hosts.joined(most_common(finding.host for finding in findings), first.destination)
    sources = list(dict.fromkeys(source for finding in findings for source in finding.sources))
    return Story(
        "signal",
        key,
        findings,
        knocks=gather(knock for finding in findings for knock in Knock.each(finding)),
        actors=[Actor(source, host_names(None, source, hosts)) for source in sources],
        sources=sources,
        destination=destination,
        host=host,
        signal=first.signal or kind_of(first.sequence) or (None if first.rule == PORT_SCAN else "unknown"),
        sequence=first.sequence if first.order_known else tuple(sorted(first.sequence, key=step_order)),
        order_known=first.order_known,
        door=most_common(finding.door for finding in findings),
        facts={**signature_facts(findings), **(scans[first.sources].facts if first.sources in scans else {})},
    )


def _client(key: tuple[str, ...], findings: list[Finding], hosts: Hosts) -> Story:
    """Tell of one user's knock clients on one host, at one target."""
    host = most_common(finding.host for finding in findings)
    user = most_common(finding.user for finding in findings)
    seen = dict.fromkeys(source for finding in findings for source in finding.sources)
    sources = list(seen) or list(hosts.addresses(host))
    shown = f"{user} on {host}" if user and host else user or host or next(iter(sources), "")
    names = [*user_names(user), *host_names(host, None, hosts)]
    for source in sources:
        names += host_names(None, source, hosts)
    sequence = most_common(finding.sequence for finding in findings) or ()
    spa = any("fwknop" in (finding.command_line or "").lower() for finding in findings)
    found: Signal | None = most_common(finding.signal for finding in findings)
    acts_from = next(iter(sources), None) or host or "unknown"
    return Story(
        "client",
        key,
        findings,
        knocks=gather(Knock.of(finding, source=acts_from) for finding in findings),
        actors=[Actor(shown, tuple(names))] if names else [],
        sources=sources,
        destination=next(iter(hosts.addresses(key[2])), key[2] or None),
        host=host or hosts.name(next(iter(sources), None)),
        signal=found or kind_of(sequence) or ("spa" if spa else "unknown"),
        sequence=sequence,
        order_known=all(finding.order_known for finding in findings),
        door=most_common(finding.door for finding in findings),
    )


def _change(key: tuple[str, ...], findings: list[Finding], hosts: Hosts) -> Story:
    """Tell of openings that only the host's own records show."""
    first = findings[0]
    host, destination = hosts.joined(first.host, first.destination)
    sources = list(dict.fromkeys(source for finding in findings for source in finding.sources))
    proven = {source for finding in findings if finding.conclusive for source in finding.sources}
    return Story(
        "change",
        key,
        findings,
        knocks=gather(Knock.of(finding) for finding in findings if finding.conclusive and finding.sources),
        actors=[Actor(source, host_names(None, source, hosts), source in proven) for source in sources],
        sources=sources,
        destination=destination,
        host=host,
        signal="unknown" if proven else None,
        door=first.door,
    )


def _other(key: tuple[str, ...], findings: list[Finding], hosts: Hosts) -> Story:
    """Tell of findings of a kind that has no grouping of its own yet."""
    first = findings[0]
    host, destination = hosts.joined(most_common(finding.host for finding in findings), first.destination)
    sources = list(dict.fromkeys(source for finding in findings for source in finding.sources))
    told = [Knock.of(finding) for finding in findings if finding.leg == "signal" and finding.sources]
    return Story(
        first.kind,
        key,
        findings,
        knocks=gather(told),
        actors=[Actor(source, host_names(None, source, hosts)) for source in sources],
        sources=sources,
        destination=destination,
        host=host,
        signal=first.signal or kind_of(first.sequence),
        sequence=first.sequence,
        order_known=first.order_known,
        door=most_common(finding.door for finding in findings),
        door_name=most_common(finding.door_name for finding in findings),
    )
