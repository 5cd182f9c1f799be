"""What a lab consists of: the shapes of hosts, doors and scenarios; they are read in `data`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from knockwatch.detections import Signal
from knockwatch.lab import LabError

PREFIXES = ("203.0.113.0/24", "198.51.100.0/24", "198.18.7.0/24", "2001:db8::/32")
"""Documentation and benchmark networks (RFC 5737, 2544, 3849): the only ones a lab has addresses in and routes to."""

_STEP = re.compile(r"(tcp|udp)/(\d{1,5})|icmp")
_POOL = re.compile(r"(?P<head>.*[.:])(?P<first>[0-9a-f]+)-(?P<last>[0-9a-f]+)")


def step(text: str) -> str:
    """Check a step of a signal: ``tcp/7000``, ``udp/53`` or ``icmp``."""
    found = _STEP.fullmatch(text)
    if not found or (found[2] and not 1 <= int(found[2]) <= 65535):
        raise ValueError(f"{text!r} is no step: write tcp/7000, udp/53 or icmp")
    return text


def port_of(text: str) -> int:
    """Give the port of a step; 0 for a ping."""
    return int(text.partition("/")[2] or 0)


def inside(text: str) -> str:
    """Check that an address belongs to the lab's own networks."""
    address = ipaddress.ip_address(text)
    networks = [ipaddress.ip_network(prefix) for prefix in PREFIXES]
    if not any(address.version == net.version and address in net for net in networks):
        raise ValueError(f"{text} is not in {', '.join(PREFIXES)}")
    return str(address)


def pool(text: str) -> list[str]:
    """List the addresses of ``198.51.100.10-57`` or ``2001:db8:a::10-2f``; of a plain address, itself."""
    found = _POOL.fullmatch(text)
    if not found:
        return [inside(text)]
    base = 16 if ":" in text else 10
    numbers = range(int(found["first"], base), int(found["last"], base) + 1)
    return [
        inside(f"{found['head']}{number:x}" if base == 16 else f"{found['head']}{number}")
        for number in numbers
    ]


def _pool(text: str) -> str:
    """Check a pool."""
    pool(text)
    return text


Step = Annotated[str, AfterValidator(step)]
Inside = Annotated[str, AfterValidator(inside)]
Pool = Annotated[str, AfterValidator(_pool)]


class Part(BaseModel):
    """A piece of data of a lab: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Host(Part):
    """A machine of the lab; its file's name is its name."""

    name: str = Field(pattern=r"^[a-z][a-z0-9]{0,9}$")
    role: Literal["router", "client", "server"]
    network: str = Field(
        default="", description="hosts with the same one share a bridge; empty: one of its own"
    )
    gateways: tuple[str, ...] = Field(
        default=(), description="the router's addresses there, with prefix length"
    )
    addresses: tuple[Inside, ...] = ()
    sources: tuple[Pool, ...] = Field(
        default=(), description="addresses a client acts from, a new one each time"
    )
    standing: tuple[Pool, ...] = Field(default=(), description="further addresses, for background traffic")
    reuse: bool = Field(default=False, description="take the sources in turn instead of each once")
    firewall: Literal["none", "open", "iptables", "nftables", "ufw"] = "none"
    prefix: str = Field(
        default="", description="how its firewall's log lines begin: IPT gives IPT-DROP and IPT-ACCEPT"
    )
    web: tuple[int, ...] = Field(default=(), description="ports that answer HTTP")
    ssh: tuple[int, ...] = Field(default=(), description="ports of sshd")
    edge_drops: tuple[int, ...] = Field(default=(), description="ports that a router does not forward")
    observers: tuple[Literal["conntrack", "ulogd"], ...] = ()

    @property
    def every_address(self) -> list[str]:
        """All addresses the host has."""
        pools = [address for text in (*self.sources, *self.standing) for address in pool(text)]
        return list(dict.fromkeys((*self.addresses, *pools)))

    def address(self, version: int) -> str:
        """Give the host's first address of an IP version."""
        found = [text for text in self.addresses if ipaddress.ip_address(text).version == version]
        if not found:
            raise LabError(f"host {self.name} has no IPv{version} address")
        return found[0]


