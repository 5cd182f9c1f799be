"""Configuration of knockd: knockd.conf."""

from __future__ import annotations

from knockwatch.hoststate import daemons
from knockwatch.sources import Format
from knockwatch.sources._host_state import StateSource

SOURCE = StateSource(
    Format(
        "knockd-conf",
        "knockd's configuration",
        ("changes",),
        "verified",
        "knockd.1 of knock 0.8; own lab",
    ),
    daemons.read_knockd,
    daemons.KNOCKD_SIGN.search,
)
