"""Doors of nftables, as its wiki builds them: sets whose elements time out, and no process at all."""

from __future__ import annotations

from pathlib import Path

from knockwatch.lab.doors import Parts
from knockwatch.lab.plan import Door, Host


def build(host: Host, doors: list[Door], out: Path, version: int) -> list[Parts]:
    """Build each door's sets and rules, once per IP version it knows."""
    del out
    return [_chain(host, door, f"door{number}_{version}", version) for number, door in enumerate(doors)]


def _chain(host: Host, door: Door, name: str, version: int) -> Parts:
    """Build a door: who sent a step may send the next one for a while."""
    family, kind = ("ip", "ipv4_addr") if version == 4 else ("ip6", "ipv6_addr")
    key = f"{family} {'daddr' if door.opens_for == 'all' else 'saddr'}"
    candidates, clients = f"{name}_candidates", f"{name}_clients"
    steps = [step.split("/") for step in door.secret]
    lines = []
    for number, (protocol, port) in enumerate(steps):
        last = number == len(steps) - 1
        known = "" if number == 0 else f"{key} . {protocol} dport @{candidates} "
        if last:
            then = f"add @{clients} {{ {key} timeout {door.open_seconds}s }}"
            lines.append(f'{protocol} dport {port} {known}{then} log prefix "Successful portknock: "')
        else:
            following = steps[number + 1][1]
            then = f"add @{candidates} {{ {key} . {following} timeout {door.within_seconds}s }}"
            lines.append(f"{protocol} dport {port} {known}{then}")
    protocol = door.service.partition("/")[0]
    lines.append(f'{protocol} dport {door.port} {key} @{clients} log prefix "{host.prefix}-ACCEPT: " accept')
    sets = (
        f"set {candidates} {{ type {kind} . inet_service; flags timeout; }}",
        f"set {clients} {{ type {kind}; flags timeout; }}",
    )
    return Parts(sets=sets, rules=tuple(lines))
