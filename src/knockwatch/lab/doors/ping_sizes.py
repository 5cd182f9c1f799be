"""Doors of nftables that pings of given sizes open, as on routers that can match no payload."""

from __future__ import annotations

from pathlib import Path

from knockwatch.lab.doors import Parts
from knockwatch.lab.plan import Door, Host


def build(host: Host, doors: list[Door], out: Path, version: int) -> list[Parts]:
    """Build each door: a set per size, of those who sent all sizes up to it; `lengths` are of whole IP packets."""
    del out, version
    parts = []
    for index, door in enumerate(doors):
        names = [f"sizes{index}_{number}" for number in range(len(door.lengths))]
        sets = [f"set {name} {{ type ipv4_addr; flags timeout; }}" for name in names]
        lines = []
        # The later sizes stand first: one ping moves on by one step.
        for number in range(len(names) - 1, -1, -1):
            known = f"ip saddr @{names[number - 1]} " if number else ""
            seconds = door.open_seconds if number == len(names) - 1 else door.within_seconds
            then = f"add @{names[number]} {{ ip saddr timeout {seconds}s }}"
            log = f'log prefix "{host.prefix}-DROP: " drop'
            lines.append(f"icmp type echo-request meta length {door.lengths[number]} {known}{then} {log}")
        enter = f'tcp dport {door.port} ip saddr @{names[-1]} log prefix "{host.prefix}-ACCEPT: " accept'
        parts.append(Parts(sets=tuple(sets), first=(*lines, enter)))
    return parts
