"""Snapshots of a host: what several commands print (rules, sockets, filters), one after another in one file."""

from __future__ import annotations

from knockwatch.hoststate import snapshot
from knockwatch.sources import Format, Head
from knockwatch.sources._host_state import StateSource

SURE = 0.95


class HostSnapshot(StateSource):
    """Reader of files with several sections under titles; sections of other sorts (`ps`, `ip link`) are passed over."""

    def confidence(self, head: Head) -> float:
        """Sure where sections of two formats or more stand under titles."""
        if b"\x00" in head.data:
            return 0.0
        return SURE if len(snapshot.kinds(list(enumerate(head.lines, 1)))) > 1 else 0.0


SOURCE = HostSnapshot(
    Format(
        "host-snapshot",
        "several commands' output in one file",
        ("changes",),
        "verified",
        "own lab",
    ),
    snapshot.read,
    alone=False,
)
