"""Lists of iptables' recent match: /proc/net/xt_recent/NAME."""

from __future__ import annotations

from knockwatch.hoststate import sockets
from knockwatch.sources import Format
from knockwatch.sources._host_state import StateSource

SOURCE = StateSource(
    Format(
        "xt-recent",
        "Lists of iptables' recent match: /proc/net/xt_recent",
        ("changes",),
        "verified",
        "linux net/netfilter/xt_recent.c; own lab",
    ),
    sockets.read_recent,
)
