"""Times, from text to microseconds UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.clock import (
    LATEST_US,
    Clock,
    date_yearless,
    dates_in,
    moment_in,
    newest_yearless,
    plausible,
    rfc3339,
    zone_named,
)

NEWEST = datetime(2026, 11, 22, 12, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 30))  # noqa: DTZ001


def _microseconds(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def _iso(*texts: str, clock: Clock | None = None) -> list[str | None]:
    return [rfc3339(time) for time in (clock or Clock()).iso(pl.Series(texts))]


def _syslog(*texts: str, clock: Clock) -> list[str | None]:
    return [rfc3339(time) for time in clock.syslog(pl.Series(texts))]


# --- ISO


@given(MOMENTS, st.integers(-12 * 60, 14 * 60), st.sampled_from(["T", " "]), st.sampled_from([".", ","]))
def test_iso_times_come_back_whatever_their_offset(
    naive: datetime, minutes: int, blank: str, point: str
) -> None:
    moment = naive.replace(tzinfo=UTC)
    sign, size = ("-", -minutes) if minutes < 0 else ("+", minutes)
    local = (naive + timedelta(minutes=minutes)).strftime(f"%Y-%m-%d{blank}%H:%M:%S{point}%f")

    for offset in (f"{sign}{size // 60:02}:{size % 60:02}", f"{sign}{size // 60:02}{size % 60:02}"):
        assert Clock().iso(pl.Series([local + offset])).to_list() == [_microseconds(moment)]


@given(MOMENTS)
def test_rfc_3339_written_is_read_back(naive: datetime) -> None:
    time_us = _microseconds(naive.replace(tzinfo=UTC))

    assert Clock().iso(pl.Series([rfc3339(time_us)])).to_list() == [time_us]


def test_an_iso_time_without_a_zone_is_in_the_configured_one() -> None:
    zurich = Clock(zone_named("Europe/Zurich"))

    assert _iso("2026-11-22T12:23:34", clock=zurich) == ["2026-11-22T11:23:34Z"]
    assert _iso("2026-07-22T12:23:34", clock=zurich) == ["2026-07-22T10:23:34Z"]
    assert _iso("2026-11-22T12:23:34Z", clock=zurich) == ["2026-11-22T12:23:34Z"]


def test_an_hour_that_comes_twice_is_the_first_and_one_that_never_comes_is_none() -> None:
    zurich = Clock(zone_named("Europe/Zurich"))

    assert _iso("2026-10-25T02:30:00", "2026-03-29T02:30:00", clock=zurich) == ["2026-10-25T00:30:00Z", None]


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-13-01T00:00:00", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z", "1795346618"],
)
def test_what_is_no_time_of_this_age_is_null(text: str) -> None:
    assert Clock().iso(pl.Series([text])).to_list() == [None]


def test_nulls_and_no_times_at_all_are_read() -> None:
    assert Clock().iso(pl.Series([None], dtype=pl.String)).to_list() == [None]
    assert Clock().iso(pl.Series([], dtype=pl.String)).to_list() == []
    assert Clock().syslog(pl.Series([], dtype=pl.String)).to_list() == []
    assert Clock().syslog(pl.Series([None], dtype=pl.String)).to_list() == [None]


# --- syslog


@given(
    st.datetimes(datetime(2025, 11, 24), datetime(2026, 11, 23)).map(  # noqa: DTZ001
        lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
    )
)
def test_the_year_before_the_newest_line_is_found(moment: datetime) -> None:
    text = f"{moment:%b} {moment.day:2} {moment:%H:%M:%S}"

    assert Clock(newest=NEWEST).syslog(pl.Series([text])).to_list() == [_microseconds(moment)]


def test_times_that_cross_new_year_lie_in_two_years() -> None:
    """Trap 7: syslog may lack a year, and cross New Year."""
    clock = Clock(newest=datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC))

    assert _syslog("Dec 31 23:59:59", "Jan  1 00:00:02", clock=clock) == [
        "2025-12-31T23:59:59Z",
        "2026-01-01T00:00:02Z",
    ]


def test_a_clock_that_runs_ahead_over_new_year_is_believed() -> None:
    clock = Clock(newest=datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC))

    assert _syslog("Jan  1 00:00:02", clock=clock) == ["2026-01-01T00:00:02Z"]


def test_a_leap_day_is_in_the_last_year_that_had_one() -> None:
    assert _syslog("Feb 29 10:00:00", clock=Clock(newest=NEWEST)) == ["2024-02-29T10:00:00Z"]
    assert _syslog("Feb 29 10:00:00", clock=Clock(newest=datetime(2024, 5, 1, tzinfo=UTC))) == [
        "2024-02-29T10:00:00Z"
    ]
    assert _syslog("Feb 29 10:00:00", clock=Clock(newest=datetime(2024, 1, 9, tzinfo=UTC))) == [
        "2020-02-29T10:00:00Z"
    ]


def test_a_year_that_is_given_is_taken() -> None:
    assert _syslog("Nov 22 2019 11:23:34", clock=Clock(newest=NEWEST)) == ["2019-11-22T11:23:34Z"]


def test_a_syslog_time_is_in_the_configured_zone() -> None:
    clock = Clock(ZoneInfo("Europe/Zurich"), NEWEST)

    assert _syslog("Nov 22 12:23:34", clock=clock) == ["2026-11-22T11:23:34Z"]


@given(st.lists(st.sampled_from(["Nov 22 11:23:34", "Nov 22 11:23:35", "no time"]), max_size=20))
def test_repeated_times_are_each_read(texts: list[str]) -> None:
    known = {"Nov 22 11:23:34": 34, "Nov 22 11:23:35": 35}
    base = _microseconds(datetime(2026, 11, 22, 11, 23, tzinfo=UTC))

    read = Clock(newest=NEWEST).syslog(pl.Series(texts, dtype=pl.String)).to_list()

    assert read == [base + known[text] * 1_000_000 if text in known else None for text in texts]


def test_the_first_form_that_fits_is_read() -> None:
    texts = pl.Series(["2026-11-22 11:23", "11/22/2026 11:23", "never"])

    read = Clock().strptime(texts, ["%Y-%m-%d %H:%M", "%m/%d/%Y %H:%M"]).to_list()

    assert [rfc3339(time) for time in read] == ["2026-11-22T11:23:00Z", "2026-11-22T11:23:00Z", None]


# --- bounds and words


def test_only_times_of_this_age_are_plausible() -> None:
    times = pl.DataFrame({"t": [-1, 0, LATEST_US - 1, LATEST_US, None]})

    assert times.select(plausible(pl.col("t"))).to_series().to_list() == [None, 0, LATEST_US - 1, None, None]


def test_a_fraction_is_written_only_where_there_is_one() -> None:
    assert rfc3339(1_795_346_618_000_000) == "2026-11-22T11:23:38Z"
    assert rfc3339(1_795_346_618_709_930) == "2026-11-22T11:23:38.709930Z"
    assert rfc3339(None) is None


# --- years of files without one


def test_the_newest_line_is_the_last_or_the_first() -> None:
    """Trap 6: logs may be newest-first."""
    lines = [b"Nov 20 10:00:00 a", b"Nov 21 10:00:00 a", b"Nov 22 11:23:34 a"]
    newest = (11, 22, 11, 23, 34)

    assert newest_yearless(b"\n".join(lines), b"\n".join(lines)) == newest
    assert newest_yearless(b"\n".join(lines[::-1]), b"\n".join(lines[::-1])) == newest
    assert newest_yearless(b"<13>" + lines[2], b"") == newest
    assert newest_yearless(b"2026-11-22T11:23:34Z a", b"") is None


def test_dates_are_found_where_loggers_put_them() -> None:
    assert dates_in(b"2026-11-22T11:23:34 a\n2026-99-99 11:23\n") == [
        datetime(2026, 11, 22, 11, 23, tzinfo=UTC)
    ]
    assert dates_in(b"type=EXECVE msg=audit(1795346618.709:12): x") == [
        datetime(2026, 11, 22, 11, 23, 38, tzinfo=UTC)
    ]
    assert dates_in(b"nothing") == []


def test_dated_evidence_decides_the_year() -> None:
    newest = (1, 1, 0, 0, 2)
    modified = datetime(2031, 6, 1, tzinfo=UTC)

    moment, dated = date_yearless(newest, [datetime(2025, 12, 31, 12, tzinfo=UTC)], modified)

    assert (moment, dated) == (datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC), True)


def test_without_dated_evidence_the_last_such_day_is_meant() -> None:
    modified = datetime(2026, 1, 2, tzinfo=UTC)

    assert date_yearless((1, 1, 0, 0, 2), [], modified)[0].year == 2026
    assert date_yearless((12, 31, 0, 0, 2), [], modified)[0].year == 2025
    assert date_yearless((2, 29, 0, 0, 2), [], modified)[0].year == 2024
    assert date_yearless((2, 31, 0, 0, 2), [], modified) == (modified, False)


def test_a_day_that_does_not_exist_is_no_moment() -> None:
    assert moment_in(2025, (2, 29, 0, 0, 0)) is None
    assert moment_in(2025, (2, 99, 0, 0, 0)) is None
