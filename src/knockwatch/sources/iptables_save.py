"""Rule sets of iptables and ip6tables: `iptables-save` and `iptables -S`."""

from __future__ import annotations

from knockwatch.hoststate import iptables
from knockwatch.sources import Format
from knockwatch.sources._host_state import StateSource

SOURCE = StateSource(
    Format(
        "iptables-save",
        "iptables rule set: iptables-save, iptables -S, ip6tables",
        ("changes",),
        "verified",
        "iptables-save(8), iptables-extensions(8); own lab",
    ),
    iptables.read,
)
