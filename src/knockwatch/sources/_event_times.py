"""Event times in whatever spelling a vendor, a collector or a portal gave them. Which of them counts is not here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC

import polars as pl

from knockwatch.clock import SECOND_US, Clock, plausible

_SECONDS_BELOW, _MILLISECONDS_BELOW, _MICROSECONDS_BELOW = 10**11, 10**14, 10**17
"""An epoch number's unit follows from its size: seconds stay below 10^11 until the year 5138."""

_MINUTES = {
    "Z": 0, "UT": 0, "UTC": 0, "GMT": 0, "WET": 0, "EST": -300, "EDT": -240, "CST": -360, "CDT": -300,
    "MST": -420, "MDT": -360, "PST": -480, "PDT": -420, "WEST": 60, "CET": 60, "CEST": 120, "EET": 120,
    "EEST": 180, "JST": 540,
}  # fmt: skip
"""Zones by their letters: RFC 5322 section 4.3, and the European and Japanese ones."""

_ZONE = r" \(?(Z|[A-Z]{2,4}|[+-]\d\d:?\d\d)\)?$"
_SHAPES: dict[str, str] = {
    "epoch": r"^\d{9,19}(?:\.\d+)?$",
    "iso": r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d",
    "yearless": r"^[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d$",
    "written": r"^(?:[A-Z][a-z]{2} +\d{1,2},? +\d{4}|\d{1,2} [A-Z][a-z]{2} \d{4}|\d{1,4}/\d{1,2}/\d{1,4})[, ]",
}
_IN_FULL = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d\.\d{6}[+-]\d{4}$"
_WRITTEN = tuple(
    f"{date} {time}"
    for date in ("%b %d %Y", "%d %b %Y", "%m/%d/%Y", "%Y/%m/%d")
    for time in ("%H:%M:%S%.f", "%I:%M:%S%.f %p", "%H:%M", "%I:%M %p")
)


def moments(texts: pl.Series, clock: Clock) -> pl.Series:
    """Read times.

    Parameters
    ----------
    texts
        Epoch numbers in seconds, milliseconds, microseconds or nanoseconds; ISO 8601; ``Oct 26 2025 20:01:31``
        as the CEF standard writes it, with or without year, fraction and zone; ``8/17/2023, 6:52:13 AM`` and
        ``Oct 9, 2024 2:39:28 PM`` as portals export it. Trap 1 and 2.
    clock
        How to read those that name no zone or no year.

    Returns
    -------
    polars.Series
        Int64 microseconds UTC, null where a text is none of these or names a zone that nobody knows.
    """
    if texts.null_count() == len(texts):
        return pl.Series("time_us", [None] * len(texts), dtype=pl.Int64)
    readers: dict[str, Callable[[pl.Series, Clock], pl.Series]] = {
        "epoch": _epoch,
        "iso": _iso,
        "yearless": lambda part, its_clock: its_clock.syslog(part),
        "written": _written,
    }
    frame = pl.DataFrame({"text": texts.cast(pl.String).str.strip_chars(' "')}).with_row_index("row")
    parts = []
    for shape, pattern in _SHAPES.items():
        part = frame.filter(pl.col("text").str.contains(pattern))
        if part.height:
            parts.append(
                part.select("row", readers[shape](part["text"], clock).alias("time_us").cast(pl.Int64))
            )
    if not parts:
        return pl.Series("time_us", [None] * len(texts), dtype=pl.Int64)
    return frame.join(pl.concat(parts), on="row", how="left", maintain_order="left")["time_us"]


def _iso(texts: pl.Series, clock: Clock) -> pl.Series:
    """Read ISO 8601; where all have microseconds and an offset, as programs write them, each minute is read once."""
    if not texts.str.contains(_IN_FULL).all():
        return clock.iso(texts)
    text = pl.col("text")
    frame = pl.DataFrame({"text": texts}).with_columns(
        (text.str.head(17) + "00" + text.str.slice(26)).alias("minute"),
        text.str.slice(17, 2).cast(pl.Int64).alias("seconds"),
        text.str.slice(20, 6).cast(pl.Int64).alias("micros"),
    )
    minutes = frame.select("minute").unique()
    minutes = minutes.with_columns(clock.iso(minutes["minute"]).alias("begun_us"))
    moment = pl.col("begun_us") + pl.col("seconds") * SECOND_US + pl.col("micros")
    return frame.join(minutes, on="minute", how="left", maintain_order="left").select(moment).to_series()


def _epoch(texts: pl.Series, clock: Clock) -> pl.Series:
    """Read epoch numbers, whose unit their size tells."""
    del clock
    number, fraction = pl.col("whole"), pl.col("fraction").fill_null(0.0)
    return (
        pl.DataFrame({"text": texts})
        .select(
            pl.col("text").str.extract(r"^(\d+)", 1).cast(pl.Int64, strict=False).alias("whole"),
            pl.col("text").str.extract(r"(\.\d+)$", 1).cast(pl.Float64, strict=False).alias("fraction"),
        )
        .select(
            plausible(
                pl.when(number < _SECONDS_BELOW)
                .then(number * 1_000_000 + (fraction * 1e6).round().cast(pl.Int64))
                .when(number < _MILLISECONDS_BELOW)
                .then(number * 1_000 + (fraction * 1e3).round().cast(pl.Int64))
                .when(number < _MICROSECONDS_BELOW)
                .then(number)
                .otherwise(number // 1_000)
            )
        )
        .to_series()
    )


def _written(texts: pl.Series, clock: Clock) -> pl.Series:
    """Read times with a month's name or slashes; a log repeats its seconds, so each is read once."""
    distinct = pl.DataFrame({"text": texts}).unique(maintain_order=True)
    read = distinct.with_columns(_distinct(distinct["text"], clock).alias("time_us"))
    return pl.DataFrame({"text": texts}).join(read, on="text", how="left", maintain_order="left")["time_us"]


def _distinct(texts: pl.Series, clock: Clock) -> pl.Series:
    """Read times whose zone may stand behind them."""
    plain = texts.str.replace_all(r", *| at | +", " ")
    # AM and PM look like zones, and stand where those do.
    zone = plain.str.replace(r" [AP]M$", "").str.extract(_ZONE, 1)
    frame = pl.DataFrame({"text": plain, "zone": zone}).with_columns(
        pl.when(pl.col("zone").is_not_null())
        .then(pl.col("text").str.replace(_ZONE, ""))
        .otherwise("text")
        .alias("text"),
        pl.when(pl.col("zone").str.contains(r"^[+-]"))
        .then(_offset_minutes(pl.col("zone")))
        .otherwise(
            pl.col("zone").replace_strict(
                list(_MINUTES), list(_MINUTES.values()), default=None, return_dtype=pl.Int64
            )
        )
        .alias("minutes"),
    )
    return frame.select(
        pl.when(pl.col("zone").is_null())
        .then(clock.strptime(frame["text"], _WRITTEN))
        .otherwise(Clock(UTC).strptime(frame["text"], _WRITTEN) - pl.col("minutes") * 60_000_000)
    ).to_series()


def _offset_minutes(zone: pl.Expr) -> pl.Expr:
    """Read an offset, ``+0200`` or ``-07:00``, as minutes."""
    hours = zone.str.extract(r"^[+-](\d\d)", 1).cast(pl.Int64)
    minutes = zone.str.extract(r"(\d\d)$", 1).cast(pl.Int64)
    return (hours * 60 + minutes) * pl.when(zone.str.starts_with("-")).then(-1).otherwise(1)
