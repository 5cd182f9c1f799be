"""The Linux audit system's log as ``ausearch -i`` interprets it: names for numbers, local times, decoded arguments.

The raw log, which tells more surely, is `auditd`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from knockwatch.sources import Batch, Format, Head, Reading, share
from knockwatch.sources._audit_interpreted import RECORD, parsed_interpreted
from knockwatch.sources._audit_log import SEPARATOR, events

_SLASHED = re.compile(r"msg=audit\((\d\d)/(\d\d)/\d+ ")
_MONTHS = 12


class Ausearch:
    """Reader of interpreted audit records."""

    format = Format(
        "ausearch",
        "Linux audit log, interpreted: ausearch -i",
        ("processes", "changes"),
        "verified",
        "ausearch(8), lib/libauparse (interpret.c); ausearch 3.0.9 run on the log of our own lab",
    )

    def confidence(self, head: Head) -> float:
        """Share of lines that are records; the shape is nobody else's."""
        separator, record = re.compile(SEPARATOR), re.compile(RECORD)
        return share([line for line in head.lines if not separator.match(line)], record.match)

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read block by block."""
        yield from events(_pieces(reading))


def _pieces(reading: Reading) -> Iterator[tuple[pl.DataFrame, int, Batch]]:
    """Find the records of each block of lines."""
    day_first = _day_first(Head(reading.evidence.head()).text)
    for lines in reading.evidence.lines():
        found, bad = parsed_interpreted(lines.frame, reading.clock, day_first=day_first)
        yield found, lines.frame["line"][-1], Batch(lines.frame.height, {}, bad, lines.malformed)


def _day_first(text: str) -> bool:
    """Tell whether dates with slashes begin with the day: there is no month after the twelfth; in doubt they don't."""
    found = _SLASHED.findall(text)
    return sum(int(first) > _MONTHS for first, _ in found) > sum(int(second) > _MONTHS for _, second in found)


SOURCE = Ausearch()
