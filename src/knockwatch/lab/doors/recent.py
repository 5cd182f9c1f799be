"""Doors of iptables' recent match: a chain of lists, in which a wrong port starts over; TCP only."""

from __future__ import annotations

from pathlib import Path

from knockwatch.lab.doors import Parts
from knockwatch.lab.plan import Door, Host, port_of


def build(host: Host, doors: list[Door], out: Path, version: int) -> list[Parts]:
    """Build one chain per door, entered by every new TCP connection that is not let in yet."""
    del host, out, version
    return [_chain(door, f"RECENT{number}") for number, door in enumerate(doors)]


def _chain(door: Door, name: str) -> Parts:
    """Build a door's chain, as the usual recipe has it: the later steps stand first."""
    lists = [f"{name}_{number}" for number in range(len(door.secret))]
    known = f"-m recent --rcheck --seconds {door.open_seconds} --name {lists[-1]}"
    new = f"-A INPUT -p tcp -m conntrack --ctstate NEW -j {name}"
    lines = [
        f"-A {name} -p tcp --dport {door.port} {known} -j LOGACC",
        f"-A {name} -p tcp -m recent --name {lists[-1]} --remove -j LOGDROP",
    ]
    stages = []
    for number in range(len(door.secret) - 1, 0, -1):
        stage, before = f"{name}_STAGE{number}", lists[number - 1]
        port = port_of(door.secret[number])
        known = f"-m recent --rcheck --seconds {door.within_seconds} --name {before}"
        lines.append(f"-A {name} -p tcp --dport {port} {known} -j {stage}")
        lines.append(f"-A {name} -p tcp -m recent --name {before} --remove -j LOGDROP")
        stages.append(stage)
        lines.append(f"-A {stage} -m recent --name {lists[number]} --set -j LOGDROP")
    first = port_of(door.secret[0])
    lines.append(f"-A {name} -p tcp --dport {first} -m recent --name {lists[0]} --set -j LOGDROP")
    return Parts(chains=(name, *stages), rules=(new, *lines))
