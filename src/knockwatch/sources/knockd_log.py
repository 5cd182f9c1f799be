"""knockd's own log file (`LogFile` in knockd.conf, or `-g`): ``[2026-11-22 11:23] 192.0.2.1: openSSH: Stage 1``.

Its times have minutes only, so within a minute the order of lines is all there is. The file names no host; some
lines are followed by a blank one.
"""

from __future__ import annotations

import re

import polars as pl

from knockwatch.sources import Batch, Format, Head, LineSource, Reading, misfits, share

_LINE = r"^\[(\d{4}-\d\d-\d\d \d\d:\d\d)\] (.*)$"
_STAMPED = re.compile(_LINE)
_SPOKEN = re.compile(
    r": Stage ?\d|: OPEN SESAME|: running command: |: command (?:timeout|returned)|: sequence timeout"
    r"|\] (?:starting up, listening on|shutting down|waiting for child|re-(?:reading|opening) |error: )"
)
_OTHERS = 0.3


class KnockdLog(LineSource):
    """Reader of knockd's log file."""

    format = Format(
        "knockd-log",
        "knockd's log file",
        ("messages",),
        "verified",
        "knockd 0.8 src/knockd.c (logprint, vprint); own lab",
    )

    def confidence(self, head: Head) -> float:
        """Share of lines with a time in brackets, sure only where some say what knockd says."""
        lines = head.lines
        return share(lines, _STAMPED.match) * (0.95 if any(map(_SPOKEN.search, lines)) else _OTHERS)

    def parse(self, lines: pl.DataFrame, reading: Reading) -> Batch:
        """Read every stamped line as a message of knockd."""
        text = pl.col("text")
        stamped = lines.with_columns(
            text.str.extract(_LINE, 1).alias("time"), text.str.extract(_LINE, 2).alias("message")
        )
        stamped = stamped.with_columns(
            reading.clock.strptime(stamped["time"], ["%Y-%m-%d %H:%M"]).alias("time_us")
        )
        fits = pl.col("time_us").is_not_null()
        messages = stamped.filter(fits).select(
            "line", "time_us", "time", pl.lit("knockd").alias("program"), "message"
        )
        return Batch(lines.height, {"messages": messages}, misfits(stamped, fits))


SOURCE = KnockdLog()
