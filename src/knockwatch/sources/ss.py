"""Sockets of Linux as `ss` lists them: listeners, packet sockets, and the filters attached to them."""

from __future__ import annotations

from knockwatch.hoststate import sockets
from knockwatch.sources import Format
from knockwatch.sources._host_state import StateSource

SOURCE = StateSource(
    Format(
        "ss",
        "Linux sockets: ss -tulpn, ss -0pb",
        ("changes",),
        "verified",
        "ss(8); own lab",
    ),
    sockets.read_ss,
)
