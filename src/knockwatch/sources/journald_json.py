"""The systemd journal as JSON lines, `journalctl -o json`; also what every export of the journal has in common.

Values are strings, lists of byte values where they are not printable text, lists of those where a field is given
several times, or null where they are long. What the messages carry is read by `bodies`.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from knockwatch.clock import plausible
from knockwatch.sources import Batch, Format, Head, LineSource, Reading, misfits, share
from knockwatch.sources._json_lines import object_of, objects, one_by_one
from knockwatch.sources.bodies import decode
from knockwatch.sources.syslog import FACILITIES, SEVERITIES

TIMES = ("__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP")
"""When the journal received an entry, else when its writer says it was sent; microseconds."""
UPTIMES = ("_SOURCE_MONOTONIC_TIMESTAMP", "__MONOTONIC_TIMESTAMP")
"""The kernel's own stamp, else the journal's monotonic clock; microseconds since boot."""
FIELDS = (
    *TIMES,
    *UPTIMES,
    "_HOSTNAME",
    "SYSLOG_IDENTIFIER",
    "_COMM",
    "_PID",
    "SYSLOG_PID",
    "PRIORITY",
    "SYSLOG_FACILITY",
    "MESSAGE",
)
"""The fields that are read, of systemd.journal-fields(7)."""

_LISTED = rf'[{{,]\s*"(?:{"|".join(FIELDS)})"\s*:\s*\['


class JournaldJson(LineSource):
    """Reader of the journal as JSON lines."""

    format = Format(
        "journald-json",
        "systemd journal, journalctl -o json",
        ("messages", "connections"),
        "verified",
        "systemd.io/JOURNAL_EXPORT_FORMATS, systemd.journal-fields(7); own lab through journalctl",
    )

    def confidence(self, head: Head) -> float:
        """Share of lines that are objects with a journal's time."""
        return 0.95 * share(head.lines, _is_entry)

    def parse(self, lines: pl.DataFrame, reading: Reading) -> Batch:
        """Read the entries; a line that is no entry with a time is a misfit."""
        listed = pl.col("text").str.contains(_LISTED)
        plain, odd = lines.filter(~listed), lines.filter(listed)
        fields = objects(plain, FIELDS)
        if odd.height:
            # As text, a list and a string that looks like one would be the same: lists are resolved before.
            fields = pl.concat([fields, one_by_one(odd, FIELDS, resolve)]).sort("line")
        batch = entries(fields, reading)
        unread = lines.join(batch.tables["messages"].select("line"), on="line", how="anti")
        rest = misfits(unread, pl.lit(value=False))
        batch.misfits = rest if batch.misfits is None else pl.concat([batch.misfits, rest])
        return batch


def entries(fields: pl.DataFrame, reading: Reading) -> Batch:
    """Turn journal entries into rows.

    Parameters
    ----------
    fields
        `line` and the `FIELDS` as text, null where an entry has none.

    Returns
    -------
    Batch
        `messages` for every entry that has a time, and what those carry.
    """
    uptime = pl.coalesce(*(pl.col(name).cast(pl.Int64, strict=False) for name in UPTIMES))
    frame = fields.select(
        "line",
        plausible(pl.coalesce(*(pl.col(name).cast(pl.Int64, strict=False) for name in TIMES))).alias(
            "time_us"
        ),
        pl.coalesce(*TIMES).alias("time"),
        pl.col("_HOSTNAME").alias("host"),
        _named("SYSLOG_FACILITY", FACILITIES).alias("facility"),
        _named("PRIORITY", SEVERITIES).alias("severity"),
        pl.coalesce("SYSLOG_IDENTIFIER", "_COMM").alias("program"),
        pl.coalesce(*(pl.col(name).cast(pl.Int64, strict=False) for name in ("SYSLOG_PID", "_PID"))).alias(
            "pid"
        ),
        pl.col("MESSAGE").alias("message"),
        uptime.alias("uptime_us"),
    ).filter(pl.col("time_us").is_not_null())
    batch = decode(frame.drop("uptime_us"), reading)
    if (connections := batch.tables.get("connections")) is not None:
        batch.tables["connections"] = _stamped(connections, frame.select("line", "uptime_us"))
    return batch


def _stamped(connections: pl.DataFrame, uptimes: pl.DataFrame) -> pl.DataFrame:
    """Fill in the recorder's clock: in the journal the kernel's stamp is a field, not part of the line."""
    joined = connections.join(uptimes, on="line", how="left", maintain_order="left")
    own = [pl.col("clock_us")] if "clock_us" in connections.columns else []
    return joined.with_columns(pl.coalesce(*own, "uptime_us").alias("clock_us")).drop("uptime_us")


def _named(field: str, names: list[str]) -> pl.Expr:
    """Turn a number in text into its name."""
    numbers = [str(number) for number in range(len(names))]
    return pl.col(field).replace_strict(numbers, names, default=None, return_dtype=pl.String)


def _is_entry(line: str) -> bool:
    """Tell whether a line is an object with a journal's time."""
    return any(f'"{name}"' in line for name in TIMES) and object_of(line) is not None


def resolve(key: str, value: Any) -> Any:
    """Turn a list into text: bytes into what they spell, several values into lines (MESSAGE) or the first."""
    if not isinstance(value, list):
        return value
    if (whole := _spelled(value)) is not None:
        return whole
    texts = [text for one in value if (text := one if isinstance(one, str) else _spelled(one)) is not None]
    if not texts:
        return None
    return "\n".join(texts) if key == "MESSAGE" else texts[0]


def _spelled(value: Any) -> str | None:
    """Give the text that a list of byte values spells; None if it is no such list."""
    if (
        isinstance(value, list)
        and value
        and all(isinstance(byte, int) and 0 <= byte <= 255 for byte in value)
    ):
        return bytes(value).decode("utf-8", "backslashreplace")
    return None


SOURCE = JournaldJson()
