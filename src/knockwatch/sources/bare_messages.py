"""Files of messages without a syslog header: what a collector wrote down of them, or a device itself.

Lines with a header may stand among them. What such messages say is `bodies`' business, which formats stand so too:
those with a pattern `bare`.
"""

from __future__ import annotations

import re
from functools import cache

import polars as pl

from knockwatch.sources import Batch, Format, Head, LineSource, Reading, share
from knockwatch.sources.bodies import BareBody, bodies
from knockwatch.sources.syslog import SOURCE as SYSLOG

_BEFORE = r"^(?:<\d{1,3}>)?"
"""A priority may stand before a message: a collector that kept all of the packet wrote it."""
_ENOUGH = 2000
"""Characters of a line that its format is told from: a pattern must not be led through a crafted one for long."""


class BareMessages(LineSource):
    """Reader of messages without an envelope."""

    format = Format(
        "bare-messages",
        "CEF, LEEF and firewalls' own messages without a syslog header",
        ("CommonSecurityLog", "connections", "messages"),
        "verified",
        "the formats' own references; crowdsecurity/hub .tests/unifi-cef",
    )

    def confidence(self, head: Head) -> float:
        """Share of lines that begin as a message does."""
        return share([line[:_ENOUGH] for line in head.lines], _any_message().match)

    def parse(self, lines: pl.DataFrame, reading: Reading) -> Batch:
        """Hand each line to the format it begins as, and the others to syslog."""
        stripped = pl.col("text").str.replace(r"^\x{feff}?(?:<\d{1,3}>)?", "")
        rest = lines.with_columns(stripped.alias("message"))
        batches = []
        for body in _bare_bodies():
            mine = pl.col("message").str.contains(body.bare)
            claimed = rest.filter(mine)
            if claimed.is_empty():
                continue
            batches.append(body.read(_without_envelope(claimed), reading))
            rest = rest.filter(~mine)
        written = rest.filter(pl.col("text").str.strip_chars() != "")
        if written.height:
            batches.append(SYSLOG.parse(written.select("line", "text"), reading))
        return _together(batches)


def _bare_bodies() -> list[BareBody]:
    """Give the formats whose messages stand bare."""
    return [body for body in bodies() if isinstance(body, BareBody)]


@cache
def _any_message() -> re.Pattern[str]:
    """Give the pattern of the beginning of any of them."""
    starts = "|".join(f"(?:{body.bare.removeprefix('^')})" for body in _bare_bodies())
    return re.compile(f"{_BEFORE}(?:{starts})", re.ASCII)


def _without_envelope(lines: pl.DataFrame) -> pl.DataFrame:
    """Give lines the columns of messages whose envelope says nothing."""
    nothing = pl.lit(None, dtype=pl.String)
    return lines.select(
        "line",
        pl.lit(None, dtype=pl.Int64).alias("time_us"),
        nothing.alias("time"),
        nothing.alias("host"),
        nothing.alias("program"),
        "message",
    )


def _together(batches: list[Batch]) -> Batch:
    """Put batches of one block together."""
    lost = [batch.misfits for batch in batches if batch.misfits is not None]
    return Batch(
        sum(batch.records for batch in batches),
        {
            table: pl.concat(
                [batch.tables[table] for batch in batches if table in batch.tables], how="diagonal_relaxed"
            ).sort("line")
            for table in dict.fromkeys(name for batch in batches for name in batch.tables)
        },
        pl.concat(lost).sort("line") if lost else None,
    )


SOURCE = BareMessages()
