"""The binary records of log-ins that Linux keeps in wtmp, btmp and utmp, as x86-64 lays them out; one message each.

What `last` and `lastb` print of them is another module's business.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from knockwatch.clock import plausible
from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._addresses import shortest
from knockwatch.sources._utmp_words import logged_in, refused

_RECORD = np.dtype(
    [
        ("type", "<i2"), ("padding", "V2"), ("pid", "<i4"), ("terminal", "S32"), ("id", "S4"), ("user", "S32"),
        ("source", "S256"), ("exit", "V4"), ("session", "<i4"), ("seconds", "<u4"), ("microseconds", "<i4"),
        ("address", "V16"), ("unused", "V20"),
    ]
)  # fmt: skip
"""``struct utmp`` of utmp(5) on machines whose records hold 32-bit times: 384 bytes."""
_TYPES = 10
"""EMPTY to ACCOUNTING."""
_BOOT, _ATTEMPT, _USER, _DEAD = 2, 6, 7, 8
_EARLIEST = 631_152_000
"""1990-01-01, before there was Linux: smaller numbers are no times."""
_SAMPLE_RECORDS = 64
_MISFITS = {"line": pl.Int64(), "text": pl.String()}


class Wtmp:
    """Reader of such records."""

    format = Format(
        "wtmp",
        "log-in records of Linux: wtmp, btmp, utmp (x86-64)",
        ("messages",),
        "verified",
        "utmp(5), glibc bits/utmp.h; utmpdump -r of util-linux 2.38",
        numbered="record",
    )

    def confidence(self, head: Head) -> float:
        """Judge by the first records: all of known types, dated, and with text where text belongs."""
        whole = len(head.data) // _RECORD.itemsize
        if not whole:
            return 0.0
        records = _records(head.data, min(whole, _SAMPLE_RECORDS))
        used = records["type"] != 0
        return 0.95 if bool(used.any()) and bool(_sound(records[used]).all()) else 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read the records; what is left of the last one where the file is cut is a misfit."""
        rest, first = b"", 1
        for chunk in reading.evidence.chunks():
            data = rest + chunk
            whole = len(data) // _RECORD.itemsize
            rest = data[whole * _RECORD.itemsize :]
            if whole:
                yield _batch(_records(data, whole), first)
                first += whole
        if rest:
            text = f"a record cut after {len(rest)} of {_RECORD.itemsize} bytes"
            yield Batch(1, {}, pl.DataFrame({"line": [first], "text": [text]}, schema=_MISFITS))


def _records(data: bytes, count: int) -> npt.NDArray[np.void]:
    """Lay the first records over some bytes."""
    return np.frombuffer(data, dtype=_RECORD, count=count)


def _sound(records: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Say which records can be: of a type there is, at a time there was, and no control characters in their texts."""
    sound = (records["type"] >= 0) & (records["type"] < _TYPES)
    sound &= (records["seconds"] >= _EARLIEST) & (records["microseconds"] >= 0)
    sound &= records["microseconds"] < 1_000_000
    for name in ("terminal", "user", "source"):
        width = _RECORD[name].itemsize
        letters = np.ascontiguousarray(records[name]).view(np.uint8).reshape(len(records), width)
        sound &= ~((letters < ord(" ")) & (letters != 0)).any(axis=1)
    return sound


def _texts(values: npt.NDArray[np.bytes_]) -> pl.Series:
    """Read texts, which end at the first zero byte; null where there is none."""
    read = [
        value.partition(b"\0")[0].decode("utf-8", "backslashreplace") or None for value in values.tolist()
    ]
    return pl.Series(read, dtype=pl.String)


def _batch(records: npt.NDArray[np.void], first: int) -> Batch:
    """Make messages of log-ins, attempts, log-outs and boots."""
    numbers = np.arange(first, first + len(records))
    used = records["type"] != 0
    sound = _sound(records)
    lost = numbers[used & ~sound].tolist()
    frame = _frame(records[used & sound], numbers[used & sound])
    user, terminal, kind = pl.col("user"), pl.col("terminal"), pl.col("type")
    # getty waits for a log-in as LOGIN; in btmp the same type has the name that was tried.
    attempt = (kind == _ATTEMPT) & (user != "LOGIN")
    message = (
        pl.when(kind == _USER).then(logged_in(user, terminal, pl.col("origin")))
        .when(attempt).then(refused(user, terminal, pl.col("origin")))
        .when(kind == _DEAD).then(pl.concat_str(terminal.fill_null("?"), pl.lit(" logged out")))
        .when(kind == _BOOT).then(pl.concat_str(pl.lit("system boot, kernel "), pl.col("source").fill_null("?")))
    )  # fmt: skip
    rows = frame.with_columns(message.alias("message")).filter(pl.col("message").is_not_null())
    text = "a record of no known type, without a time, or with control characters"
    return Batch(
        len(records),
        {"messages": rows.select("line", "time_us", "time", "program", "pid", "message")},
        pl.DataFrame({"line": lost, "text": [text] * len(lost)}, schema=_MISFITS),
    )


def _frame(records: npt.NDArray[np.void], numbers: npt.NDArray[np.int64]) -> pl.DataFrame:
    """Read records that can be."""
    seconds, parts = records["seconds"].astype(np.int64), records["microseconds"].astype(np.int64)
    source = _texts(records["source"])
    frame = pl.DataFrame(
        {
            "line": numbers,
            "type": records["type"],
            "pid": records["pid"],
            "terminal": _texts(records["terminal"]),
            "user": _texts(records["user"]),
            "source": source,
            "seconds": seconds,
            "parts": parts,
        }
    )
    return frame.with_columns(
        plausible(pl.col("seconds") * 1_000_000 + pl.col("parts")).alias("time_us"),
        pl.format("{}.{}", "seconds", pl.col("parts").cast(pl.String).str.zfill(6)).alias("time"),
        pl.when(pl.col("type") == _ATTEMPT).then(pl.lit("btmp")).otherwise(pl.lit("wtmp")).alias("program"),
        pl.coalesce(shortest(source), source).alias("origin"),
    )


SOURCE = Wtmp()
