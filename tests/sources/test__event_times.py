"""Event times in the spellings of vendors, collectors and portals."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.clock import Clock, rfc3339
from knockwatch.sources._event_times import moments


def read(text: str | None, clock: Clock | None = None) -> str | None:
    return rfc3339(moments(pl.Series([text], dtype=pl.String), clock or Clock()).item())


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1691735642000", "2023-08-11T06:34:02Z"),
        ("1545937675", "2018-12-27T19:07:55Z"),
        ("1647873918304240923", "2022-03-21T14:45:18.304240Z"),
        ("1647873918304240", "2022-03-21T14:45:18.304240Z"),
        ("1699999999.5", "2023-11-14T22:13:19.500000Z"),
        ("Oct 26 2025 20:01:31", "2025-10-26T20:01:31Z"),
        ("Oct 26 2025 20:01:31.123", "2025-10-26T20:01:31.123000Z"),
        ("Nov 04 2018 07:15:46 GMT", "2018-11-04T07:15:46Z"),
        ("Jan 31 2025 16:23:47.123 +0200", "2025-01-31T14:23:47.123000Z"),
        ("Jan 31 2025 16:23:47 -07:30", "2025-01-31T23:53:47Z"),
        ("Oct 26 2025 20:01:31 CEST", "2025-10-26T18:01:31Z"),
        ("Oct 26, 2025 at 7:59:41.239 PM", "2025-10-26T19:59:41.239000Z"),
        ("26 Oct 2025 20:01:31", "2025-10-26T20:01:31Z"),
        ("2018/11/04 07:15:46", "2018-11-04T07:15:46Z"),
        ("2025-10-26T19:01:31.807Z", "2025-10-26T19:01:31.807000Z"),
    ],
)
def test_a_time_is_read(text: str, moment: str) -> None:
    assert read(text) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("8/17/2023, 6:52:13 AM", "2023-08-17T06:52:13Z"),
        ("3/31/2022, 10:52:35.857 PM", "2022-03-31T22:52:35.857000Z"),
        ("Oct 9, 2024 2:39:28 PM", "2024-10-09T14:39:28Z"),
    ],
)
def test_portals_write_times_their_own_way(text: str, moment: str) -> None:
    """Trap 1: portal exports write times as 8/17/2023, 6:52:13 AM or Oct 9, 2024 2:39:28 PM."""
    assert read(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "soon",
        "Feb 30 2024 10:00:00",
        "Oct 26 2025 20:01:31 XYZ",
        "9999-01-01T00:00:00Z",
        "9" * 19,
        "12",
    ],
)
def test_what_is_no_time_is_null(text: str | None) -> None:
    assert read(text) is None


def test_a_time_without_a_zone_is_in_the_configured_one() -> None:
    clock = Clock(ZoneInfo("Europe/Zurich"))

    assert read("Oct 26 2025 20:01:31", clock) == "2025-10-26T19:01:31Z"
    assert read("Oct 26 2025 20:01:31 GMT", clock) == "2025-10-26T20:01:31Z"


def test_a_time_without_a_year_gets_the_files() -> None:
    assert (
        read("Nov 22 11:23:34", Clock(newest=datetime(2026, 11, 22, 23, tzinfo=UTC)))
        == "2026-11-22T11:23:34Z"
    )


@given(st.lists(st.one_of(st.none(), st.text(max_size=30))))
def test_any_texts_give_as_many_times(texts: list[str | None]) -> None:
    assert len(moments(pl.Series(texts, dtype=pl.String), Clock())) == len(texts)


@given(st.datetimes(datetime(2001, 9, 10), datetime(2199, 12, 30)))  # noqa: DTZ001 - hypothesis wants them naive
def test_epochs_of_every_unit_and_the_written_form_agree(moment: datetime) -> None:
    us = int(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000
    texts = [str(us // 10**6), str(us // 1000), str(us), str(us * 1000), moment.strftime("%b %d %Y %H:%M:%S")]

    assert moments(pl.Series(texts), Clock()).to_list() == [us] * len(texts)


@given(
    st.lists(st.datetimes(), min_size=1),
    st.sampled_from(["+0000", "-0700", "+0530"]),
)
def test_times_in_full_are_read_like_others(times: list[datetime], offset: str) -> None:
    texts = [f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond:06}{offset}" for time in times]
    full = moments(pl.Series(texts), Clock())

    # One without a fraction is read in the general way, and all beside it.
    general = moments(pl.Series([*texts, "2026-11-22T11:00:00Z"]), Clock())[:-1]
    assert full.to_list() == general.to_list()
