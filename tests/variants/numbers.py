"""Addresses and ports: where lines hold them, and consistent mappings to others."""

from __future__ import annotations

import ipaddress
import random
import re
from collections.abc import Callable

from tests.variants.run import Run

OPEN_PORTS = frozenset({80, 443, 8080, 8443})
"""What every server of the lab answers on; a variant leaves them as they are."""
NETWORKS = {"198.51.100": "192.0.2", "203.0.113": "198.51.100", "198.18.7": "198.19.201"}
"""The lab's IPv4 networks to others: one takes the place of another, so a mapping that runs twice shows."""
NETWORKS6 = {0xA: 0x1F, 0x5: 0xE5, 0xC: 0xC0}
"""Third group of the lab's IPv6 networks, 2001:db8:X::/48, to another."""

ADDRESS = re.compile(r"(?<![\d.])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?!\d|\.\d)")
ADDRESS6 = re.compile(r"(?<![\w:])2001:0?db8:[0-9a-fA-F:]*[0-9a-fA-F]")
PORT = re.compile(
    r'((?:SPT|DPT|sport|dport)=|"(?:src|dest)_port": |--dport |\bport |\b(?:tcp|udp)/|proto/port: (?:6|17)/)(\d+)'
)


def other_addresses(seed: int) -> Callable[[str], str]:
    """Make a mapping of the lab's addresses: other networks, other hosts in them, written as they were."""
    chance = random.Random(f"addresses/{seed}")
    hosts = list(range(1, 255))
    chance.shuffle(hosts)
    mask = chance.randrange(1, 0x10000)

    def other(text: str) -> str:
        if ":" not in text:
            network, _, host = text.rpartition(".")
            known = network in NETWORKS and 1 <= int(host) <= 254
            return f"{NETWORKS[network]}.{hosts[int(host) - 1]}" if known else text
        old = ipaddress.IPv6Address(text)
        group = int(old) >> 80 & 0xFFFF
        if group not in NETWORKS6:
            return text
        new = ipaddress.IPv6Address((int(old) & ~(0xFFFF << 80) | NETWORKS6[group] << 80) ^ mask)
        return new.exploded if text == old.exploded else str(new)

    return other


def other_ports(run: Run, seed: int) -> Callable[[int], int]:
    """Make a mapping of ports: each that a door or a knock uses changes places with one that nobody does."""
    used = sorted(door_ports(run) - OPEN_PORTS)
    taken = OPEN_PORTS.union(used)
    free = [port for port in range(1024, 32768) if port not in taken]
    swap: dict[int, int] = {}
    for old, new in zip(used, random.Random(f"ports/{seed}").sample(free, len(used)), strict=True):
        swap |= {old: new, new: old}
    return lambda port: swap.get(port, port)


def other_step(step: str, port: Callable[[int], int]) -> str:
    """Map the port of ``tcp/7000``; ``icmp`` and ``udp/random`` stay."""
    protocol, _, number = step.partition("/")
    return f"{protocol}/{port(int(number))}" if number.isdigit() else step


def door_ports(run: Run) -> set[int]:
    """Collect the ports that doors, knocks and failed knocks use."""
    steps = [door["service"] for door in run.doors.values()]
    steps += [step for door in run.doors.values() for step in door["secret"] or []]
    for label in run.labels:
        steps += label.get("sequence") or []
        if label["kind"] in ("spa", "failed"):
            steps += [step for _, _, step in label.get("observed") or []]
    return {int(number) for step in steps if (number := step.partition("/")[2]).isdigit()}
