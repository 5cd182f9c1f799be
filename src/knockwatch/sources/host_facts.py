"""Facts of a running host as `knockwatch host` writes them: owners of sockets, odd processes, traces of implants."""

from __future__ import annotations

from knockwatch.hoststate import facts
from knockwatch.sources import Format
from knockwatch.sources._host_state import StateSource

SOURCE = StateSource(
    Format(
        "host-facts",
        "Linux processes and their sockets: knockwatch host",
        ("changes",),
        "verified",
        "own format: src/knockwatch/hoststate/facts.py",
    ),
    facts.read,
    facts.SIGN.search,
)
