"""Blocks of a firewall's own log: what the compiled loop finds in them, as rows of the table `connections`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from knockwatch.clock import plausible
from knockwatch.evidence import Block
from knockwatch.sources._addresses import shortest
from knockwatch.sources._netfilter_loop import ABSENT, COLUMNS, DATE_WIDTH, TCP, read_block
from knockwatch.sources._pieces import Left, pieces
from knockwatch.sources.bodies._placed_fields import FLAGS
from knockwatch.sources.bodies.netfilter import PLAIN, WRITTEN_BY, outcome_of, payload_length

if TYPE_CHECKING:
    import numpy.typing as npt

    from knockwatch.clock import Clock
    from knockwatch.sources import Reading

_ISO = re.compile(rb"(?:<\d{1,3}>)?\d{4}-\d\d-\d\d")
_TIME_WIDTH = len("Nov  2 11:23:34")
_DAY_US = 86_400_000_000
_RULES_MOST = 256
"""Different prefixes of a block beyond which lines are left: a log has few."""
_PROTOCOLS = ["tcp", "udp", "icmp", "icmp6"]
"""By the loop's numbers."""
_FLAG_SETS = [
    ",".join(flag for bit, flag in enumerate(FLAGS) if number >> bit & 1) for number in range(1 << len(FLAGS))
]
_READ = (
    "source_port", "destination_port", "packet_length", "last_length", "ttl", "ip_id", "tcp_window", "icmp_type",
    "icmp_code",
)  # fmt: skip
"""Columns that are what the loop read."""


def take(block: Block, reading: Reading) -> tuple[pl.DataFrame, Left] | None:
    """Take the lines of a block that tell of a packet, and say nothing that their rows do not.

    Returns
    -------
    tuple
        Rows of the table `connections` as `netfilter` makes them, without the text of their times; and the lines that
        were left. None where all were.
    """
    data, first = block
    lines = data.count(b"\n")
    found, left = np.empty((lines, len(COLUMNS)), np.int64), np.empty((lines, 3), np.int64)
    dates, rules = np.empty(lines, np.int64), np.empty((_RULES_MOST, 2), np.int64)
    taken, dates_found, rules_found, others = read_block(
        np.frombuffer(data, np.uint8),
        bool(_ISO.match(data)),
        reading.clock.zone is UTC,
        found,
        dates,
        rules,
        left,
    )
    if not taken:
        return None
    read = _Read(data, pl.DataFrame(found[:taken], schema=COLUMNS, orient="row"))
    prefixes = [data[at : at + length].decode() for at, length in rules[:rules_found].tolist()]
    rows = _rows(read, _times(read, dates[:dates_found], reading.clock), prefixes, reading)
    sound = rows.select(PLAIN & pl.col("time_us").is_not_null()).to_series()
    spans = np.concatenate((left[:others], found[:taken, :3][~sound.to_numpy()]))
    rows = rows.filter(sound).with_columns(pl.col("line") + first)
    return rows, Left.of(data, spans, first)


@dataclass(frozen=True)
class _Read:
    """What the loop found: numbers, and places of texts in a block."""

    data: bytes
    found: pl.DataFrame

    def named(self, column: str) -> pl.Series:
        """Give the texts of one of the columns that have a place and a length."""
        at, lengths = (self.found[f"{column}_{what}"].to_numpy() for what in ("at", "length"))
        return pieces(self.data, at, lengths).alias(column)


def _times(read: _Read, dates: npt.NDArray[np.int64], clock: Clock) -> pl.Series:
    """Give the moments of lines; null where a date is none."""
    found = read.found
    if not len(dates):
        return found.select(plausible(pl.col("date") * _DAY_US + pl.col("of_day_us"))).to_series()
    if clock.zone is not UTC:
        # Where the clocks change, midnight plus a time of day is not that time.
        return clock.syslog(
            pieces(read.data, found["time_at"].to_numpy(), np.full(found.height, _TIME_WIDTH))
        )
    texts = [read.data[at : at + DATE_WIDTH].decode() for at in dates.tolist()]
    return clock.midnights(pl.Series(texts)).gather(found["date"]) + found["of_day_us"]


def _rows(read: _Read, times: pl.Series, prefixes: list[str], reading: Reading) -> pl.DataFrame:
    """Make rows of what was found."""
    found = read.found
    tcp, version6 = pl.col("protocol") == TCP, found["version"] == 6
    rule = pl.Series("rule", prefixes)
    numbers = [
        pl.when(pl.col(name) != ABSENT).then(name)
        for name in (*_READ, *(["clock_us"] if (found["clock_us"] != ABSENT).any() else []))
    ]
    rows = found.select(
        "line",
        times.alias("time_us"),
        *numbers,
        *(pl.when(tcp & (pl.col(name) != ABSENT)).then(name) for name in ("tcp_seq", "tcp_ack")),
        _addresses(read, "source", version6),
        _addresses(read, "destination", version6),
        pl.Series("protocol", _PROTOCOLS).gather(found["protocol"]),
        pl.when(tcp).then(pl.Series(_FLAG_SETS).gather(found["tcp_flags"])).alias("tcp_flags"),
        pl.col("forwarded").cast(pl.Boolean),
        read.named("sensor"),
        rule.gather(found["rule"]),
        *(column.gather(found["rule"]) for column in outcome_of(rule, reading.settings.netfilter)),
    )
    return rows.with_columns(payload_length(), *WRITTEN_BY).drop("last_length")


def _addresses(read: _Read, side: str, version6: pl.Series) -> pl.Series:
    """Give addresses in their shortest form, null where one is none; the loop has seen those of IPv4."""
    texts = read.named(side).alias(f"{side}_ip")
    return texts.zip_with(~version6, shortest(texts)) if version6.any() else texts
