"""What nfdump's fields mean, in whatever of its output formats they stand."""

from __future__ import annotations

import polars as pl

from knockwatch.clock import SECOND_US, Clock
from knockwatch.sources._event_times import moments
from knockwatch.sources._flow_outcomes import View
from knockwatch.sources._flow_records import flag_bits, flows, whole
from knockwatch.tables import DENIED

VIEW = View("nfdump", "NetFlow")

_ICMP = r"^(?i:icmp|icmp6|icmpv6|ipv6-icmp|1|58)$"
_DROPPED = (128, 191)
"""Forwarding states that mean dropped (RFC 7270, section 4.12)."""
_DENYING = ("DENIED", "DENY", "block")
"""Events of a firewall's NSEL records, and the action of pf's log, that mean denied."""


def read(found: pl.DataFrame, clock: Clock) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read nfdump's fields.

    Parameters
    ----------
    found
        `line`, `text`, `time`, the ends and counts under the names of `FLOW`, and, each where the output has it,
        `last`, `duration` (seconds), `letters` (TCP flags), `status` (forwarding), `event` and `icmp_type`.

    Returns
    -------
    tuple
        Records of flows, and those that make no sense.
    """
    absent = {"last", "duration", "letters", "status", "event", "icmp_type", "icmp_code"} - set(found.columns)
    found = found.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent)
    kind, code = _icmp()
    icmp = pl.col("protocol").str.strip_chars().str.contains(_ICMP)
    dropped = whole("status").is_between(*_DROPPED) | pl.col("event").is_in(_DENYING)
    begin = moments(found["time"], clock)
    end = moments(found["last"], clock)
    lasted = found.select((pl.col("duration").cast(pl.Float64, strict=False) * SECOND_US).cast(pl.Int64))
    told = found.with_columns(
        begin.alias("time_us"),
        pl.max_horizontal(end, begin + lasted.to_series()).alias("end_us"),
        flag_bits(pl.col("letters")).alias("flags"),
        pl.when(icmp).then(kind).alias("icmp_type"),
        pl.when(icmp).then(code).alias("icmp_code"),
        pl.when(icmp).then(None).otherwise("destination_port").alias("destination_port"),
        pl.when(dropped).then(pl.lit(DENIED)).alias("said"),
        pl.when(dropped)
        .then(pl.coalesce("event", pl.concat_str(pl.lit("status "), "status")))
        .alias("action"),
    )
    return flows(told.drop("last", "duration", "letters", "status", "event"), clock)


def _icmp() -> tuple[pl.Expr, pl.Expr]:
    """Read ICMP's type and code: apart, as ``8.0``, or as type * 256 + code in the place of the port."""
    port = pl.col("destination_port").str.strip_chars()
    both = whole("destination_port")
    dotted = port.str.extract_groups(r"^(\d{1,3})\.(\d{1,3})$")
    parts = [dotted.struct.field(part).cast(pl.Int64) for part in ("1", "2")]
    is_dotted = parts[0].is_not_null()
    told = whole("icmp_type").is_not_null()
    return (
        pl.when(told).then(whole("icmp_type")).when(is_dotted).then(parts[0]).otherwise(both // 256),
        pl.when(told).then(whole("icmp_code")).when(is_dotted).then(parts[1]).otherwise(both % 256),
    )
