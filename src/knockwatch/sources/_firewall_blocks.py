"""Blocks of a firewall's own log: what the compiled loop finds in them, as rows of the table `connections`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from knockwatch.clock import plausible
from knockwatch.evidence import Block
from knockwatch.sources._addresses import shortest
from knockwatch.sources._netfilter_loop import ABSENT, COLUMNS, DATE_WIDTH, TCP, read_block, views
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


@dataclass(frozen=True)
class Taken:
    """What was taken of a block.

    Parameters
    ----------
    rows
        Rows of the table `connections` as `netfilter` makes them, without the text of their times.
    left, numbers
        The lines that were left, and their numbers in the file.
    """

    rows: pl.DataFrame
    left: bytes
    numbers: pl.Series


def take(block: Block, reading: Reading) -> Taken | None:
    """Take the lines of a block that tell of a packet, and say nothing that their rows do not; None where none does."""
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
    pieces = _Pieces(data, pl.DataFrame(found[:taken], schema=COLUMNS, orient="row"))
    prefixes = [data[at : at + length].decode() for at, length in rules[:rules_found].tolist()]
    rows = _rows(pieces, _times(pieces, dates[:dates_found], reading.clock), prefixes, reading)
    sound = rows.select(PLAIN & pl.col("time_us").is_not_null()).to_series()
    spans = np.concatenate((left[:others], found[:taken, :3][~sound.to_numpy()]))
    spans = spans[np.argsort(spans[:, 0])]
    return Taken(
        rows.filter(sound).with_columns(pl.col("line") + first),
        b"".join(data[begin:end] for _, begin, end in spans.tolist()),
        pl.Series(spans[:, 0] + first),
    )


@dataclass(frozen=True)
class _Pieces:
    """What the loop found: numbers, and places of texts in a block."""

    data: bytes
    found: pl.DataFrame

    def text(self, at: pl.Series, lengths: pl.Series) -> pl.Series:
        """Give pieces of the block as texts; they keep it, nothing is copied."""
        written = np.zeros((len(at), 4), np.uint32)
        views(np.frombuffer(self.data, np.uint8), at.to_numpy(), lengths.to_numpy(), written)
        buffers = [None, pa.py_buffer(written), pa.py_buffer(self.data)]
        return pl.Series(pa.Array.from_buffers(pa.string_view(), len(at), buffers))

    def named(self, column: str) -> pl.Series:
        """Give the texts of one of the columns that have a place and a length."""
        return self.text(self.found[f"{column}_at"], self.found[f"{column}_length"]).alias(column)


def _times(pieces: _Pieces, dates: npt.NDArray[np.int64], clock: Clock) -> pl.Series:
    """Give the moments of lines; null where a date is none."""
    found = pieces.found
    if not len(dates):
        return found.select(plausible(pl.col("date") * _DAY_US + pl.col("of_day_us"))).to_series()
    if clock.zone is not UTC:
        # Where the clocks change, midnight plus a time of day is not that time.
        return clock.syslog(pieces.text(found["time_at"], pl.repeat(_TIME_WIDTH, found.height, eager=True)))
    texts = [pieces.data[at : at + DATE_WIDTH].decode() for at in dates.tolist()]
    return clock.midnights(pl.Series(texts)).gather(found["date"]) + found["of_day_us"]


def _rows(pieces: _Pieces, times: pl.Series, prefixes: list[str], reading: Reading) -> pl.DataFrame:
    """Make rows of what was found."""
    found = pieces.found
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
        _addresses(pieces, "source", version6),
        _addresses(pieces, "destination", version6),
        pl.Series("protocol", _PROTOCOLS).gather(found["protocol"]),
        pl.when(tcp).then(pl.Series(_FLAG_SETS).gather(found["tcp_flags"])).alias("tcp_flags"),
        pl.col("forwarded").cast(pl.Boolean),
        pieces.named("sensor"),
        rule.gather(found["rule"]),
        *(column.gather(found["rule"]) for column in outcome_of(rule, reading.settings.netfilter)),
    )
    return rows.with_columns(payload_length(), *WRITTEN_BY).drop("last_length")


def _addresses(pieces: _Pieces, side: str, version6: pl.Series) -> pl.Series:
    """Give addresses in their shortest form, null where one is none; the loop has seen those of IPv4."""
    texts = pieces.named(side).alias(f"{side}_ip")
    return texts.zip_with(~version6, shortest(texts)) if version6.any() else texts
