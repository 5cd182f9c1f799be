"""The Linux audit system's log, raw as auditd writes it or as `ausearch` shows it, RAW or ENRICHED.

Records of one event share a serial number and are put together here. Of all record types only those are read that
tell of programs started, firewall rules changed, listeners, packet sockets and packet filters. What a firewall
command opened is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from knockwatch.clock import plausible
from knockwatch.evidence import Lines
from knockwatch.sources import Batch, Format, Head, Reading, share
from knockwatch.sources._audit_history import SCALARS, History
from knockwatch.sources._pairs import Pairs

SETTLED_AFTER = 200
"""Lines after an event's last record until it counts as whole: records of a few processors interleave."""
LONGEST_EVENT = 2_000
"""Lines from an event's first record to its last: a command of 2 MB, the longest there is, takes 260."""
LONGEST_RECORD = 32_768
"""Characters of a record: the kernel cuts at 8,970 (MAX_AUDIT_MESSAGE_LENGTH), enriching adds a few hundred."""

_RECORD = re.compile(r"^(?:node=\S+ )?type=[A-Z]\S* msg=audit\(\d+\.\d+:\d+\)")
_HEADER = (
    r"^(?:node=(?P<host>\S+) )?type=(?P<type>[A-Z]\S*) "
    r"msg=audit\((?P<time>(?P<s>\d+)\.(?P<ms>\d+)):(?P<serial>\d+)\): ?"
)
_SEPARATOR = r"^(?:----|time->)"
_READ = ("SYSCALL", "EXECVE", "NETFILTER_CFG", "SOCKADDR", "PROCTITLE")


class Auditd:
    """Reader of audit logs."""

    format = Format(
        "auditd",
        "Linux audit log: auditd, ausearch --raw",
        ("processes", "changes"),
        "verified",
        "linux-audit audit-documentation; linux/audit.h; own lab",
    )

    def confidence(self, head: Head) -> float:
        """Share of lines that are records; the shape is nobody else's."""
        separator = re.compile(_SEPARATOR)
        return share([line for line in head.lines if not separator.match(line)], _RECORD.match)

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read block by block; an event whose records may still follow waits for the next block."""
        waiting, history = _parsed(Lines.of(b"", 1).frame)[0], History()
        for lines in reading.evidence.lines():
            found, bad = _parsed(lines.frame)
            found = pl.concat([waiting, found])
            end = lines.frame["line"][-1]
            first, last = pl.col("line").min().over("event"), pl.col("line").max().over("event")
            settled = (last <= end - SETTLED_AFTER) | (first <= end - LONGEST_EVENT)
            ready, waiting = found.filter(settled), found.filter(~settled)
            yield Batch(lines.frame.height, history.rows(ready), bad, lines.malformed)
        yield Batch(0, history.rows(waiting))


def _parsed(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read the records that matter: `line`, `event`, `host`, `type`, `time_us`, `time`, `text`; and the misfits."""
    text = pl.col("text")
    fields = lines.with_columns(text.str.extract_groups(_HEADER).alias("f")).unnest("f")
    fields = fields.with_columns(
        plausible(
            pl.col("s").cast(pl.Int64, strict=False) * 1_000_000
            + pl.col("ms").str.slice(0, 6).str.pad_end(6, "0").cast(pl.Int64, strict=False)
        ).alias("time_us"),
        pl.concat_str("host", "time", "serial", separator=" ", ignore_nulls=True).alias("event"),
    )
    sound = pl.col("time_us").is_not_null() & (text.str.len_bytes() <= LONGEST_RECORD)
    other = text.str.contains(_SEPARATOR) | (text.str.strip_chars() == "")
    bad = fields.filter(~sound & ~other).select("line", text.str.head(LONGEST_RECORD))
    wanted = fields.filter(sound & pl.col("type").is_in(_READ))
    pairs = Pairs(wanted["text"])
    return wanted.select(
        "line",
        "event",
        "host",
        "type",
        "time_us",
        "time",
        "text",
        *(pairs.text(name).alias(name) for name in SCALARS),
    ), bad


SOURCE = Auditd()
