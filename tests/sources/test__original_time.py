"""Which of a row's times is the event's own."""

from __future__ import annotations

import polars as pl
import pytest

from knockwatch.clock import Clock, rfc3339
from knockwatch.sources._original_time import original_times

OWN = 1_795_350_000_000_000
COLUMNS = ("StartTime", "EndTime", "ReceiptTime", "AdditionalExtensions", "Message")


def chosen(
    texts: dict[str, str] | None = None, duration_us: int | None = None, own: int | None = OWN
) -> tuple[str | None, str | None]:
    frame = pl.DataFrame(
        {name: [(texts or {}).get(name)] for name in COLUMNS} | {"duration_us": [duration_us]},
        schema={**dict.fromkeys(COLUMNS, pl.String), "duration_us": pl.Int64},
    )
    time_us, time = original_times(frame, pl.Series([own], dtype=pl.Int64), pl.Series(["own"]), Clock())
    return rfc3339(time_us.item()), time.item()


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (
            {
                "StartTime": "2026-11-22T11:00:00.5Z",
                "ReceiptTime": "1795346614000",
                "AdditionalExtensions": "start=1795346600000",
            },
            "2026-11-22T11:00:00.500000Z",
        ),
        (
            {"ReceiptTime": "1795346614000", "AdditionalExtensions": "end=1795346613000;start=1795346612000"},
            "2026-11-22T11:23:32Z",
        ),
        (
            {
                "AdditionalExtensions": "FTNTFGTstart=2026-11-22T11:23:30Z;FTNTFGTeventtime=1795346614000000000"
            },
            "2026-11-22T11:23:30Z",
        ),
        (
            {"AdditionalExtensions": "a=b;FortinetFortiGateeventtime=1795346614304240923;c=d"},
            "2026-11-22T11:23:34.304240Z",
        ),
        (
            {"AdditionalExtensions": "FTNTFGTduration=4;FTNTFGTeventtime=1795346614"},
            "2026-11-22T11:23:30Z",
        ),
        ({"AdditionalExtensions": "UNIFIutcTime=2026-11-22T11:23:34.5Z"}, "2026-11-22T11:23:34.500000Z"),
        ({"ReceiptTime": "Nov 22 2026 11:23:34"}, "2026-11-22T11:23:34Z"),
        ({"AdditionalExtensions": "end=1795346613000"}, "2026-11-22T11:23:33Z"),
        ({"Message": "FirstPacketSecond: 2026-11-22T11:23:34Z, SrcIP: x"}, "2026-11-22T11:23:34Z"),
    ],
)
def test_the_devices_own_time_counts_before_that_of_ingestion(texts: dict[str, str], expected: str) -> None:
    """Trap 2: TimeGenerated may be ingestion time; the true one is ReceiptTime, start=, or …eventtime."""
    assert chosen(texts)[0] == expected


def test_the_records_own_time_counts_where_the_row_says_none() -> None:
    assert chosen() == (rfc3339(OWN), "own")
    assert chosen({"AdditionalExtensions": "start=soon;x=1"})[0] == rfc3339(OWN)
    assert chosen(own=None) == (None, None)


def test_a_teardown_is_dated_back_to_the_beginning() -> None:
    assert chosen(duration_us=65_000_000)[0] == rfc3339(OWN - 65_000_000)


def test_whole_seconds_give_way_to_a_finer_time_within_that_second() -> None:
    more = "start=Nov 22 2026 11:23:34 GMT;PanOSTimeGeneratedHighResolution=2026-11-22T11:23:34.763+00:00"

    assert chosen({"AdditionalExtensions": more})[0] == "2026-11-22T11:23:34.763000Z"
    assert chosen({"AdditionalExtensions": more.replace("34.763", "36.763")})[0] == "2026-11-22T11:23:34Z"


def test_the_text_of_the_chosen_time_is_kept() -> None:
    assert chosen({"ReceiptTime": "Nov 22 2026 11:23:34"})[1] == "Nov 22 2026 11:23:34"
