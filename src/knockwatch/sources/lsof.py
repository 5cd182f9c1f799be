"""Open sockets as `lsof` lists them: listeners and packet sockets."""

from __future__ import annotations

from knockwatch.hoststate import sockets
from knockwatch.sources import Format
from knockwatch.sources._host_state import StateSource

SOURCE = StateSource(
    Format(
        "lsof",
        "Open sockets: lsof -nP -i",
        ("changes",),
        "verified",
        "lsof(8)",
    ),
    sockets.read_lsof,
)
