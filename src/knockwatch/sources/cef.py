"""Files of CEF lines without a syslog header; lines with one may stand among them. The format is `bodies.cef`'s."""

from __future__ import annotations

import re

import polars as pl

from knockwatch.sources import Batch, Format, Head, LineSource, Reading, misfits, share
from knockwatch.sources.bodies.cef import BODY
from knockwatch.sources.syslog import SOURCE as SYSLOG

_BARE = r"^\x{feff}?(?:<\d{1,3}>)?(?:CEF:|\d(?:\.\d+)?\|[^|]+\|[^|]+\|[^|]*\|[^|]*\|[^|]*\|[^|]*\|)"
"""CEF from its first letter, perhaps behind a priority; or from its version, where syslog took ``CEF:`` for a tag."""
_LINE = re.compile(_BARE.replace(r"\x{feff}", "\ufeff"))


class CefFile(LineSource):
    """Reader of CEF files."""

    format = Format(
        "cef",
        "CEF without a syslog header, any vendor",
        ("CommonSecurityLog", "connections", "messages"),
        "verified",
        BODY.format.reference,
    )

    def confidence(self, head: Head) -> float:
        """Share of lines that are CEF from their first letter."""
        return share(head.lines, _LINE.match)

    def parse(self, lines: pl.DataFrame, reading: Reading) -> Batch:
        """Read bare CEF lines, and the others as the syslog they may be."""
        bare = lines.filter(pl.col("text").str.contains(_BARE))
        others = misfits(lines, pl.col("text").str.contains(_BARE))
        nothing = pl.lit(None, dtype=pl.String)
        batch = BODY.read(
            bare.select(
                "line",
                pl.lit(None, dtype=pl.Int64).alias("time_us"),
                nothing.alias("time"),
                nothing.alias("host"),
                nothing.alias("program"),
                pl.col("text").str.replace(r"^\x{feff}?(?:<\d{1,3}>)?", "").alias("message"),
            ),
            reading,
        )
        return batch if others.is_empty() else _together(batch, SYSLOG.parse(others, reading))


def _together(one: Batch, other: Batch) -> Batch:
    """Put two batches together."""
    lost = [batch.misfits for batch in (one, other) if batch.misfits is not None]
    return Batch(
        one.records + other.records,
        {
            table: pl.concat(
                [batch.tables[table] for batch in (one, other) if table in batch.tables],
                how="diagonal_relaxed",
            )
            for table in {**one.tables, **other.tables}
        },
        pl.concat(lost).sort("line") if lost else None,
    )


SOURCE = CefFile()
