"""Stories of doors: what the inference found, with what daemons, firewalls and clients say of the same knocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_network

from knockwatch.cases import Entry
from knockwatch.cases.attempts import MINUTE_US, Knock, resolution
from knockwatch.cases.configured import ConfiguredDoor, configured_doors, is_configured
from knockwatch.cases.daemons import passing
from knockwatch.cases.hosts import Hosts, host_names
from knockwatch.cases.legs import ENTERS_WITHIN_US, NEAR_US, Openings, entry, is_log_in, parted
from knockwatch.cases.story import Actor, Story, by_time, most_common
from knockwatch.clock import rfc3339
from knockwatch.detections import Finding, Signal, Use
from knockwatch.detections._signatures import TRUST
from knockwatch.detections.packet_signal import RULE as _PACKET
from knockwatch.inference.secrets import contains

INSIDE = tuple(ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
"""Private addresses; the documentation's, which Python calls private too, are none."""


def doors(findings: list[Finding], hosts: Hosts) -> tuple[list[Story], list[Finding]]:
    """Tell a story for each inferred door, and let it take in what others say of the same knocks.

    A daemon's lines, a firewall's changes, runs of denied ports and knock clients are about a door where they name
    one of its users, its host, and a time at which that user used it or tried. What a daemon says of the same door
    of its own about sources that nobody else saw follows those. Log-ins tell the names of those who entered. What a
    configuration says of a door belongs to the door that was inferred, if there is one; else it is a door without uses.
    """
    doors_told = [finding for finding in findings if finding.kind == "door"]
    rest = [finding for finding in findings if finding.kind != "door"]
    if not doors_told:
        return [], findings
    tellings = [_Telling(finding, hosts) for finding in doors_told if not is_configured(finding)]
    tellings = _with_configured(tellings, configured_doors(filter(is_configured, doors_told), hosts), hosts)
    log_ins, rest = parted(rest, is_log_in)
    names: dict[tuple[str, str], list[_Telling]] = defaultdict(list)
    for known in tellings:
        for name in known.names:
            names[known.place, name].append(known)
    left: list[Finding] = []
    for finding in rest:
        telling = next((known for known in tellings if known.covers(finding)), None)
        if telling is None:
            left.append(finding)
            continue
        telling.others.append(finding)
        if finding.kind == "daemon" and finding.door_name:
            names[hosts.place(finding.host, finding.destination), finding.door_name].append(telling)
    passers_by = passing(finding for finding in rest if finding.kind == "daemon")
    final: list[Finding] = []
    for finding in left:
        followed = names.get((hosts.place(finding.host, finding.destination), finding.door_name or ""))
        if finding.kind == "daemon" and finding.door_name and followed and finding not in passers_by:
            most = max(followed, key=lambda telling: (followed.count(telling), telling.finding.destination))
            most.others.append(finding)
        else:
            final.append(finding)
    log_ins = [log_in for log_in in log_ins if not any(telling.names_user(log_in) for telling in tellings)]
    openings = Openings(dict(enumerate(telling.unseen() for telling in tellings)), hosts)
    entered, log_ins = openings.entered(log_ins)
    changed, changes = openings.changed(finding for finding in final if finding.kind == "change")
    for index, telling in enumerate(tellings):
        telling.log_ins += entered.get(index, [])
        telling.others += changed.get(index, [])
    final = [finding for finding in final if finding.kind != "change"]
    return [telling.story() for telling in tellings], by_time([*final, *changes, *log_ins])


def _with_configured(
    tellings: list[_Telling], configured: Iterable[ConfiguredDoor], hosts: Hosts
) -> list[_Telling]:
    """Give each configured door to the inferred ones it is behind, or a telling of its own."""
    alone: list[_Telling] = []
    for door in configured:
        behind = [telling for telling in tellings if door.is_behind(telling.finding, telling.place)]
        for telling in behind:
            telling.configured.append(door)
        if not behind:
            alone.append(_Telling(door.finding(hosts), hosts, door))
    return tellings + alone


