"""Configuration of fwknopd: fwknopd.conf."""

from __future__ import annotations

from knockwatch.hoststate import daemons
from knockwatch.sources import Format
from knockwatch.sources._host_state import StateSource

SOURCE = StateSource(
    Format(
        "fwknopd-conf",
        "fwknopd's configuration",
        ("changes",),
        "verified",
        "fwknopd(8); own lab",
    ),
    daemons.read_fwknopd,
    daemons.FWKNOPD_SIGN.search,
)
