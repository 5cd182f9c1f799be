"""Which of the many times in a row of CommonSecurityLog is the event's own. How they are spelled is not here."""

from __future__ import annotations

import polars as pl

from knockwatch.clock import Clock
from knockwatch.sources._event_times import moments
from knockwatch.sources._vendor_words import extension

FORTIGATE = "(?:FTNTFGT|FortinetFortiGate)?"
"""Sentinel keeps FortiGate's own keys with a prefix that depends on the collector's age; FortiAnalyzer has none."""
_EVENT_KEYS = (
    f"{FORTIGATE}eventtime",
    "UNIFIutcTime",
    "PanOSTimeGeneratedHighResolution",
    "PanOSTimeGenerated",
)
_FIRST_PACKET = r"\bFirstPacketSecond: ?([^,\s]+)"
_SECOND = 1_000_000
_NAMED = ("start", "event", "receipt", "end")


def original_times(frame: pl.DataFrame, own: pl.Series, own_text: pl.Series, clock: Clock) -> list[pl.Series]:
    """Choose the most original time of each row.

    That is when the connection began, as the device says; else when the device noticed it, less how long it had
    lasted by then; else when the collector received it; else when it ended; else the record's own time. A time in
    whole seconds gives way to a finer one within that second, since the order of a burst hangs on it.

    Parameters
    ----------
    frame
        StartTime, EndTime, ReceiptTime, AdditionalExtensions, Message as text; `duration_us` of the connection as
        the message says it.
    own, own_text
        Time of the record that carried the row, in microseconds UTC and as written.
    clock
        Reads times that name no zone.

    Returns
    -------
    list of polars.Series
        `time_us` and `time`.
    """
    more = pl.col("AdditionalExtensions")
    texts = frame.select(
        pl.coalesce(
            _said(pl.col("StartTime")),
            more.str.extract(extension(f"{FORTIGATE}start"), 1),
            pl.col("Message").str.extract(_FIRST_PACKET, 1),
        ).alias("start"),
        pl.coalesce(*(more.str.extract(extension(key), 1) for key in _EVENT_KEYS)).alias("event"),
        pl.col("ReceiptTime").alias("receipt"),
        pl.coalesce(_said(pl.col("EndTime")), more.str.extract(extension("end"), 1)).alias("end"),
    )
    lasted = more.str.extract(extension(f"{FORTIGATE}duration"), 1).cast(pl.Int64, strict=False)
    known = frame.select(
        *(moments(texts[name], clock).alias(name) for name in _NAMED),
        own.cast(pl.Int64).alias("own"),
        (lasted * _SECOND).fill_null(0).alias("lasted"),
        pl.col("duration_us").fill_null(0),
    ).with_columns(pl.col("event") - pl.col("lasted"), pl.col("own") - pl.col("duration_us"))
    written = texts.with_columns(own_text.cast(pl.String).alias("own"))
    names = (*_NAMED, "own")
    first = pl.coalesce(names)
    finer = [
        pl.when((first % _SECOND == 0) & (pl.col(name) - first).is_between(1, _SECOND - 1)).then(pl.col(name))
        for name in names
    ]
    chosen = pl.concat([known, written.rename({name: f"{name} text" for name in names})], how="horizontal")
    return chosen.select(
        pl.coalesce(*finer, first).alias("time_us"),
        pl.coalesce(
            *(pl.when(pl.col(name).is_not_null()).then(pl.col(f"{name} text")) for name in names)
        ).alias("time"),
    ).get_columns()


def _said(text: pl.Expr) -> pl.Expr:
    """Keep a text that says something."""
    return pl.when(text != "").then(text)
