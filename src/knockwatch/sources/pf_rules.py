"""Rules of pf: pf.conf and `pfctl -s rules`."""

from __future__ import annotations

from knockwatch.hoststate import pf
from knockwatch.sources import Format
from knockwatch.sources._host_state import StateSource

SOURCE = StateSource(
    Format(
        "pf-rules",
        "pf rules: pf.conf, pfctl -s rules",
        ("changes",),
        "documented",
        "https://man.openbsd.org/pf.conf.5, STATEFUL TRACKING OPTIONS",
    ),
    pf.read,
    pf.SIGN.search,
)
