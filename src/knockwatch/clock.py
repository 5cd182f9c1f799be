"""Times: from the many ways evidence writes them to whole microseconds UTC.

Times without a zone are read in the configured one; times without a year get the year that makes the newest
line of the file agree with dated evidence nearby, else with the file's modification time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

SECOND_US = 1_000_000
EARLIEST_US = 0
LATEST_US = 7_258_118_400_000_000
"""2200-01-01: a later time is a damaged record, not the future."""
AHEAD = timedelta(days=1)
"""How far a line may lie after its file's newest known moment: clocks and zones differ."""

_RFC3164_WIDTH = len("Nov  2 11:23:34")
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_YEARLESS = re.compile(rb"^(?:<\d{1,3}>)?([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d)\b", re.MULTILINE)
_DATED = re.compile(rb"\b(20\d\d)-(\d\d)-(\d\d)[T ](\d\d):(\d\d)")
_EPOCH = re.compile(rb"(?:^|\[|audit\()(1\d{9})\.\d{3,6}(?!\d)", re.MULTILINE)


@dataclass(frozen=True)
class Clock:
    """How to read the times of one file.

    Parameters
    ----------
    zone
        Zone of times that name none.
    newest
        Latest moment that a time without a year may denote, in `zone`.
    """

    zone: tzinfo = UTC
    newest: datetime = datetime(2100, 1, 1, tzinfo=UTC)

    def iso(self, texts: pl.Series) -> pl.Series:
        """Read ISO 8601 times with ``T`` or a blank, fraction after ``.`` or ``,``, offset, ``Z`` or neither.

        Returns
        -------
        polars.Series
            Int64 microseconds UTC, null where a text is none of these.
        """
        frame = pl.DataFrame({"t": texts}).with_columns(
            pl.col("t").str.replace(" ", "T", literal=True).str.replace(",", ".", literal=True)
        )
        aware = "%Y-%m-%dT%H:%M:%S%.f%#z"
        naive = "%Y-%m-%dT%H:%M:%S%.f"
        # Offsets come as Z, +01, +0100 and +01:00; what is left has none.
        offset = pl.col("t").str.contains(r"(?:Z|[+-]\d\d:?(?:\d\d)?)$")
        with_offset = (
            pl.when(offset)
            .then(pl.col("t").str.replace("Z", "+00:00", literal=True))
            .str.to_datetime(aware, time_unit="us", strict=False, time_zone="UTC")
            .dt.timestamp("us")
        )
        local = pl.when(~offset).then(pl.col("t")).str.to_datetime(naive, time_unit="us", strict=False)
        return frame.select(
            plausible(pl.coalesce(with_offset, self._utc(local))).alias("time_us")
        ).to_series()

    def syslog(self, texts: pl.Series) -> pl.Series:
        """Read RFC 3164 times, ``Nov  2 11:23:34``, with or without a year after the day."""
        # Where the clocks change, midnight plus a time of day is not that time.
        letters = _table(texts, _RFC3164_WIDTH) if self.zone is UTC else None
        if letters is None:
            return self._dates(texts)
        # A log changes its date seldom: the date is read once a day, the time of day from its digits.
        new = np.flatnonzero((letters[1:, :6] != letters[:-1, :6]).any(axis=1)) + 1
        first = np.concatenate(([0], new))
        midnights = self.midnights(texts.gather(first).str.head(6))
        columns = np.ascontiguousarray(letters.T)
        digits = columns[7:] - np.uint8(ord("0"))
        hours, minutes, seconds = (digits[at] * np.uint8(10) + digits[at + 1] for at in (0, 3, 6))
        sound = (columns[6] == ord(" ")) & (columns[9] == ord(":")) & (columns[12] == ord(":"))
        for at in (0, 1, 3, 4, 6, 7):
            sound &= digits[at] <= 9
        sound &= (hours < 24) & (minutes < 60) & (seconds < 60)
        of_day = (hours.astype(np.int64) * 60 + minutes) * 60 + seconds
        day = midnights.gather(np.repeat(np.arange(len(first)), np.diff(np.append(first, len(texts)))))
        times = day + pl.Series(of_day * 1_000_000)
        if sound.all():
            return times
        return pl.DataFrame({"t": times, "s": sound}).select(pl.when("s").then("t")).to_series()

    def midnights(self, dates: pl.Series) -> pl.Series:
        """Read RFC 3164 dates, ``Nov  2``: the moments they begin at."""
        return self._dates(dates + " 00:00:00")

    def _dates(self, texts: pl.Series) -> pl.Series:
        """Read RFC 3164 times one by one."""
        # A log repeats its seconds: each run is read once.
        runs = texts.rle()
        values = runs.struct.field("value")
        padded = pl.col("t").str.replace_all(r"\s+", " ")
        with_year = padded.str.to_datetime("%b %d %Y %H:%M:%S", time_unit="us", strict=False)
        newest = self.newest.astimezone(self.zone).replace(tzinfo=None)

        def in_year(year: int) -> pl.Expr:
            return (pl.lit(f"{year} ") + padded).str.to_datetime(
                "%Y %b %d %H:%M:%S", time_unit="us", strict=False
            )

        this, last = in_year(newest.year), in_year(newest.year - 1)
        # 29 February exists in few years: the last of them is meant.
        leap = in_year(newest.year - newest.year % 4 - (4 if newest.year % 4 == 0 else 0))
        yearless = (
            pl.when(in_year(newest.year + 1) <= newest + AHEAD)
            .then(in_year(newest.year + 1))
            .when(this <= newest + AHEAD)
            .then(this)
            .otherwise(pl.coalesce(last, leap))
        )
        moments = (
            pl.DataFrame({"t": values})
            .select(plausible(self._utc(pl.coalesce(with_year, yearless))).alias("time_us"))
            .to_series()
        )
        repeats = np.repeat(np.arange(len(runs)), runs.struct.field("len").to_numpy())
        return moments.gather(repeats)

    def strptime(self, texts: pl.Series, formats: Sequence[str]) -> pl.Series:
        """Read local times in the first of several `strptime` formats that fits."""
        readings = [pl.col("t").str.to_datetime(form, time_unit="us", strict=False) for form in formats]
        return (
            pl.DataFrame({"t": texts})
            .select(plausible(self._utc(pl.coalesce(readings))).alias("time_us"))
            .to_series()
        )

    def _utc(self, naive: pl.Expr) -> pl.Expr:
        """Turn local datetimes into microseconds UTC."""
        if self.zone is UTC:
            return naive.dt.timestamp("us")
        return naive.dt.replace_time_zone(
            str(self.zone), ambiguous="earliest", non_existent="null"
        ).dt.timestamp("us")


