"""Sessions: how rows that belong together get their times, and how often what is met; what they say is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from knockwatch.emulation.stream import Numbers, Rows, empty

SECOND_US = 1_000_000
_LONGEST_US = 1200 * SECOND_US
"""No session is made to last longer, so that it fits its slice."""


@dataclass(frozen=True)
class Slice:
    """What a slice's background is made of: its place, its time, and its chance."""

    number: int
    rows: int
    from_us: int
    to_us: int
    chance: np.random.Generator

    @property
    def span_us(self) -> int:
        """How long it lasts."""
        return self.to_us - self.from_us


def timed(part: Slice, session: Numbers, gap_seconds: float) -> Rows:
    """Give rows their times: a session begins at any moment at which it still ends inside the slice."""
    rows = empty(len(session))
    if not len(session):
        return rows
    gaps = (part.chance.exponential(gap_seconds, len(session)) * SECOND_US).astype(np.int64)
    first = first_of(session)
    gaps[first] = 0
    passed = np.cumsum(gaps)
    starts = np.flatnonzero(first)
    lengths = np.diff([*starts, len(session)])
    since = passed - np.repeat(passed[starts], lengths)
    longest = min(_LONGEST_US, part.span_us // 2)
    lasts = since[np.append(starts[1:] - 1, len(session) - 1)]
    squeeze = np.minimum(1.0, longest / np.maximum(lasts, 1))
    since = (since * np.repeat(squeeze, lengths)).astype(np.int64)
    begins = (part.chance.random(len(starts)) * (part.span_us - lasts * squeeze)).astype(np.int64)
    rows["time_us"] = part.from_us + np.repeat(begins, lengths) + since
    rows["source_port"] = part.chance.integers(1024, 65_536, len(session))
    return rows


def first_of(session: Numbers) -> npt.NDArray[np.bool_]:
    """Mark the first row of each session."""
    first = np.ones(len(session), bool)
    first[1:] = session[1:] != session[:-1]
    return first


def number_in(session: Numbers) -> Numbers:
    """Number the rows of each session from 0."""
    starts = np.flatnonzero(first_of(session))
    counted: Numbers = np.arange(len(session)) - np.repeat(starts, np.diff([*starts, len(session)]))
    return counted


def zipf(chance: np.random.Generator, among: int, count: int, skew: float) -> Numbers:
    """Draw numbers below `among` by Zipf's law, by the inverse of its continuous form."""
    drawn = chance.random(count)
    if abs(skew - 1.0) < 1e-9:
        found = np.exp(drawn * np.log(among + 1.0))
    else:
        power = 1.0 - skew
        found = (1.0 + drawn * ((among + 1.0) ** power - 1.0)) ** (1.0 / power)
    drawn_below: Numbers = np.minimum(found.astype(np.int64) - 1, among - 1)
    return drawn_below