class _Telling:
    """One inferred door, or one that only a configuration tells of, and what else is said of it."""

    def __init__(self, finding: Finding, hosts: Hosts, configured: ConfiguredDoor | None = None) -> None:
        self.finding = finding
        self.hosts = hosts
        self.configured = [configured] if configured else []
        self.place = hosts.place(finding.host, finding.destination)
        self.others: list[Finding] = []
        self.log_ins: list[Finding] = []
        self.users: dict[Use, Finding] = {}
        self.uses: dict[str, list[Use]] = defaultdict(list)
        for use in finding.uses:
            for source in {use.source, use.entrant}:
                self.uses[source].append(use)

    @property
    def names(self) -> set[str]:
        """What configurations call the door."""
        said = (finding.door_name for door in self.configured for finding in door.findings)
        return {name for name in said if name}

    def secret(self) -> Finding:
        """Give the finding whose steps are the secret: a configuration has it exactly."""
        exact = [door.secret for door in self.configured if door.secret.sequence and door.secret.order_known]
        return exact[0] if len(exact) == 1 and self.finding.signal == "sequence" else self.finding

    def covers(self, finding: Finding) -> bool:
        """Tell whether a finding speaks of a knock at this door."""
        if self.hosts.place(_target_host(finding), finding.destination) not in {"", self.place}:
            return False
        if finding.kind == "client":
            # A client's command names its target and its steps; the address it knocks from may be translated.
            return bool(finding.sequence) and any(
                contains(use.steps, finding.sequence) and _near(use, finding) for use in self.finding.uses
            )
        if finding.kind not in {"daemon", "signal", "change"} or finding.rule == self.finding.rule:
            return False
        if finding.door and self.finding.door and finding.door != self.finding.door:
            return False
        if not finding.sources:
            # A firewall that lets in everyone; a daemon's word without a source is about no use.
            return finding.kind == "change" and any(_near(use, finding) for use in self.finding.uses)
        return any(_near(use, finding) for source in finding.sources for use in self.uses.get(source, ()))

    def names_user(self, log_in: Finding) -> bool:
        """Take in a log-in through this door, if it is one: it names the user of the nearest entry."""
        if self.place != self.hosts.place(log_in.host, log_in.destination):
            return False
        entries = [
            use
            for source in log_in.sources
            for use in self.uses.get(source, ())
            if use.entry_us is not None
            and use.entrant == source
            and use not in self.users
            and -NEAR_US <= log_in.start_us - use.entry_us <= ENTERS_WITHIN_US
        ]
        if not entries or not (self.finding.door or "tcp/").startswith("tcp/"):
            return False
        nearest = min(entries, key=lambda use: abs(log_in.start_us - (use.entry_us or 0)))
        self.users[nearest] = log_in
        return True

    def unseen(self) -> list[Finding]:
        """Give what daemons say of uses that no connection tells of."""
        return [
            other
            for other in self.others
            if other.kind == "daemon"
            and not any(
                use.entry_us is not None and _near(use, other)
                for source in other.sources
                for use in self.uses.get(source, ())
            )
        ]

    def story(self) -> Story:
        """Put it together."""
        door = self.finding
        conclusive = [other for other in self.others if other.conclusive]
        opened = {source for other in conclusive for source in other.sources} | {
            use.entrant for use in door.uses if use.entry_us is not None
        }
        knocks = self._knocks()
        entrants = [use.entrant for use in door.uses]
        sources = dict.fromkeys([*door.sources, *(knock.source for knock in knocks), *entrants])
        host, destination = self.hosts.joined(door.host, door.destination)
        secret, said = self.secret(), [finding for known in self.configured for finding in known.findings]
        inferred = [door] if door.uses else []
        return Story(
            "door",
            (destination or self.place, door.door or "", door.signal or "", *secret.sequence),
            by_time([*inferred, *said, *self.others, *self.log_ins, *self.users.values()]),
            knocks=knocks,
            actors=[
                Actor(source, host_names(None, source, self.hosts), source in opened) for source in sources
            ],
            sources=list(sources),
            destination=destination,
            host=host,
            signal=self._signal(secret.sequence),
            sequence=secret.sequence,
            order_known=secret.order_known or len(secret.sequence) < 2,
            door=door.door,
            door_name=most_common(other.door_name for other in (*self.others, *said)),
            entries=self._entries(),
            facts={**(said[0].facts if said else {}), **door.facts},
        )

    def _signal(self, secret: tuple[str, ...]) -> Signal | None:
        """Say what kind of signal it is: a packet that opened it tells better than its port and size."""
        if len(set(secret)) != 1:
            return self.finding.signal
        told = [
            other.signal
            for other in self.others
            if other.rule == _PACKET.id
            and other.facts["signature"] > TRUST["low"]
            and any(use.entry_us is not None for source in other.sources for use in self.uses.get(source, ()))
        ]
        return most_common(told) or self.finding.signal

    def _entries(self) -> list[Entry]:
        """List who got in: by the connections, and by log-ins where those show none."""
        timed = [
            (
                use.entry_us,
                Entry(use.entrant, rfc3339(use.entry_us), None, complete=True, user=self._user(use)),
            )
            for use in self.finding.uses
            if use.entry_us is not None
        ]
        timed += [(log_in.start_us, entry(log_in)) for log_in in self.log_ins]
        return [told for _, told in sorted(timed, key=lambda told: told[0])]

    def _user(self, use: Use) -> str | None:
        """Name who logged in at an entry."""
        log_in = self.users.get(use)
        return log_in.user if log_in else None

    def _knocks(self) -> list[Knock]:
        """Give the uses as attempts, and those attempts of the daemon's that no use tells of."""
        knocks = Knock.each(self.finding) if self.finding.uses else []
        for other in self.others:
            if other.kind != "daemon":
                continue
            knocks += [
                replace(Knock.of(other), source=source)
                for source in other.sources
                if not any(_near(use, other) for use in self.uses.get(source, ()))
            ]
        return _distinct(knocks)