def _table(texts: pl.Series, width: int) -> npt.NDArray[np.uint8] | None:
    """Lay texts that all have one width in bytes side by side; None where they do not."""
    if not len(texts) or texts.null_count() or not (texts.str.len_bytes() == width).all():
        return None
    arrow = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
    offsets = np.frombuffer(arrow.buffers()[1], dtype=np.int64)
    begin = int(offsets[arrow.offset])
    body = np.frombuffer(arrow.buffers()[2], dtype=np.uint8)
    return body[begin : begin + width * len(texts)].reshape(len(texts), width)


def plausible(microseconds: pl.Expr) -> pl.Expr:
    """Keep times from 1970 to 2199; a record that says otherwise is damaged."""
    return pl.when(microseconds.is_between(EARLIEST_US, LATEST_US, closed="left")).then(microseconds)


def rfc3339(time_us: int | None) -> str | None:
    """Write microseconds UTC as RFC 3339, with a fraction only where there is one."""
    if time_us is None:
        return None
    moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=time_us)
    return moment.isoformat().replace("+00:00", "Z")


def zone_named(name: str) -> tzinfo:
    """Find a zone by its IANA name; ``UTC`` needs no zone database."""
    return UTC if name.upper() == "UTC" else ZoneInfo(name)


def dates_in(sample: bytes) -> list[datetime]:
    """Find the full dates in a piece of evidence: ISO times, and epoch seconds where loggers put them."""
    found = []
    for year, month, day, hour, minute in _DATED.findall(sample):
        try:
            found.append(datetime(int(year), int(month), int(day), int(hour), int(minute), tzinfo=UTC))
        except ValueError:
            continue
    if not found:
        found = [datetime.fromtimestamp(int(seconds), UTC) for seconds in _EPOCH.findall(sample)]
    return found


def newest_yearless(head: bytes, tail: bytes) -> tuple[int, int, int, int, int] | None:
    """Find the newest time without a year in a file, as (month, day, hour, minute, second).

    Which end of the file is the newer one is told from the direction in which its first lines run: a log may be
    newest first, and may cross New Year.
    """
    first, last = _yearless_in(head), _yearless_in(tail)
    if not first:
        return last[-1] if last else None
    steps = [(a < b) - (a > b) for a, b in pairwise(first) if a[0] == b[0]]
    return first[0] if sum(steps) < 0 else (last or first)[-1]


def _yearless_in(sample: bytes) -> list[tuple[int, int, int, int, int]]:
    """Find all times without a year at the starts of lines."""
    return [
        (_MONTHS[month.decode()], int(day), int(hour), int(minute), int(second))
        for month, day, hour, minute, second in _YEARLESS.findall(sample)
        if month.decode() in _MONTHS
    ]


def date_yearless(
    newest: tuple[int, int, int, int, int], known: Iterable[datetime], modified: datetime
) -> tuple[datetime, bool]:
    """Give a time without a year its year.

    Parameters
    ----------
    newest
        Month, day, hour, minute, second.
    known
        Moments of dated evidence nearby: the year that brings the time closest to one of them is taken.
    modified
        The file's modification time: where nothing is dated, the last such day up to then is taken.

    Returns
    -------
    tuple
        The moment, and whether dated evidence decided it.
    """
    candidates = [
        (abs(moment - date), moment)
        for date in known
        for year in (date.year - 1, date.year, date.year + 1)
        if (moment := moment_in(year, newest))
    ]
    if candidates:
        return min(candidates)[1], True
    for year in range(modified.year + 1, modified.year - 9, -1):
        if (moment := moment_in(year, newest)) and moment <= modified + AHEAD:
            return moment, False
    return modified, False


def moment_in(year: int, parts: tuple[int, int, int, int, int]) -> datetime | None:
    """Build a moment, or None where that year has no such day."""
    try:
        return datetime(year, *parts, tzinfo=UTC)
    except ValueError:
        return None
