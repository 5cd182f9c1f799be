"""Doors: services that are closed, and open for whoever sent a signal first.

From the contacts of a destination come its doors, each with its secret, its uses and its failed tries, and the
numbers that a score is made of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from knockwatch.config import Thresholds
from knockwatch.detections import Signal
from knockwatch.inference.innocence import mistyped, odd_ping, regular, token, unasked
from knockwatch.inference.relays import Relays
from knockwatch.inference.secrets import agreements, common, contains
from knockwatch.inference.sessions import Contact, Use, by_source, entries, tries

SPA_PORT = 62201
"""fwknop's default (fwknop's client/fwknop_common.h)."""
SPA_BYTES = range(140, 1501)
"""Lengths that fwknopd accepts (fwknop's server/fwknopd_common.h)."""
_BASE64 = re.compile(rb"[A-Za-z0-9+/=]+")


@dataclass
class Door:
    """A service found to be a door.

    Parameters
    ----------
    destination, service
        Where, as an address and ``tcp/22``.
    secret, signal
        The steps that open it, and what kind of signal they are.
    uses
        Entries whose source had sent the secret.
    failed
        Tries that resemble it and did not get in.
    closed_to
        How many other sources the service refused.
    refused_first
        In how many uses the service had refused this very source before.
    sessions, unexplained
        Distinct uses of the service altogether, and those before which nothing was sent.
    occurrences
        How often the users sent the secret, whether they then entered or not.
    chance
        Share of the destination's sessions at other services that had anything before them.
    proven
        Whether another secret of the same service is a door beyond doubt.
    relayed, coincidence
        Whether those who knocked and those who entered differ; then, how likely it is that chance made it so.
    regular
        Whether all users come as regularly as a monitor.
    """

    destination: str
    service: str
    secret: tuple[str, ...]
    signal: Signal
    uses: list[Use]
    failed: list[Use] = field(default_factory=list)
    closed_to: int = 0
    refused_first: int = 0
    sessions: int = 0
    unexplained: int = 0
    occurrences: int = 0
    chance: float | None = None
    proven: bool = False
    relayed: bool = False
    coincidence: float = 0.0
    regular: bool = False

    @property
    def unasked(self) -> bool:
        """Whether the secret is nothing but what machines send by themselves."""
        return unasked(self.secret) and not (self.odd or self.token)

    @property
    def mistyped(self) -> bool:
        """Whether the secret may be nothing but the service's port mistyped."""
        return mistyped(self.secret, self.service)

    @property
    def odd(self) -> bool:
        """Whether the signal is a ping such as no ordinary ping program sends."""
        return set(self.secret) == {"icmp"} and all(
            odd_ping(contact) for use in self.uses for contact in use.contacts
        )

    @property
    def token(self) -> bool:
        """Whether the signal is one packet with a payload that all uses have in common, as a word that opens."""
        return len(self.secret) == 1 and token(self.uses, self.secret[0])

    @property
    def signed(self) -> bool:
        """Whether a packet of the secret matches, in some use, a signature that can be trusted."""
        return any(
            contact.signed and contact.step in self.secret for use in self.uses for contact in use.contacts
        )

    @property
    def firm(self) -> bool:
        """Whether several uses agree on steps that nothing innocent explains."""
        innocent = self.relayed or self.regular or self.unasked
        return len(self.uses) > 1 and len(self.secret) > 1 and not innocent

    @property
    def order_known(self) -> bool:
        """Whether at least one use shows the order of the steps beyond doubt."""
        return any(use.order_known(self.secret) for use in self.uses)


@dataclass
class Destination:
    """What was inferred of one destination: its doors, and tries at them that resemble no secret."""

    doors: list[Door]
    strangers: dict[str, list[Use]]


def infer(contacts: pl.DataFrame, hosts: Mapping[str, str], thresholds: Thresholds) -> Iterator[Destination]:
    """Find the doors among contacts, destination by destination.

    Parameters
    ----------
    contacts
        As `knockwatch.inference.contacts.contacts` gives them.
    hosts
        Address to host name: a service that one address of a host refuses is closed at its other addresses too.
    """
    host = pl.col("destination_ip").replace(dict(hosts)).alias("host")
    refused = contacts.filter("closed").select(host, "step", "source_ip").unique()
    for (destination,), group in contacts.partition_by(
        "destination_ip", as_dict=True, maintain_order=True
    ).items():
        name = hosts.get(str(destination), destination)
        found = _infer_one(str(destination), group, refused.filter(pl.col("host") == name), thresholds)
        if found.doors:
            yield found


def _infer_one(
    destination: str, group: pl.DataFrame, refused: pl.DataFrame, thresholds: Thresholds
) -> Destination:
    """Find the doors of one destination; `refused` holds whom its host refused at which service."""
    session = pl.col("accepted_us").is_not_null() & (pl.col("step") != "icmp")
    services = group.filter(session)["step"].unique().sort()
    doors: list[Door] = []
    strangers: dict[str, list[Use]] = {}
    for service in services:
        turned_away = frozenset(refused.filter(pl.col("step") == service)["source_ip"])
        visitors = group.filter(session & (pl.col("step") == service))["source_ip"].unique()
        if not turned_away and len(visitors) > thresholds.door_rare_sessions_max:
            # Open to several and closed to nobody: an ordinary service.
            continue
        people = by_source(group.filter(pl.col("source_ip").is_in(visitors.implode())))
        uses = [use for contacts in people.values() for use in entries(contacts, service, thresholds)]
        found = _doors(destination, service, uses, group, turned_away, thresholds)
        for door in found:
            door.chance = _chance(people, service, thresholds)
            door.occurrences = _occurrences(people, door)
        if found:
            strangers[service] = _assign_tries(group, service, found, thresholds)
            doors += found
    return Destination(doors, strangers)


def _doors(
    destination: str,
    service: str,
    uses: Sequence[Use],
    group: pl.DataFrame,
    turned_away: frozenset[str],
    thresholds: Thresholds,
) -> list[Door]:
    """Tell whether a service is a door, and find its secrets."""
    signalled = [use for use in uses if use.steps]
    bare = [use for use in uses if not use.steps]
    knockers = {use.source for use in signalled}
    closed = bool(turned_away) or any(use.refused for use in uses)
    if not closed and len(uses) > thresholds.door_rare_sessions_max:
        return []
    if len(knockers) < thresholds.door_signalled_share * len({use.source for use in uses}):
        signalled = []
    doors = []
    for agreement in agreements([use.steps for use in signalled]) if signalled else []:
        members = [signalled[index] for index in agreement.uses]
        users = {use.source for use in members}
        doors.append(
            Door(
                destination,
                service,
                agreement.steps,
                signal_of(agreement.steps, members),
                members,
                closed_to=len(turned_away - users),
                refused_first=sum(use.refused is not None for use in members),
                sessions=len(uses),
                unexplained=len(bare),
            )
        )
    if not doors:
        doors = _relayed(destination, service, bare, group, turned_away, thresholds)
    if not closed:
        # Nothing shows that it was ever shut: only a long signal, or one that is known, before a service that nobody
        # else uses is worth a word.
        doors = [door for door in doors if door.signed or len(door.secret) >= thresholds.sequence_ports_min]
    for door in doors:
        door.regular = regular(door.uses, thresholds)
    firm = [door for door in doors if door.firm]
    for door in doors:
        door.proven = any(other is not door for other in firm)
    return doors


def signal_of(secret: Sequence[str], uses: Sequence[Use]) -> Signal:
    """Say what kind of signal a secret is, from its steps and, for single packets, their size."""
    lengths = {
        contact.payload_length
        for use in uses
        for contact in use.contacts
        if contact.step in secret and contact.payload_length is not None
    }
    large = bool(lengths) and all(length in SPA_BYTES for length in lengths)
    if all(step == "icmp" for step in secret):
        return "spa" if len(secret) == 1 and large and _encoded(uses) else "icmp"
    if len(secret) == 1 and token(uses, secret[0]):
        return "magic-packet"
    if len(secret) == 1 and (large or (not lengths and secret[0] == f"udp/{SPA_PORT}")):
        return "spa"
    return "sequence"


def _encoded(uses: Sequence[Use]) -> bool:
    """Tell whether all pings may carry base 64, as fwknop's do: others are large for other reasons."""
    heads = [contact.payload_head for use in uses for contact in use.contacts if contact.step == "icmp"]
    return all(_BASE64.fullmatch(bytes.fromhex(head)) for head in heads if head)


def _relayed(
    destination: str,
    service: str,
    bare: Sequence[Use],
    group: pl.DataFrame,
    turned_away: frozenset[str],
    thresholds: Thresholds,
) -> list[Door]:
    """Find doors that somebody else's signal opened: another address, or one for each step."""
    return [
        Door(
            destination,
            service,
            steps,
            signal_of(steps, uses),
            uses,
            closed_to=len(turned_away),
            sessions=len(bare),
            relayed=True,
            coincidence=coincidence,
        )
        for steps, uses, coincidence in Relays(group, service, thresholds).secrets(bare)
    ]


def _chance(people: Mapping[str, Sequence[Contact]], service: str, thresholds: Thresholds) -> float | None:
    """Work out how often visits of the same people to other services had anything sent before them."""
    others = {contact.step for contacts in people.values() for contact in contacts if contact.session} - {
        service
    }
    visits = [
        bool(use.steps)
        for contacts in people.values()
        for other in others
        for use in entries(contacts, other, thresholds)
    ]
    return sum(visits) / len(visits) if visits else None


def _occurrences(people: Mapping[str, Sequence[Contact]], door: Door) -> int:
    """Count how often the users sent the secret's last step, whether or not they then entered."""
    users = {use.source for use in door.uses}
    return sum(
        contact.step == door.secret[-1] and not contact.session
        for source, contacts in people.items()
        if source in users
        for contact in contacts
    )


def _assign_tries(
    group: pl.DataFrame, service: str, doors: Sequence[Door], thresholds: Thresholds
) -> list[Use]:
    """Give each failed try to the door whose secret it resembles; return the tries that resemble none."""
    known = {step for door in doors for step in door.secret} | {service}
    session = pl.col("accepted_us").is_not_null() & (pl.col("step") != "icmp")
    touching = group.filter(pl.col("step").is_in(list(known)) & ~session)["source_ip"].unique()
    strangers: list[Use] = []
    people = by_source(group.filter(pl.col("source_ip").is_in(touching.implode())))
    for contacts in people.values():
        for use in tries(contacts, service, thresholds):
            door = _resembled(use, doors, thresholds)
            if door:
                door.failed.append(use)
            elif use.refused:
                strangers.append(use)
    return strangers


def _resembled(use: Use, doors: Sequence[Door], thresholds: Thresholds) -> Door | None:
    """Find the door whose secret a try resembles; a scan resembles none.

    The whole secret in order is a try. Less counts only where the door was tried afterwards: two steps in common
    or half of them, in any order. An ordinary ping is nobody's signal.
    """
    if len(set(use.steps)) > thresholds.sequence_probes_max:
        return None
    scored = []
    for door in doors:
        whole = contains(use.steps, door.secret)
        shared = len(set(use.steps) & set(door.secret))
        if door.signal == "icmp" and not all(odd_ping(contact) for contact in use.contacts):
            continue
        enough = max(2, (len(set(door.secret)) + 1) // 2)
        if (whole and len(door.secret) > 2) or (use.refused and (whole or shared >= enough)):
            scored.append((len(common(use.steps, door.secret)) / len(door.secret), shared, door))
    return max(scored, key=lambda item: item[:2])[2] if scored else None
