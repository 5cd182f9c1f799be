"""Services that clients visit in runs: a sequence of these alone is no secret."""

from __future__ import annotations

from knockwatch.detections._pairs import UDP_STEPS

# fmt: off
_TCP = (
    20, 21, 22, 23, 25, 53, 80, 88, 110, 135, 139, 143, 389, 443, 445, 464, 465, 587, 636, 993, 995, 1433, 3268, 3269,
    3306, 3389,
)
"""Mail, web, names, and what a client of a Windows domain asks its controllers (learn.microsoft.com, "Service overview
and network port requirements for Windows")."""
_UDP = (53, 67, 68, 88, 123, 137, 138, 161, 389, 443, 464, 500, 514, 1900, 4500, 5353)
# fmt: on
COMMON_SERVICES = frozenset({f"tcp/{port}" for port in _TCP} | {f"udp/{port}" for port in _UDP})
COMMON_STEPS = sorted([*_TCP, *(UDP_STEPS + port for port in _UDP)])
"""The same as `knockwatch.detections._pairs.step_number` numbers them."""
