"""Dates in the shapes of Java's SimpleDateFormat."""

from __future__ import annotations

import polars as pl
import pytest

from knockwatch.sources._java_dates import canonical


def read(date: str, shape: str | None) -> object:
    return canonical(pl.Series([date]), pl.Series([shape], dtype=pl.String)).cast(pl.String).to_list()[0]


@pytest.mark.parametrize(
    ("date", "shape", "expected"),
    [
        ("22/11/2026 11:23:34", "dd/MM/yyyy HH:mm:ss", "2026/11/22 11:23:34.000000"),
        ("2026-11-22T11:23:34.5+0100", "yyyy-MM-dd'T'HH:mm:ss.SSSZ", "2026/11/22 11:23:34.500000 +0100"),
        ("Sun Nov 22 11:23:34 CET 2026", "EEE MMM dd HH:mm:ss zzz yyyy", "2026/11/22 11:23:34.000000 CET"),
        ("Nov 22 2026 11:23:34 GMT+01:00", "MMM dd yyyy HH:mm:ss z", "2026/11/22 11:23:34.000000 +01:00"),
        ("11/22/26 01:23:34 PM", "MM/dd/yy hh:mm:ss a", "2026/11/22 13:23:34.000000"),
        ("2026-11-22", None, None),
        ("yesterday", "yyyy-MM-dd HH:mm:ss", None),
        ("2026-11-22", "QQQ", None),
        ("2026 CET CET", "yyyy z z", None),
        ("2026-11-22", "", None),
        ("(", "(((", None),
    ],
)
def test_dates_are_read_in_their_shape(date: str, shape: str | None, expected: str | None) -> None:
    assert read(date, shape) == expected


def test_each_date_is_read_in_its_own_shape() -> None:
    dates = pl.Series(["01/02/2026 00:00:00", "01/02/2026 00:00:00", "x"])
    shapes = pl.Series(["dd/MM/yyyy HH:mm:ss", "MM/dd/yyyy HH:mm:ss", None])

    assert canonical(dates, shapes).to_list() == [
        "2026/02/01 00:00:00.000000",
        "2026/01/02 00:00:00.000000",
        None,
    ]


def test_a_thousand_shapes_are_not_all_tried() -> None:
    shapes = pl.Series([f"yyyy 'x{n}'" for n in range(1000)])

    assert len(canonical(pl.Series(["2026"] * 1000), shapes)) == 1000
