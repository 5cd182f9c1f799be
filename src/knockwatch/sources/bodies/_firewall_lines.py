"""What the firewalls' own log lines share: from fields found in messages to rows of connections. No format is here.

What a vendor's word means is `_vendor_words`' business.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
import pyarrow as pa

from knockwatch.sources import Batch
from knockwatch.sources._addresses import shortest
from knockwatch.sources._pairs import Pairs
from knockwatch.sources._vendor_words import RESETS_BYTES, judged
from knockwatch.tables import ACCEPTED, UNANSWERED, UNKNOWN

FLAGS = {"S": "SYN", "A": "ACK", "F": "FIN", "R": "RST", "P": "PSH", "U": "URG"}
"""TCP flags by the letters that firewalls write, in the order of the table."""
IPV4_HEADER, IPV6_HEADER, UDP_HEADER, ICMP_HEADER = 20, 40, 8, 8

Keys = Mapping[str, tuple[str, ...]]
"""Columns, and the keys that each may come from: the first that a line has says it."""

_PROTOCOLS = {
    "1": "icmp", "2": "igmp", "6": "tcp", "17": "udp", "47": "gre", "50": "esp", "58": "icmp6", "icmpv6": "icmp6",
    "ipv6-icmp": "icmp6",
}  # fmt: skip
_PORTED = ("tcp", "udp")
_PORT_MAX = 65535
_QUOTE, _BLANK, _MASK = ord('"'), ord(" "), ord("\x7f")
_YEARLESS = r"^[A-Z][a-z]{2} +\d{1,2} \d\d:"
_HELPERS = ("own_us", "local_us", "own_text", "duration_us", "ended", "whole", "firewall")


def connections(messages: pl.DataFrame, found: pl.DataFrame, vendor: str, product: str) -> Batch:
    """Make rows of what was found in messages.

    Parameters
    ----------
    messages
        Columns of the table `messages`.
    found
        Row by row what they say, under the names of the table `connections`: at least addresses and `protocol` as
        text, ports as integers and `action`. `outcome` is told from `action` where it is not there. Besides,
        `whole`: false where a line is cut; `firewall`: the device's name in the text; `own_us`, `local_us` and
        `own_text`: the device's own time in microseconds UTC, the same where it names no zone, and as written;
        `ended` and `duration_us`: whether the line was written when the connection was over, and how long it took.

    Returns
    -------
    Batch
        The rows; lines without two addresses or, for TCP and UDP, without two ports are misfits.
    """
    found = found.with_columns(
        shortest(found["source_ip"]),
        shortest(found["destination_ip"]),
        pl.col("protocol").str.to_lowercase().replace(_PROTOCOLS),
    )
    ported = pl.col("protocol").is_in(_PORTED)
    fits = found.select(_sound(ported, found.columns)).to_series()
    misfits = messages.filter(~fits).select("line", pl.col("message").alias("text"))
    rows = (
        messages.select("line", "time_us", "time", pl.col("host").alias("sensor"))
        .hstack(found)
        .filter(fits)
        .with_columns(pl.when(ported).then(pl.col(name)) for name in ("source_port", "destination_port"))
    )
    rows = _timed(rows)
    if "outcome" not in rows.columns:
        rows = _judged(rows, vendor, product)
    if "forwarded" in rows.columns and "bytes_received" in rows.columns:
        # What is known to have been answered was no mere permission, nor was it for the firewall itself.
        answered = (pl.col("bytes_received") > 0).fill_null(value=False)
        rows = rows.with_columns(
            pl.when(~(answered & pl.col("forwarded"))).then("forwarded").alias("forwarded")
        )
    if "firewall" in rows.columns:
        rows = rows.with_columns(pl.coalesce("sensor", "firewall").alias("sensor"))
    if "rule" not in rows.columns:
        rows = rows.with_columns(pl.lit(None, dtype=pl.String).alias("rule"))
    rows = rows.drop(_HELPERS, strict=False).with_columns(
        pl.lit(vendor).alias("vendor"),
        pl.lit(product).alias("product"),
        pl.lit(1, dtype=pl.Int64).alias("event_count"),
    )
    # A rule that speaks of knocking may be an opening's only word, which detections read.
    plain_rule = ~pl.col("rule").str.contains("(?i)knock").fill_null(value=False)
    told = rows.filter((pl.col("outcome") != UNKNOWN) & plain_rule)["line"]
    return Batch(messages.height, {"connections": rows}, misfits, redundant=told)


def with_others(batch: Batch, others: pl.DataFrame) -> Batch:
    """Keep messages of the same firewall that tell of no connection.

    In an envelope nobody claims them, so they stay messages by themselves; files of bare messages have none.
    """
    if others.height:
        batch.tables["messages"] = others.select("line", "time_us", "time", "host", "message")
    return batch


def letters(flags: pl.Series) -> pl.Series:
    """Spell TCP flags from their letters (``SA``) or their names in any order (``ACK,SYN``); null for none."""
    distinct = flags.drop_nulls().unique()
    return flags.replace_strict(
        distinct, [_flags(text) for text in distinct], default=None, return_dtype=pl.String
    )


def _flags(text: str) -> str | None:
    """Spell one combination."""
    named = text.upper().replace(",", " ").split()
    here = named if set(named) & set(FLAGS.values()) else [FLAGS.get(letter, "") for letter in text.upper()]
    return ",".join(flag for flag in FLAGS.values() if flag in here) or None


def unbroken(texts: pl.Series) -> pl.Series:
    r"""Put ``\x7f`` for blanks within quotes, so that each pair of texts like ``a=1 b="2 c=3"`` is one word."""
    framed = ("" + texts.fill_null("")).rename("text").to_arrow(compat_level=pl.CompatLevel.oldest())
    buffers = framed.buffers()
    if buffers[2] is None or not len(framed):
        return texts
    starts = np.frombuffer(buffers[1], dtype=np.int64)[framed.offset : framed.offset + len(framed) + 1]
    data = np.frombuffer(buffers[2], dtype=np.uint8)[starts[0] : starts[-1]].copy()
    starts = starts - starts[0]
    # Odd behind a quote that opens; each text begins outside, whatever the one before left open.
    quotes = np.cumsum(data == _QUOTE, dtype=np.uint8)
    before = np.concatenate((np.zeros(1, dtype=np.uint8), quotes))[starts[:-1]]
    within = ((quotes - np.repeat(before, np.diff(starts))) & 1).view(np.bool_)
    data[within & (data == _BLANK)] = _MASK
    return pl.Series(
        "text", pa.LargeStringArray.from_buffers(len(framed), pa.py_buffer(starts), pa.py_buffer(data))
    )


def value(pairs: Pairs, *keys: str) -> pl.Series:
    """Give the values of the first of some keys that a text of `unbroken` has, as written but without quotes."""
    found = []
    for key in keys:
        where = pairs.at(key)
        if (where >= 0).any():
            text = pairs.cut(where, pairs.blank(where)).str.strip_chars('"')
            found.append(text.str.replace_all("\x7f", " ", literal=True).replace("", None))
    if not found:
        return pl.Series([None], dtype=pl.String).new_from_index(0, pairs.height)
    together = pl.DataFrame(dict(zip(keys, found, strict=False)))
    return together.select(pl.coalesce(pl.all())).to_series()


def values(pairs: Pairs, texts: Keys, numbers: Keys) -> pl.DataFrame:
    """Give columns of texts and of whole numbers, each by the keys it may come from."""
    return pl.DataFrame(
        [
            *(value(pairs, *keys).alias(name) for name, keys in texts.items()),
            *(value(pairs, *keys).cast(pl.Int64, strict=False).alias(name) for name, keys in numbers.items()),
        ]
    )


def _sound(ported: pl.Expr, columns: list[str]) -> pl.Expr:
    """Tell whether all that a connection needs is there."""
    ports = [pl.col(name).is_between(0, _PORT_MAX) for name in ("source_port", "destination_port")]
    return pl.all_horizontal(
        pl.col("source_ip").is_not_null(),
        pl.col("destination_ip").is_not_null(),
        pl.col("protocol").is_not_null(),
        *([pl.col("whole").fill_null(value=False)] if "whole" in columns else []),
        pl.when(ported).then(pl.all_horizontal(*ports).fill_null(value=False)).otherwise(statement=True),
    )


def _timed(rows: pl.DataFrame) -> pl.DataFrame:
    """Choose the time, of the beginning: the device's own where it names its zone, or where the envelope's is less."""
    nothing = {
        "own_us": pl.Int64(),
        "local_us": pl.Int64(),
        "own_text": pl.String(),
        "duration_us": pl.Int64(),
    }
    rows = rows.with_columns(
        pl.lit(None, dtype=kind).alias(name) for name, kind in nothing.items() if name not in rows.columns
    )
    poor = pl.col("time_us").is_null() | pl.col("time").str.contains(_YEARLESS).fill_null(value=False)
    own = pl.coalesce("own_us", pl.when(poor).then("local_us"))
    took = pl.when("ended").then("duration_us") if "ended" in rows.columns else pl.lit(None, dtype=pl.Int64)
    return rows.with_columns(
        (pl.coalesce(own, "time_us") - took.fill_null(0)).alias("time_us"),
        pl.coalesce(pl.when(own.is_not_null()).then("own_text"), "time").alias("time"),
    )


def _judged(rows: pl.DataFrame, vendor: str, product: str) -> pl.DataFrame:
    """Say what became of each connection; of one that is over, what came back says it."""
    received = pl.col("bytes_received") if "bytes_received" in rows.columns else pl.lit(None, dtype=pl.Int64)
    words = rows.select(
        pl.lit(vendor).alias("DeviceVendor"),
        pl.lit(product).alias("DeviceProduct"),
        pl.col("action").alias("DeviceAction"),
        received.alias("received"),
    )
    rows = rows.with_columns(*judged(words).get_columns())
    if "ended" not in rows.columns:
        return rows
    over = pl.col("ended").fill_null(value=False) & (pl.col("outcome") == ACCEPTED)
    came = received.fill_null(0)
    # So little can be the reset that refused it.
    undecided = (pl.col("protocol") == "tcp") & (came <= RESETS_BYTES)
    return rows.with_columns(
        pl.when(over & (came == 0))
        .then(pl.lit(UNANSWERED))
        .when(over & undecided)
        .then(pl.lit(UNKNOWN))
        .otherwise("outcome")
        .alias("outcome")
    )
