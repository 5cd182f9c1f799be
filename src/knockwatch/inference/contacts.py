"""Contacts: what one source once did at one service, put together from all that observers wrote of it.

The same SYN may stand in a server's log, twice in its copies, in the edge's log, in a flow record and in a capture,
each with its own clock. Here those rows become one contact with one time and one outcome. Nothing here knows doors.
"""

from __future__ import annotations

import polars as pl

from knockwatch.clock import SECOND_US
from knockwatch.tables import ACCEPTED, DENIED, REFUSED, UNANSWERED

CLOSED = (DENIED, REFUSED, UNANSWERED)
"""Outcomes of a probe."""
SAME_PACKET_US = 8_000_000
"""Rows of one five-tuple this close are one contact: a SYN is repeated after 1, 3 and 7 s, and clocks differ."""
SAME_PING_US = 1_500_000
"""Echo requests this close are one ping: they have no port to tell them apart."""
SKEW_MOST_US = 10_000_000
"""Largest difference of clocks that is corrected."""
_BUCKET_US = 600_000_000
"""Uptime and wall clock are compared within ten minutes: the kernel's clock drifts seconds in a day."""
_BOOT_US = 60_000_000
"""Uptimes whose distance to the wall clock differs by this belong to different boots."""
POINTERS = 4
"""Places of evidence kept of a contact."""

COLUMNS = (
    "time_us",
    "clock_us",
    "source_ip",
    "source_port",
    "destination_ip",
    "destination_port",
    "protocol",
    "outcome",
    "icmp_type",
    "payload_length",
    "payload_head",
    "forwarded",
    "file",
    "line",
)
"""What is needed of a connection."""


def contacts(rows: pl.DataFrame) -> pl.DataFrame:
    """Put rows of the table `connections` together to contacts.

    Parameters
    ----------
    rows
        At least `COLUMNS`; only rows that begin something (a SYN, a datagram, an echo request). `signed` says, where
        it is there, that a packet matches a signature that can be trusted.

    Returns
    -------
    polars.DataFrame
        `source_ip`, `destination_ip`, `step` (``tcp/7000``, ``icmp``), `time_us` (first, best clock), `accepted_us`
        (when it was answered, null if never), `closed` (some row says it was not answered), `payload_length`,
        `payload_head` (hexadecimal), `signed`, `exact` (finer than a second), `skew_us` (largest correction of a
        recorder's clock), and `pointers` (list of struct(file, line)); in order of time.
    """
    if rows.is_empty():
        return _EMPTY.clone()
    if "signed" not in rows.columns:
        rows = rows.with_columns(pl.lit(value=False).alias("signed"))
    timed = _without_skew(_refined(rows.filter(pl.col("time_us").is_not_null())))
    step = (
        pl.when(pl.col("protocol").is_in(["icmp", "icmp6"]))
        .then(pl.lit("icmp"))
        .when(pl.col("destination_port").is_null())
        .then(pl.col("protocol"))
        .otherwise(pl.concat_str("protocol", pl.lit("/"), "destination_port"))
    )
    key = ["source_ip", "destination_ip", "step", "source_port"]
    # Sorted by a number for each key, rows of one contact stand side by side: no window over four columns is needed.
    another = pl.col("key") != pl.col("key").shift()
    same_us = pl.when(pl.col("step") == "icmp").then(SAME_PING_US).otherwise(SAME_PACKET_US)
    begins = (another | (pl.col("at_us").diff() > same_us)).fill_null(value=True)
    accepted = (pl.col("outcome") == ACCEPTED) & ~pl.col("forwarded").fill_null(value=False)
    return (
        timed.with_columns(step.alias("step"))
        .with_columns(pl.struct(key).hash().alias("key"))
        .sort("key", "at_us", "file", "line")
        .with_columns(begins.cum_sum().alias("turn"))
        .group_by("turn", maintain_order=True)
        .agg(
            pl.col(*key).first(),
            # A whole-second log stands before what it saw: a finer clock is the better one.
            pl.coalesce(
                pl.col("at_us").filter("exact").min(),
                pl.col("at_us").min(),
            ).alias("time_us"),
            pl.coalesce(
                pl.col("at_us").filter(accepted & pl.col("exact")).min(),
                pl.col("at_us").filter(accepted).min(),
            ).alias("accepted_us"),
            pl.col("outcome").is_in(CLOSED).any().alias("closed"),
            pl.col("payload_length").max(),
            pl.col("payload_head").drop_nulls().first(),
            pl.col("signed").any(),
            pl.col("exact").any(),
            pl.col("skew_us").abs().max(),
            pl.struct("file", "line").head(POINTERS).alias("pointers"),
        )
        .with_columns(pl.col("pointers").list.first().struct.field("line").alias("first_line"))
        .sort("time_us", "first_line", *key)
        .select(_EMPTY.columns)
    )


