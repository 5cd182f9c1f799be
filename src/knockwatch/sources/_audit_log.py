"""Records of the Linux audit system: found in lines, and gathered to whole events. What they mean is not here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from knockwatch.clock import plausible
from knockwatch.sources import Batch
from knockwatch.sources._audit_history import SCALARS, History
from knockwatch.sources._pairs import Pairs

SETTLED_AFTER = 200
"""Lines after an event's last record until it counts as whole: records of a few processors interleave."""
LONGEST_EVENT = 2_000
"""Lines from an event's first record to its last: a command of 2 MB, the longest there is, takes 260."""
LONGEST_RECORD = 32_768
"""Characters of a record: the kernel cuts at 8,970 (MAX_AUDIT_MESSAGE_LENGTH), enriching adds a few hundred."""
SEPARATOR = r"^(?:----|time->|<no matches>)"
"""What `ausearch` writes between records."""
READ = ("SYSCALL", "EXECVE", "NETFILTER_CFG", "SOCKADDR", "PROCTITLE")
"""Record types that tell of programs started, rules changed, listeners, packet sockets and filters."""
FOUND: dict[str, pl.DataType] = {
    "line": pl.Int64(),
    "event": pl.String(),
    "host": pl.String(),
    "type": pl.String(),
    "time_us": pl.Int64(),
    "time": pl.String(),
    "text": pl.String(),
    **dict.fromkeys(SCALARS, pl.String()),
}
"""A frame of records, as `History` reads it."""

_HEADER = (
    r"^(?:node=(?P<host>\S+) )?type=(?P<type>[A-Z]\S*) "
    r"msg=audit\((?P<time>(?P<s>\d+)\.(?P<ms>\d+)):(?P<serial>\d+)\): ?"
)


def parsed(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read records as the kernel writes them.

    Parameters
    ----------
    lines
        `line`, `text`, and where each comes from a table that names the host: `computer`.

    Returns
    -------
    tuple
        The records that matter (`FOUND`), and `line` and `text` of what is no record.
    """
    text = pl.col("text")
    fields = lines.with_columns(text.str.extract_groups(_HEADER).alias("f")).unnest("f")
    if "computer" in fields.columns:
        fields = fields.with_columns(pl.coalesce("host", "computer").alias("host"))
    fields = fields.with_columns(
        plausible(
            pl.col("s").cast(pl.Int64, strict=False) * 1_000_000
            + pl.col("ms").str.slice(0, 6).str.pad_end(6, "0").cast(pl.Int64, strict=False)
        ).alias("time_us"),
        event_name(),
    )
    sound, bad = parted(fields)
    wanted = sound.filter(pl.col("type").is_in(READ))
    pairs = Pairs(wanted["text"])
    named = ("line", "event", "host", "type", "time_us", "time", "text")
    return wanted.select(*named, *(pairs.text(name).alias(name) for name in SCALARS)), bad


def event_name() -> pl.Expr:
    """Name the event of a record: serial numbers begin anew with each boot, and on each host."""
    return pl.concat_str("host", "time", "serial", separator=" ", ignore_nulls=True).alias("event")


def parted(fields: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part records (those with a `time_us`) from what is none, and leave out what stands between records."""
    text = pl.col("text")
    sound = pl.col("time_us").is_not_null() & (text.str.len_bytes() <= LONGEST_RECORD)
    other = text.str.contains(SEPARATOR) | (text.str.strip_chars() == "")
    bad = fields.filter(~sound & ~other).select("line", text.str.head(LONGEST_RECORD))
    return fields.filter(sound), bad


def events(pieces: Iterable[tuple[pl.DataFrame, int, Batch]]) -> Iterator[Batch]:
    """Turn records into rows; an event whose records may still follow waits for the next piece.

    Parameters
    ----------
    pieces
        Records (`FOUND`), the number of the last line read, and the counts of the piece they were found in.
    """
    waiting, history = pl.DataFrame(schema=FOUND), History()
    for records, end, batch in pieces:
        found = pl.concat([waiting, records])
        first, last = pl.col("line").min().over("event"), pl.col("line").max().over("event")
        settled = (last <= end - SETTLED_AFTER) | (first <= end - LONGEST_EVENT)
        ready, waiting = found.filter(settled), found.filter(~settled)
        batch.tables = history.rows(ready)
        yield batch
    yield Batch(0, history.rows(waiting))
