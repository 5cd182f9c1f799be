"""Sockets of Linux as net-tools' `netstat` lists them."""

from __future__ import annotations

from knockwatch.hoststate import sockets
from knockwatch.sources import Format
from knockwatch.sources._host_state import StateSource

SOURCE = StateSource(
    Format(
        "netstat",
        "Linux sockets: netstat -tulpn",
        ("changes",),
        "verified",
        "netstat(8) of net-tools",
    ),
    sockets.read_netstat,
)
