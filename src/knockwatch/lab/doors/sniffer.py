"""Doors of the waiting fixture: it sniffs for an order of SYNs or a token, and opens an echo port or calls back."""

from __future__ import annotations

import json
from pathlib import Path

from knockwatch.lab.doors import Daemon, Parts
from knockwatch.lab.fixtures import fixture
from knockwatch.lab.journal import STATE
from knockwatch.lab.plan import Door, Host


def build(host: Host, doors: list[Door], out: Path, version: int) -> list[Parts]:
    """Build one waiting program per door; what it knocks back with comes from the peer's door, in `waits`."""
    del out, version
    parts = []
    for door in doors:
        name = door.name.replace(" ", "-")
        path = STATE / host.name / f"{name}.json"
        path.write_text(json.dumps(waits(door)))
        parts.append(Parts(daemons=(Daemon(name, fixture("waiter", str(path))),)))
    return parts


def waits(door: Door) -> dict[str, object]:
    """Describe to the fixture what it waits for and what it does then."""
    return {
        "steps": list(door.secret),
        "token": door.payload,
        "within_seconds": door.within_seconds,
        "action": door.action,
        "port": door.port,
        "open_seconds": door.open_seconds,
        "peer": str(STATE / "peers" / f"{door.peer.replace(' ', '-')}.json") if door.peer else "",
    }
