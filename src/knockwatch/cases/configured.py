"""Doors that configurations name: which findings are of one door, and which inferred door it is; no verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from knockwatch.cases.hosts import Hosts
from knockwatch.cases.story import most_common
from knockwatch.detections import Finding
from knockwatch.inference.secrets import contains

CERTAIN_STEPS = 2
"""Steps from which on an equal sequence tells that two doors are one, even where a host is not named."""


def is_configured(finding: Finding) -> bool:
    """Tell whether a finding is of a door that a configuration names, and not of its uses."""
    return finding.kind == "door" and not finding.uses


@dataclass
class ConfiguredDoor:
    """One door of one host, by all that its configurations say.

    Parameters
    ----------
    place
        The host, in one word; empty where nothing names it.
    findings
        What they say.
    """

    place: str
    findings: list[Finding] = field(default_factory=list)

    @property
    def signal(self) -> str | None:
        """What kind of signal opens it."""
        return self.findings[0].signal

    @property
    def door(self) -> str | None:
        """What opens."""
        return most_common(finding.door for finding in self.findings)

    @property
    def secret(self) -> Finding:
        """The finding that tells the steps best: in their order, rather than not."""
        return max(self.findings, key=lambda finding: (bool(finding.sequence), finding.order_known))

    def is_also(self, finding: Finding, place: str) -> bool:
        """Tell whether another configuration's finding is of this door."""
        same = place == self.place and finding.signal == self.signal
        return same and _agree(finding.door, self.door) and _same_steps(finding, self.secret)

    def is_behind(self, inferred: Finding, place: str) -> bool:
        """Tell whether an inferred door is this one: the same host, service and signal, decoys or gaps allowed."""
        if inferred.signal != self.signal or not _agree(inferred.door, self.door):
            return False
        told, seen = self.secret.sequence, inferred.sequence
        if self.place != place:
            unnamed = "" in {self.place, place}
            return unnamed and self.door is not None and told == seen and len(told) >= CERTAIN_STEPS
        if self.signal != "sequence" or _same_steps(inferred, self.secret):
            return True
        return contains(seen, told) or (len(seen) >= CERTAIN_STEPS and contains(told, seen))

    def finding(self, hosts: Hosts) -> Finding:
        """Give all that is said as one finding."""
        secret = self.secret
        host = most_common(finding.host for finding in self.findings)
        addresses = Counter(finding.destination for finding in self.findings if finding.destination)
        version = next(
            (finding.facts["ip_version"] for finding in self.findings if "ip_version" in finding.facts), 4
        )
        known = sorted(addresses, key=lambda address: (ip_address(address).version != 4, address))
        named = [address for address in hosts.addresses(host) if ip_address(address).version == version]
        return replace(
            secret,
            host=host,
            destination=next(iter([*known, *named]), None),
            door=self.door,
            door_name=most_common(finding.door_name for finding in self.findings),
            facts={name: value for finding in self.findings for name, value in finding.facts.items()},
            pointers=tuple(
                dict.fromkeys(pointer for finding in self.findings for pointer in finding.pointers)
            ),
        )


def configured_doors(findings: Iterable[Finding], hosts: Hosts) -> list[ConfiguredDoor]:
    """Put together what several configurations, files and moments say of one door."""
    doors: list[ConfiguredDoor] = []
    by_place: dict[str, list[ConfiguredDoor]] = {}
    # Who says what opens comes first: who only waits for the signal then joins.
    for finding in sorted(findings, key=lambda finding: (finding.door is None, not finding.sequence)):
        place = hosts.place(finding.host, finding.destination)
        known = [door for door in by_place.setdefault(place, []) if door.is_also(finding, place)]
        if not known:
            known = [ConfiguredDoor(place)]
            by_place[place] += known
            doors += known
        for door in known:
            door.findings.append(finding)
    return doors


def _agree(one: str | None, other: str | None) -> bool:
    """Tell whether two may be the same: equal, or one of them unknown."""
    return one is None or other is None or one == other


def _same_steps(one: Finding, other: Finding) -> bool:
    """Tell whether two findings tell the same steps, as far as both know their order; SPA has none to compare."""
    if one.signal == "spa" and not (one.sequence and other.sequence):
        return True
    if one.order_known and other.order_known:
        return one.sequence == other.sequence
    return Counter(one.sequence) == Counter(other.sequence)
