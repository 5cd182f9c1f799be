"""What the site knows of the actors and doors of a case; it explains a case and never takes anything away from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from knockwatch.cases.hosts import Hosts, host_names
from knockwatch.cases.story import Actor, Story
from knockwatch.config import Config, Door
from knockwatch.entries import network_of

Address = IPv4Address | IPv6Address

WHO_MAY_KNOCK = ("administrators", "developers")
"""Whom the site expects to open doors; they explain everything."""
WHO_PROBES = ("scanners", "monitors", "load_balancers")
"""Who sends probes all day, but opens no door: they explain everything but an opening."""


@dataclass(frozen=True)
class Fact:
    """One line of the configuration that explains an actor or a door."""

    where: str
    key: str
    entry: str

    def __str__(self) -> str:
        """Name the line, as in ``knockwatch.toml:12: context.scanners = 198.51.100.130``."""
        return f"{self.where}: {self.key} = {self.entry}"


class _Entries:
    """Entries of lists, found by an address in any of their networks or by a name.

    Networks are kept by their prefix length, so a look-up costs one step for each length in use, not for each network.
    """

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts
        self.networks: dict[tuple[int, int], dict[int, Fact]] = defaultdict(dict)
        self.names: dict[str, Fact] = {}

    def add(self, entry: str, fact: Fact) -> None:
        network = network_of(entry)
        if network is None:
            self.names.setdefault(entry.lower(), fact)
            for address in self.hosts.addresses(entry):
                self.add(address, fact)
            return
        shift = network.max_prefixlen - network.prefixlen
        self.networks[network.version, shift].setdefault(int(network.network_address) >> shift, fact)

    def find(self, name: str) -> Fact | None:
        """Find the entry that covers an address, host or user; of several networks, the smallest."""
        if not self.networks:
            return self.names.get(name.lower())
        address = _address(name)
        if address is None:
            return self.names.get(name.lower())
        number = int(address)
        covering = (
            (shift, known[number >> shift])
            for (version, shift), known in self.networks.items()
            if version == address.version and number >> shift in known
        )
        return min(covering, default=(0, None), key=lambda found: found[0])[1]


def _address(text: str) -> Address | None:
    """Read an address; an IPv4 address in IPv6's clothes is the IPv4 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


class _AuthorisedDoor:
    """A door of the configuration, ready to be compared."""

    def __init__(self, door: Door, number: int, config: Config, hosts: Hosts) -> None:
        self.port = door.port
        self.anyone = not door.sources
        entry = f"{door.host} {door.port}"
        whole = Fact(config.where("context", "doors", number), "context.doors", entry)
        self.host = _Entries(hosts)
        self.host.add(door.host, whole)
        self.whole = whole
        self.sources = _Entries(hosts)
        for index, source in enumerate(door.sources):
            where = config.where("context", "doors", number, "sources", index)
            self.sources.add(source, Fact(where, "context.doors", f"{entry} for {source}"))

    def stands_at(self, story: Story, hosts: Hosts) -> bool:
        """Tell whether this door is on the host of a story."""
        # A client's own host is not the one that it knocks at.
        host = None if story.kind == "client" else story.host
        names = (*host_names(host, story.destination, hosts), *hosts.addresses(host))
        return any(map(self.host.find, names))

    def admits(self, actor: Actor) -> Fact | None:
        """Find what allows an actor to knock here."""
        if self.anyone:
            return self.whole
        return next(filter(None, map(self.sources.find, actor.names)), None)


@dataclass
class Knowledge:
    """What the site knows of one story.

    Parameters
    ----------
    known
        Actors that are explained, with the fact that does it.
    unknown
        Actors that are not.
    door
        The fact that explains a story without actors: that a daemon runs, or a door is configured, where one is
        authorised.
    """

    known: list[tuple[Actor, Fact]]
    unknown: list[Actor]
    door: Fact | None = None

    @property
    def suppressed_by(self) -> str | None:
        """The lines of the configuration that explain the whole story; None where something is left."""
        facts = [fact for _, fact in self.known] + ([self.door] if self.door else [])
        if self.unknown or not facts:
            return None
        return "; ".join(str(fact) for fact in dict.fromkeys(facts))


def _with_learned(
    configured: Mapping[str, Sequence[str]], learned: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """Add what evidence tells of hosts to what the site says of them."""
    named = {name.lower() for name in configured}
    taken = {address for addresses in configured.values() for address in addresses}
    hosts = {name: tuple(addresses) for name, addresses in configured.items()}
    for name, addresses in learned.items():
        new = tuple(address for address in addresses if address not in taken)
        if new and name.lower() not in named:
            hosts[name] = new
    return hosts


class Context:
    """What the site knows, indexed for many cases.

    Parameters
    ----------
    config
        The site's configuration.
    learned
        Host name to addresses, as evidence tells; what the configuration says of an address or a name wins.
    """

    def __init__(self, config: Config, learned: Mapping[str, Sequence[str]] | None = None) -> None:
        self.hosts = Hosts(_with_learned(config.hosts, learned or {}))
        self.lists: dict[str, _Entries] = {}
        for key in (*WHO_MAY_KNOCK, *WHO_PROBES):
            self.lists[key] = _Entries(self.hosts)
            for index, entry in enumerate(getattr(config.context, key)):
                fact = Fact(config.where("context", key, index), f"context.{key}", entry)
                self.lists[key].add(entry, fact)
        self.doors = [
            _AuthorisedDoor(door, number, config, self.hosts)
            for number, door in enumerate(config.context.doors)
        ]

    def of(self, story: Story) -> Knowledge:
        """Look up all actors of a story."""
        doors = [door for door in self.doors if door.stands_at(story, self.hosts)]
        if not story.actors:
            return Knowledge([], [], self._runs_where_authorised(story, doors))
        known: list[tuple[Actor, Fact]] = []
        unknown: list[Actor] = []
        for actor in story.actors:
            if fact := self._fact(actor, story, doors):
                known.append((actor, fact))
            else:
                unknown.append(actor)
        return Knowledge(known, unknown)

    def _fact(self, actor: Actor, story: Story, doors: list[_AuthorisedDoor]) -> Fact | None:
        """Find the first thing that explains one actor, doors first."""
        for door in doors:
            # A daemon's case is about one door. A client or a run of probes only shows whom it is sent to, so
            # there the door must name who may knock: "anyone" would excuse every scan of the host.
            fits = door.port == story.door if story.kind in {"daemon", "door"} else not door.anyone
            if fits and (fact := door.admits(actor)):
                return fact
        keys = WHO_MAY_KNOCK if actor.opened else (*WHO_MAY_KNOCK, *WHO_PROBES)
        found = (self.lists[key].find(name) for key in keys for name in actor.names)
        return next(filter(None, found), None)

    def _runs_where_authorised(self, story: Story, doors: list[_AuthorisedDoor]) -> Fact | None:
        """Tell which authorised door is the reason that a daemon or a rule waits; an opening is not explained so."""
        if story.kind not in {"daemon", "door"} or story.opened:
            return None
        if story.kind == "door" and story.door is not None:
            doors = [door for door in doors if door.port == story.door]
        return doors[0].whole if doors else None