class Door(Part):
    """A service that is closed until a signal comes."""

    name: str
    host: str
    kind: str = Field(description="module of knockwatch.lab.doors that builds it")
    service: Step
    serves: Literal["ssh", "echo"] = "ssh"
    signal: Signal = "sequence"
    secret: tuple[Step, ...] = Field(min_length=1, description="what opens it, in order")
    versions: tuple[Literal[4, 6], ...] = (4,)
    within_seconds: int = Field(default=15, ge=1, le=600, description="how long the signal may take")
    open_seconds: int = Field(default=10, ge=2, le=60)
    instance: str = Field(default="a", description="doors of one host and instance share a daemon")
    syslog: bool = True
    payload: str = ""
    opens_for: Literal["source", "all"] = "source"
    lengths: tuple[int, ...] = Field(
        default=(), description="IP lengths of the pings of a door that knows them by size"
    )
    action: Literal["listen", "call", "answer"] = "listen"
    peer: str = Field(default="", description="the door that an answering one knocks at")
    installed: Literal["up", "play"] = "up"

    @property
    def port(self) -> int:
        """The service's port."""
        return port_of(self.service)


class Event(Part):
    """One thing that somebody does."""

    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")
    kind: Literal["knock", "spa", "failed", "scan", "benign"]
    title: str
    scenario: str = ""
    by: str = "admin"
    door: str | None = None
    at: str | None = Field(default=None, description="the host it is aimed at, where there is no door")
    tool: str = "knock"
    command: str = Field(
        default="", description="the command line, where it is none of the tool's usual ones"
    )
    send: tuple[int | Step, ...] = Field(
        default=(), description="steps; a number n is the secret's nth; empty: the secret"
    )
    said: tuple[str, ...] = Field(
        default=(), description="the label's sequence, where it is not what is sent"
    )
    gap: float = Field(default=0.3, ge=0, le=120, description="seconds between steps")
    wait: float = Field(default=0.5, ge=0, le=30, description="seconds from the last step to the entry")
    pause: float = Field(default=0, ge=0, le=120, description="seconds before it")
    version: Literal[4, 6] = 4
    spread: bool = Field(default=False, description="each step, and the entry, from a source of its own")
    across_minute: bool = Field(default=False, description="begin so that a full minute passes meanwhile")
    payload: str | None = Field(default=None, description="instead of the door's")
    during: str = Field(default="", description="id of the event in whose course it happens by itself")
    replays: str = Field(default="", description="id of the event whose packet is sent again")
    ufw_logging: str = Field(default="", description="level that UFW logs at meanwhile")


class Background(Part):
    """Traffic that goes on while a scenario is played."""

    id: str
    kind: Literal["noise", "benign"]
    title: str
    by: str
    sources: Pool
    traffic: str = Field(description="what the traffic fixture shall do, with {seconds}")
    at: tuple[str, ...] = Field(min_length=1, description="the hosts it is aimed at")


class Scenario(Part):
    """A file of events, played in order."""

    name: str
    title: str
    slow: bool = Field(default=False, description="played only when named")
    seconds: int = Field(default=0, ge=0, le=900, description="how long the background lasts")
    background: tuple[Background, ...] = ()
    event: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A whole lab."""

    hosts: dict[str, Host]
    doors: dict[str, Door]
    scenarios: dict[str, Scenario]
    tools: dict[str, dict[str, str]] = field(default_factory=dict)
    seed: int | None = None

    @cached_property
    def router(self) -> Host:
        """The one router."""
        (router,) = (host for host in self.hosts.values() if host.role == "router")
        return router

    def doors_of(self, host: str, *, installed: str = "up") -> list[Door]:
        """List a host's doors."""
        return [door for door in self.doors.values() if door.host == host and door.installed == installed]

    def aim(self, event: Event) -> Host:
        """Give the host an event is aimed at."""
        name = self.doors[event.door].host if event.door else event.at
        assert name is not None
        return self.hosts[name]
