"""Doors of iptables that a word in a ping opens, by the string and recent matches."""

from __future__ import annotations

from pathlib import Path

from knockwatch.lab.doors import Parts
from knockwatch.lab.plan import Door, Host


def build(host: Host, doors: list[Door], out: Path, version: int) -> list[Parts]:
    """Build a rule that remembers who sent the word, and one that lets those in."""
    del host, out, version
    parts = []
    for number, door in enumerate(doors):
        name = f"WORD{number}"
        heard = f'--icmp-type echo-request -m string --algo bm --string "{door.payload}"'
        known = f"-m recent --rcheck --seconds {door.open_seconds} --name {name}"
        lines = (
            f"-A INPUT -p icmp {heard} -m recent --name {name} --set -j LOGACC",
            f"-A INPUT -p tcp --dport {door.port} -m conntrack --ctstate NEW {known} -j LOGACC",
        )
        parts.append(Parts(first=lines))
    return parts
