"""Who may open what by fwknop: access.conf; keys are never read into a row."""

from __future__ import annotations

from knockwatch.hoststate import daemons
from knockwatch.sources import Format
from knockwatch.sources._host_state import StateSource

SOURCE = StateSource(
    Format(
        "fwknop-access",
        "fwknopd's access.conf",
        ("changes",),
        "verified",
        "fwknopd(8); own lab",
    ),
    daemons.read_access,
    daemons.ACCESS_SIGN.search,
)
