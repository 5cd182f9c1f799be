"""What `last` and `lastb` print of a host's log-in records: in the usual columns, with short, full or ISO times.

The records themselves, which tell more, are `wtmp`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime

import polars as pl

from knockwatch.clock import Clock
from knockwatch.sources import Batch, Format, Head, LineSource, Reading, share
from knockwatch.sources._addresses import shortest
from knockwatch.sources._utmp_words import logged_in, refused

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY = f"(?:{'|'.join(_DAYS)})"
_SHORT = rf"{_DAY} [A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d(?::\d\d)?(?: \d{{4}})?"
_SHORT_TIME = re.compile(rf"^({_DAY}) ([A-Z][a-z]{{2}}) +(\d{{1,2}}) ([\d:]+)(?: (\d{{4}}))?$")
_ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[+-]\d\d:?\d\d)?"
_AFTER = r"(?:\s+(?:-\s|still\b|gone\b|crash\b|down\b|\()|\s*$)"
_LINE = (
    rf"^(?P<user>\S+|) +(?P<terminal>system (?:boot|down)|\S+) +(?:(?P<source>\S+) +)?(?P<time>{_SHORT}|{_ISO})"
    rf"(?P<after>{_AFTER}.*)?$"
)
_FITS = re.compile(_LINE)
_BEGINS = rf"^\S+ begins (?:{_DAY} )?(.*)$"
_LAST_COLUMN = r" {2,}([^\s()]+)$"
"""With -a the source stands last, behind the time the session took."""
_OF_SYSTEM = ("reboot", "shutdown", "runlevel")
_NO_PEER = ["0.0.0.0"]  # noqa: S104
"""What -i prints for a terminal of the host's own."""
_TAIL = 400
"""Bytes of the file's end in which its last line stands."""
_YEARS_APART = 11
"""A date falls on the same day of the week again after at most so many years, but for 29 February."""


class LastOutput(LineSource):
    """Reader of what `last` prints."""

    format = Format(
        "last",
        "output of last and lastb",
        ("messages",),
        "verified",
        "last(1); last of util-linux 2.38 run on records of our own",
    )

    def confidence(self, head: Head) -> float:
        """Share of lines in the columns of `last`."""
        begins = re.compile(_BEGINS)
        return 0.9 * share([line for line in head.lines if not begins.match(line)], _FITS.match)

    def parse(self, lines: pl.DataFrame, reading: Reading) -> Batch:
        """Make a message of each log-in, attempt and boot."""
        text = pl.col("text")
        fields = lines.with_columns(text.str.strip_chars_end().str.extract_groups(_LINE).alias("f")).unnest(
            "f"
        )
        times = _moments(fields["time"], _years(reading), reading.clock)
        fields = fields.with_columns(times.alias("time_us"))
        sound = pl.col("time_us").is_not_null()
        other = (text.str.strip_chars() == "") | text.str.contains(_BEGINS)
        return Batch(
            lines.height,
            {"messages": _messages(fields.filter(sound & ~other))},
            fields.filter(~sound & ~other).select("line", "text"),
        )


def _messages(fields: pl.DataFrame) -> pl.DataFrame:
    """Say what each line tells."""
    source = fields["source"].fill_null(fields["after"].str.extract(_LAST_COLUMN, 1)).alias("source")
    written = fields.with_columns(shortest(source).fill_null(source).replace(_NO_PEER, [None]))
    user, terminal = pl.when(pl.col("user") != "").then("user"), pl.col("terminal")
    of_system = pl.concat_str("user", pl.concat_str(pl.lit(", kernel "), "source").fill_null(""))
    message = (
        pl.when(pl.col("user").is_in(_OF_SYSTEM)).then(of_system)
        .when(terminal.str.ends_with(":notty")).then(refused(user, terminal, pl.col("source")))
        .when(user.is_null()).then(pl.concat_str(terminal, pl.lit(" logged out")))
        .otherwise(logged_in(user, terminal, pl.col("source")))
    )  # fmt: skip
    return written.select(
        "line", "time_us", "time", pl.lit("last").alias("program"), message.alias("message")
    )


def _years(reading: Reading) -> Sequence[int]:
    """Give the years that a time without one may be of, the likeliest first.

    The last line tells when the records begin; where it is missing, the file was written after the newest of them.
    """
    found = re.findall(_BEGINS, reading.evidence.tail(_TAIL).decode("utf-8", "replace"), re.MULTILINE)
    if year := re.search(r"\b(\d{4})\b", found[-1]) if found else None:
        return range(int(year[1]), int(year[1]) + _YEARS_APART + 1)
    written = datetime.fromtimestamp(reading.evidence.path.stat().st_mtime, UTC).year
    return range(written, written - _YEARS_APART - 1, -1)


def _moments(texts: pl.Series, years: Sequence[int], clock: Clock) -> pl.Series:
    """Read times; one without a year gets the first that has such a day of the week."""
    known = {text: _dated(text, years) for text in texts.drop_nulls().unique()}
    dated = [known[text] if text is not None else None for text in texts]
    short = clock.strptime(pl.Series(dated, dtype=pl.String), ("%b %d %H:%M:%S %Y", "%b %d %H:%M %Y"))
    return clock.iso(texts).fill_null(short)


def _dated(text: str, years: Sequence[int]) -> str | None:
    """Write a time as ``Nov 22 11:23 2026``; None where it is no such time."""
    found = _SHORT_TIME.match(text)
    if found is None:
        return None
    day_name, month, day, moment, year = found.groups()
    if year is None:
        year = next((str(one) for one in years if _day_of_week(one, month, int(day)) == day_name), None)
    return None if year is None else f"{month} {int(day):02} {moment} {year}"


def _day_of_week(year: int, month: str, day: int) -> str | None:
    """Name the day of the week of a date; None where there is no such date."""
    try:
        return _DAYS[date(year, _MONTHS.index(month) + 1, day).weekday()]
    except ValueError:
        return None


SOURCE = LastOutput()