def _refined(rows: pl.DataFrame) -> pl.DataFrame:
    """Give each row the best time there is, `at_us`, and say whether it is finer than a second, `exact`.

    The kernel's uptime is exact to the microsecond. How far it lies from the wall clock is learned from the log: a
    line is written after its packet, so the smallest difference is the truest; a log that drops the fraction of a
    second is always early, so there the largest is.
    """
    fraction = pl.col("time_us") % SECOND_US != 0
    if rows["clock_us"].null_count() == rows.height:
        coarse = rows.group_by("file").agg(~fraction.any().alias("whole")).filter("whole")["file"]
        return rows.with_columns(
            pl.col("time_us").alias("at_us"), ~pl.col("file").is_in(coarse.implode()).alias("exact")
        )
    offset = pl.col("time_us") - pl.col("clock_us")
    group = ["file", pl.col("time_us") // _BUCKET_US, offset // _BOOT_US]
    whole = ~fraction.any().over("file")
    learned = pl.when(whole).then(offset.max().over(group)).otherwise(offset.min().over(group))
    stamped = pl.col("clock_us").is_not_null()
    return rows.with_columns(
        pl.when(stamped).then(pl.col("clock_us") + learned).otherwise("time_us").alias("at_us"),
        (stamped | ~whole).alias("exact"),
    )


def _without_skew(rows: pl.DataFrame) -> pl.DataFrame:
    """Bring all files to the clock of the one that shares most packets with others.

    Two files that hold the same five-tuples tell how far their clocks differ: the median of the differences. More
    than `SKEW_MOST_US` is not believed.
    """
    rows = rows.with_columns(pl.lit(0, dtype=pl.Int64).alias("skew_us"))
    if rows["file"].n_unique() < 2:
        return rows
    shared = (
        rows.filter(pl.col("source_port").is_not_null())
        .group_by(
            "file",
            "source_ip",
            "source_port",
            "destination_ip",
            "destination_port",
            "protocol",
        )
        .agg(pl.col("at_us").min())
    )
    tuple_key = ["source_ip", "source_port", "destination_ip", "destination_port", "protocol"]
    counted = shared.filter(pl.len().over(tuple_key) > 1)
    if counted.is_empty():
        return rows
    reference = counted.group_by("file").len().sort("len", "file", descending=[True, False])["file"][0]
    differences = (
        counted.join(
            counted.filter(pl.col("file") == reference).drop("file"), on=tuple_key, suffix="_reference"
        )
        .with_columns((pl.col("at_us") - pl.col("at_us_reference")).alias("skew_us"))
        .group_by("file")
        .agg(pl.col("skew_us").median().round().cast(pl.Int64))
        .filter(pl.col("skew_us").abs() <= SKEW_MOST_US)
    )
    return (
        rows.drop("skew_us")
        .join(differences, on="file", how="left", maintain_order="left")
        .with_columns(pl.col("skew_us").fill_null(0))
        .with_columns(pl.col("at_us") - pl.col("skew_us"))
    )


_EMPTY = pl.DataFrame(
    schema={
        "source_ip": pl.String,
        "destination_ip": pl.String,
        "step": pl.String,
        "time_us": pl.Int64,
        "accepted_us": pl.Int64,
        "closed": pl.Boolean,
        "payload_length": pl.Int32,
        "payload_head": pl.String,
        "signed": pl.Boolean,
        "exact": pl.Boolean,
        "skew_us": pl.Int64,
        "pointers": pl.List(pl.Struct({"file": pl.Int32, "line": pl.Int64})),
    }
)
