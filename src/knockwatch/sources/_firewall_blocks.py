"""Blocks of a firewall's own log: syslog's header and netfilter's fields, read at once by their places.

It takes the lines that look like the block's first one and leaves all others to `syslog`, which reads the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from knockwatch.evidence import MAX_LINE, Block
from knockwatch.sources.bodies._placed_fields import Layout
from knockwatch.sources.bodies.netfilter import BODY, PLAIN

if TYPE_CHECKING:
    import numpy.typing as npt

    from knockwatch.sources import Reading

_TIME_WIDTH = len("Nov  2 11:23:34")
_RFC3164 = re.compile(r"[A-Z][a-z]{2} (?: \d|\d\d) \d\d:\d\d:\d\d \S+ kernel: ")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* \S+ kernel: ")
_KERNEL = "kernel:"
_NEWLINE = 10


def take(block: Block, reading: Reading) -> tuple[pl.DataFrame, pl.Series] | None:
    """Take the lines of a block that tell of a packet, and say nothing that their rows do not.

    Returns
    -------
    tuple
        Rows of the table `connections` as `netfilter` makes them, without the text of their times; and of each line
        whether it was left. None where nothing was taken.
    """
    text, first = block
    sample = text[: text.find(b"\n")].decode("ascii", "replace")
    iso = _ISO.match(sample)
    header = iso or _RFC3164.match(sample)
    layout = Layout.of(sample, header[0].count(" ")) if header else None
    if layout is None or not text.isascii():
        return None
    ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == _NEWLINE)
    begins = np.concatenate(([0], ends[:-1] + 1))
    split = layout.split(text) if int((ends - begins).max()) <= MAX_LINE else None
    if split is None:
        return None
    times = reading.clock.iso(split["E0"]) if iso else reading.clock.syslog(_beginnings(text, begins))
    rows = layout.fields(split).with_columns(
        pl.int_range(first, first + len(ends), dtype=pl.Int64).alias("line"),
        times.alias("time_us"),
        split[f"E{layout.envelope - 2}"].alias("sensor"),
        (split[f"E{layout.envelope - 1}"] == _KERNEL).fill_null(value=False).alias("told"),
    )
    rows = rows.filter(pl.col("fits") & pl.col("told") & pl.col("time_us").is_not_null())
    rows = BODY.finished(rows.drop("fits", "told", "fragment"), reading).filter(PLAIN)
    left = np.ones(len(ends), dtype=bool)
    left[rows["line"].to_numpy() - first] = False
    return rows, pl.Series(left)


def _beginnings(text: bytes, begins: npt.NDArray[np.int64]) -> pl.Series:
    """Give the time that each line begins with; what is too short for one is no time."""
    letters = np.frombuffer(text, dtype=np.uint8)
    places = np.minimum(begins[:, None] + np.arange(_TIME_WIDTH), len(letters) - 1)
    offsets = np.arange(len(begins) + 1, dtype=np.int64) * _TIME_WIDTH
    array = pa.LargeStringArray.from_buffers(
        len(begins), pa.py_buffer(offsets), pa.py_buffer(letters[places])
    )
    return pl.Series("time", array)
