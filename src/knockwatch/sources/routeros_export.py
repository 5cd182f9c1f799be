"""Exports of MikroTik RouterOS: `/ip firewall filter export` and whole configurations."""

from __future__ import annotations

from knockwatch.hoststate import routeros
from knockwatch.sources import Format
from knockwatch.sources._host_state import StateSource

SOURCE = StateSource(
    Format(
        "routeros-export",
        "MikroTik RouterOS firewall export",
        ("changes",),
        "documented",
        "https://help.mikrotik.com/docs/display/ROS/Port+knocking",
    ),
    routeros.read,
)
