"""Packet sockets of Linux: /proc/net/packet."""

from __future__ import annotations

from knockwatch.hoststate import sockets
from knockwatch.sources import Format
from knockwatch.sources._host_state import StateSource

SOURCE = StateSource(
    Format(
        "proc-net-packet",
        "Linux packet sockets: /proc/net/packet",
        ("changes",),
        "verified",
        "linux net/packet/af_packet.c; own lab",
    ),
    sockets.read_packet_sockets,
)
