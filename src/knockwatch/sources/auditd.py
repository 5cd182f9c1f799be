"""The Linux audit system's log, raw as auditd writes it or as `ausearch` shows it, RAW or ENRICHED.

Records of one event share a serial number and are put together here. Of all record types only those are read that
tell of programs started, firewall rules changed, listeners, packet sockets and packet filters. What a firewall
command opened is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from knockwatch.sources import Batch, Format, Head, Reading, share
from knockwatch.sources._audit_log import SEPARATOR, events, parsed

_RECORD = re.compile(r"^(?:node=\S+ )?type=[A-Z]\S* msg=audit\(\d+\.\d+:\d+\)")


class Auditd:
    """Reader of audit logs."""

    format = Format(
        "auditd",
        "Linux audit log: auditd, ausearch --raw",
        ("processes", "changes"),
        "verified",
        "linux-audit audit-documentation; linux/audit.h; own lab",
    )

    def confidence(self, head: Head) -> float:
        """Share of lines that are records; the shape is nobody else's."""
        separator = re.compile(SEPARATOR)
        return share([line for line in head.lines if not separator.match(line)], _RECORD.match)

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read block by block."""
        yield from events(_pieces(reading))


def _pieces(reading: Reading) -> Iterator[tuple[pl.DataFrame, int, Batch]]:
    """Find the records of each block of lines."""
    for lines in reading.evidence.lines():
        found, bad = parsed(lines.frame)
        yield found, lines.frame["line"][-1], Batch(lines.frame.height, {}, bad, lines.malformed)


SOURCE = Auditd()
