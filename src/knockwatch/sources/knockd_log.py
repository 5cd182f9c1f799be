"""knockd's own words: its log file (`LogFile` in knockd.conf, or `-g`), and what it prints in the foreground.

The log file's times, ``[2026-11-22 11:23] 192.0.2.1: openSSH: Stage 1``, have minutes only, so within a minute the
order of lines is all there is. Standard output has no times at all, but for packets that ``-D`` shows. Neither names
a host; some lines are followed by a blank one.
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
_PACKET = r"^(?P<year>\d{4})-(?P<month>\d\d)-(?P<rest>\d\d \d\d:\d\d:\d\d): (?:tcp|udp): .* \d+ bytes$"
"""What ``-D`` shows of a packet, in local time; knockd counts its months from 0 (``2026-10-22`` is in November)."""
_PRINTED = re.compile(
    r"^(?:[0-9A-Fa-f.:]+(?: \([^)]*\))?: [^:]+: (?:Stage ?\d+|OPEN SESAME|command timeout|sequence timeout \(stage)"
    r"|[^:]+: (?:running command: |command returned non-zero)|listening on \S+\.\.\.$|waiting for child processes"
    r"|closing\.\.\.$|config: |local IP: |ethernet interface detected$|adding pcap expression for door "
    r"|(?:adding|removing) (?:\S+ )?knock attempt|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d: (?:tcp|udp): )"
)
_OWN = re.compile(r": Stage ?\d|: OPEN SESAME|^listening on \S+\.\.\.$|^adding pcap expression for door ")
"""Sentences that nobody else prints."""
_LEAST = 0.25
"""Below this share of its sentences a file only quotes knockd; what its commands print stands between them."""


class KnockdLog(LineSource):
    """Reader of knockd's log file and of its output."""

    format = Format(
        "knockd-log",
        "knockd's log file, and its output in the foreground",
        ("messages",),
        "verified",
        "knockd 0.8 src/knockd.c (logprint, vprint, dprint); own lab",
    )

    def confidence(self, head: Head) -> float:
        """Share of lines with a time in brackets, or without one as printed; sure only where knockd's words occur."""
        lines = head.lines
        stamped = share(lines, _STAMPED.match) * (0.95 if any(map(_SPOKEN.search, lines)) else _OTHERS)
        printed = share(lines, _PRINTED.match)
        known = printed >= _LEAST and any(map(_OWN.search, lines))
        return max(stamped, 0.9 * printed if known else 0.0)

    def parse(self, lines: pl.DataFrame, reading: Reading) -> Batch:
        """Read every line that is stamped, or that knockd prints, as a message of knockd."""
        text = pl.col("text")
        spoken = lines.with_columns(
            pl.coalesce(text.str.extract(_LINE, 1), _time_of_packet()).alias("time"),
            pl.coalesce(text.str.extract(_LINE, 2), text).alias("message"),
        )
        spoken = spoken.with_columns(
            reading.clock.strptime(spoken["time"], ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]).alias("time_us")
        )
        printed = pl.col("time").is_null() & text.str.contains(_PRINTED.pattern)
        fits = pl.col("time_us").is_not_null() | printed
        messages = spoken.filter(fits).select(
            "line", "time_us", "time", pl.lit("knockd").alias("program"), "message"
        )
        return Batch(lines.height, {"messages": messages}, misfits(spoken, fits))


def _time_of_packet() -> pl.Expr:
    """Give the time of a packet, with its month counted from 1."""
    parts = pl.col("text").str.extract_groups(_PACKET).struct
    month = (parts.field("month").cast(pl.Int64) + 1).cast(pl.String).str.zfill(2)
    return pl.concat_str(parts.field("year"), month, parts.field("rest"), separator="-")


SOURCE = KnockdLog()