def _distinct(knocks: Iterable[Knock]) -> list[Knock]:
    """Keep one of the attempts that several files tell of in the same way, by time."""
    kept: list[Knock] = []
    for knock in sorted(knocks, key=lambda knock: (knock.start_us, knock.source, knock.sent)):
        twin = next(
            (
                known
                for known in reversed(kept[-8:])
                if known.source == knock.source
                and known.sent == knock.sent
                and known.complete == knock.complete
                and known.files.isdisjoint(knock.files)
                and abs(known.start_us - knock.start_us) <= NEAR_US
            ),
            None,
        )
        if twin is None:
            kept.append(knock)
        else:
            twin.files |= knock.files
    return kept


def _target_host(finding: Finding) -> str | None:
    """Give the host a finding is about; a client's own host is not the one it knocks at."""
    return None if finding.kind == "client" else finding.host


def _near(use: Use, finding: Finding) -> bool:
    """Tell whether a finding lies at the time of a use, as far as its clock can say."""
    coarse = MINUTE_US if resolution(finding.start_us) == MINUTE_US else NEAR_US
    end = max(use.end_us, use.entry_us or use.end_us)
    return use.start_us - coarse <= finding.end_us and finding.start_us <= end + coarse


def lateral(story: Story) -> bool:
    """Tell whether both who entered and where are a site's inside (RFC 1918, RFC 4193): then someone is in already."""
    entrants = [entry.source for entry in story.entries]
    return bool(entrants and story.destination) and all(map(_inside, [str(story.destination), *entrants]))


def _inside(address: str) -> bool:
    """Tell whether an address is a private one."""
    known = ip_address(address)
    return any(known.version == network.version and known in network for network in INSIDE)
