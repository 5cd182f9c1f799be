"""Stories that a knock daemon tells of itself: one for each door of each host, by whomever it was tried."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from knockwatch.cases import Entry
from knockwatch.cases.attempts import MINUTE_US, Knock, gather
from knockwatch.cases.hosts import Hosts, host_names
from knockwatch.cases.legs import Openings, entry, is_log_in, parted
from knockwatch.cases.story import Actor, Story, by_time, kind_of, most_common
from knockwatch.detections import Finding, Signal

RUNNING_LINES = 3
"""Lines that show, in the case of a door, that its daemon runs: more would crowd out its use."""
STAGES_MEANT = 2
"""Stages reached from which a try is taken for one: the first is hit by chance."""
Key = tuple[str, str]
"""The host a daemon runs on and what it calls the door; empty where a line names none."""


def daemons(findings: list[Finding], hosts: Hosts) -> tuple[list[Story], list[Finding]]:
    """Group what knock daemons say by the host and the door they say it of.

    Lines that name no door (an SPA packet without an answer) join the one at which the same source was seen within
    the same minute. What daemons say of themselves (starting, stopping) goes with every door of their host; a host
    with none is a story of a daemon that merely runs. Log-ins right after an opening are its entries, other log-ins
    are nothing; firewall changes that let in whom the daemon opened for are part of the opening.
    """
    log_ins, findings = parted(findings, is_log_in)
    changes, findings = parted(findings, lambda finding: finding.kind == "change")
    doors: dict[Key, list[Finding]] = defaultdict(list)
    running: dict[str, list[Finding]] = defaultdict(list)
    touched: dict[str, list[Finding]] = defaultdict(list)
    rest: list[Finding] = []
    passers_by = passing(finding for finding in findings if finding.kind == "daemon")
    for finding in findings:
        if finding.kind != "daemon":
            rest.append(finding)
            continue
        place = hosts.place(finding.host, finding.destination)
        if finding in passers_by:
            touched[place].append(finding)
            continue
        name = finding.door_name or finding.door or ""
        if name or finding.sources or finding.conclusive:
            doors[place, name].append(finding)
        else:
            running[place].append(finding)
    _adopt(doors)
    openings = Openings({key: group for key, group in doors.items() if group}, hosts)
    entered, _ = openings.entered(log_ins)
    changed, others = openings.changed(changes)
    rest += others
    shown = {
        place: [replace(finding, pointers=finding.pointers[:RUNNING_LINES]) for finding in group]
        for place, group in running.items()
    }
    told = [
        _door(
            key,
            by_time([*group, *shown.get(key[0], ())]),
            hosts,
            log_ins=entered.get(key, ()),
            changes=changed.get(key, ()),
        )
        for key, group in doors.items()
    ]
    with_doors = {place for place, _ in doors}
    told += [_touched(place, group, hosts) for place, group in touched.items()]
    told += [_running(place, group, hosts) for place, group in running.items() if place not in with_doors]
    return told, rest


def passing(findings: Iterable[Finding]) -> set[Finding]:
    """Find the tries of those who merely touched a door.

    One step of a sequence is what every scanner hits in time, and one who begins several doors of a host at once
    knows none of them. They belong in no alert about a door that others opened.
    """
    known = list(findings)
    opened = {
        source for finding in known if finding.conclusive or finding.complete for source in finding.sources
    }
    begun: dict[str, set[str]] = defaultdict(set)
    for finding in known:
        for source in finding.sources:
            if finding.door_name:
                begun[source].add(finding.door_name)
    return {
        finding
        for finding in known
        if finding.facts.get("stage")
        and not finding.complete
        and opened.isdisjoint(finding.sources)
        and (
            finding.facts["stage"] < STAGES_MEANT or any(len(begun[source]) > 1 for source in finding.sources)
        )
    }


def _touched(place: str, findings: list[Finding], hosts: Hosts) -> Story:
    """Tell of all who touched the doors of one host in passing."""
    told = by_time(findings)
    host, destination = hosts.joined(
        most_common(finding.host for finding in told), most_common(finding.destination for finding in told)
    )
    sources = list(dict.fromkeys(source for finding in told for source in finding.sources))
    return Story(
        "daemon",
        (place, "touched in passing"),
        told,
        knocks=gather(Knock.of(finding) for finding in told),
        actors=[Actor(source, host_names(None, source, hosts)) for source in sources],
        sources=sources,
        destination=destination,
        host=host,
        signal="sequence",
        door=most_common(finding.door for finding in told),
    )


def _adopt(doors: dict[Key, list[Finding]]) -> None:
    """Give the lines that name a host but no door to the one door that they must speak of."""
    family: dict[str, list[Key]] = defaultdict(list)
    for place, name in doors:
        if place and name:
            family[place].append((place, name))
    for orphan in [key for key in doors if key[0] and not key[1]]:
        meeting = [key for key in family[orphan[0]] if _meet(doors[orphan], doors[key])]
        if len(meeting) == 1:
            doors[meeting[0]] = by_time([*doors[meeting[0]], *doors.pop(orphan)])


def _meet(some: list[Finding], others: list[Finding]) -> bool:
    """Tell whether both speak of one source within a minute."""
    times: dict[str, list[int]] = defaultdict(list)
    for finding in others:
        for source in finding.sources:
            times[source].append(finding.end_us)
    for known in times.values():
        known.sort()
    for finding in some:
        for source in finding.sources:
            known = times.get(source, [])
            index = bisect_left(known, finding.end_us - MINUTE_US)
            if index < len(known) and known[index] <= finding.end_us + MINUTE_US:
                return True
    return False


def _door(
    key: Key,
    findings: list[Finding],
    hosts: Hosts,
    *,
    log_ins: Sequence[Finding] = (),
    changes: Sequence[Finding] = (),
) -> Story:
    """Tell of one door, all who tried it, and who got in."""
    place, name = key
    host, destination = hosts.joined(
        most_common(finding.host for finding in findings),
        most_common(finding.destination for finding in findings),
    )
    knocks = gather(Knock.of(finding) for finding in findings if finding.sources)
    sources = dict.fromkeys(source for finding in findings for source in finding.sources)
    opened = {source for finding in findings if finding.conclusive for source in finding.sources}
    complete = (finding for finding in findings if finding.complete or finding.conclusive)
    sequence = most_common(finding.sequence for finding in complete) or ()
    return Story(
        "daemon",
        (place or destination or "", name),
        by_time([*findings, *log_ins, *changes]),
        knocks=knocks,
        actors=[Actor(source, host_names(None, source, hosts), source in opened) for source in sources],
        sources=list(sources),
        destination=destination,
        host=host,
        signal=_signal_of(sequence, findings),
        sequence=sequence,
        order_known=all(finding.order_known for finding in findings if finding.sequence == sequence),
        door=most_common(finding.door for finding in [*findings, *changes]),
        door_name=most_common(finding.door_name for finding in findings),
        entries=_entries(findings, log_ins),
    )


def _entries(findings: Sequence[Finding], log_ins: Sequence[Finding]) -> list[Entry]:
    """List the log-ins, and those entries that the daemon itself tells of and no log-in does."""
    logged_in = {source for finding in log_ins for source in finding.sources}
    own = [
        finding
        for finding in findings
        if finding.leg == "entry" and finding.sources and logged_in.isdisjoint(finding.sources)
    ]
    return [entry(finding) for finding in by_time([*own, *log_ins])]


def _running(place: str, findings: list[Finding], hosts: Hosts) -> Story:
    """Tell of a daemon that runs and that nobody was seen to use."""
    host, destination = hosts.joined(
        most_common(finding.host for finding in findings),
        most_common(finding.destination for finding in findings),
    )
    return Story("daemon", (place, "running"), findings, destination=destination, host=host)


def _signal_of(sequence: tuple[str, ...], findings: list[Finding]) -> Signal:
    """Tell which signal a door takes: as found, else by the daemon, of which fwknopd alone takes SPA packets."""
    found: Signal | None = most_common(finding.signal for finding in findings)
    if known := found or kind_of(sequence):
        return known
    # What daemons say of themselves names no source, and may be of another daemon on the same host.
    words = " ".join(f"{told.label} {told.door_name or ''} {told.note}" for told in findings if told.sources)
    if "fwknop" in words.lower() or "SPA" in words:
        return "spa"
    return "sequence" if any(finding.door_name for finding in findings) else "unknown"
