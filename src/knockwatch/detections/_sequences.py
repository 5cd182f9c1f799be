"""Probes in order: retransmissions and doubled rows collapsed, repeats told apart, and whether the order is sure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

from knockwatch.clock import SECOND_US

TELLING_US = SECOND_US + 100_000
"""How far a whole-second log may lie behind a finer one that tells of the same packet, with the logger's delay."""


@dataclass(frozen=True)
class Probe:
    """One attempt that got no service; times and clock as in the table `connections`."""

    time_us: int
    clock_us: int | None
    source_port: int | None
    step: str
    sensor: str | None
    file: int
    line: int

    COLUMNS: ClassVar[tuple[str, ...]] = (
        "time_us",
        "clock_us",
        "source_port",
        "step",
        "sensor",
        "file",
        "line",
    )

    @property
    def latest_us(self) -> int:
        """The latest moment it may have been: a whole second stands for all of it."""
        return self.time_us if self.time_us % SECOND_US else self.time_us + SECOND_US - 1


def steps(probes: Sequence[Probe], retransmission_us: int) -> list[Probe]:
    """Make one probe of all rows that tell of one packet or of its retransmissions.

    Rows are the same packet, or its repetition, when they come from the same source port, go to the same port and
    follow within `retransmission_us` of each other. A port that comes again from another source port is a step of
    its own: real sequences repeat ports.

    Returns
    -------
    list
        Probes by time, then by the recorder's own clock, file and line; each with the finest time that any of its
        rows has.
    """
    same: dict[tuple[str, int | None], list[list[Probe]]] = {}
    for probe in sorted(probes, key=_place):
        packets = same.setdefault((probe.step, probe.source_port), [])
        if packets and probe.time_us - packets[-1][-1].time_us <= retransmission_us:
            packets[-1].append(probe)
        else:
            packets.append([probe])
    return _ordered([_finest(rows) for packets in same.values() for rows in packets])


def known_order(run: Sequence[Probe]) -> bool:
    """Tell whether the order of a run is certain: by distinct times, or by one recorder's own clock."""
    return all(
        one.latest_us < other.time_us
        or (_comparable(one, other) and (one.clock_us or 0) < (other.clock_us or 0))
        for one, other in pairwise(run)
    )


def periods(run: Sequence[Probe]) -> Iterator[Sequence[Probe]]:
    """Cut a run that is one sequence several times over into its repetitions."""
    names = [probe.step for probe in run]
    size = len(names)
    length = next(
        (
            period
            for period in range(1, size // 2 + 1)
            if size % period == 0 and names == names[:period] * (size // period)
        ),
        size,
    )
    for start in range(0, size, length or 1):
        yield run[start : start + length]


def _place(probe: Probe) -> tuple[int, int, int, int]:
    """Give what probes are sorted by."""
    return (probe.time_us, probe.clock_us or 0, probe.file, probe.line)


def _finest(rows: Sequence[Probe]) -> Probe:
    """Give the first row of a packet, with the finest time and the first clock that its rows know."""
    first = rows[0]
    if len(rows) == 1:
        return first
    finer = [row.time_us for row in rows if row.time_us % SECOND_US]
    time = finer[0] if finer and finer[0] - first.time_us <= TELLING_US else first.time_us
    clocked = min(
        (row for row in rows if row.clock_us is not None), key=lambda row: row.clock_us or 0, default=first
    )
    return replace(first, time_us=time, clock_us=clocked.clock_us, sensor=clocked.sensor)


def _ordered(probes: list[Probe]) -> list[Probe]:
    """Sort probes by time; where one recorder's clock stamps them all, by that clock, which is finer than any log."""
    if len({probe.sensor for probe in probes}) == 1 and all(probe.clock_us is not None for probe in probes):
        by_clock = sorted(probes, key=lambda probe: (probe.clock_us or 0, *_place(probe)))
        # A clock that runs against the log was set back by a restart in between.
        if all(one.time_us <= other.latest_us for one, other in pairwise(by_clock)):
            return by_clock
    return sorted(probes, key=_place)


def _comparable(one: Probe, other: Probe) -> bool:
    """Tell whether two probes were stamped by one recorder's clock."""
    return one.clock_us is not None and other.clock_us is not None and one.sensor == other.sensor
