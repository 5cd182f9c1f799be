"""ulogd's LOGEMU text: ``Nov 22 11:23:38 host PREFIX IN=…``, a syslog-like header without a program.

Such a file looks like a syslog whose programs are called after log prefixes. What tells it from one is the body:
ulogd prints TOS as two digits, the kernel as ``0x00``, and no kernel time stamp stands before the prefix. UniFi
gateways write the same.
"""

from __future__ import annotations

import re

import polars as pl

from knockwatch.sources import Batch, Format, Head, LineSource, Reading, misfits, share
from knockwatch.sources.bodies.netfilter import BODY

_HEADER = r"^([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (\S+) (.*)$"
_LINE = re.compile(
    r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ (?!kernel: |\[ *\d+\.\d{6}\]|[\w./-]+\[\d+\]: )"
    r"(?:.* )?IN=\S* OUT=.* (?:TOS=[0-9A-F]{2}|TC=\d+) "
)

_ENOUGH = 2000
"""Characters of a line that its format is told from: the pattern must not be led through a crafted one for long."""

_MOST = 0.9
"""From this share on a file is ulogd's; below, it is a syslog that such lines were mixed into."""


class UlogdLogemu(LineSource):
    """Reader of ulogd's LOGEMU text."""

    format = Format(
        "ulogd-logemu",
        "ulogd LOGEMU text, UniFi firewall log",
        ("connections",),
        "verified",
        "ulogd2 output/ulogd_output_LOGEMU.c, util/printpkt.c; own lab",
    )

    def confidence(self, head: Head) -> float:
        """Share of lines that are ulogd's; less than a syslog's where others stand among them."""
        mine = share([line[:_ENOUGH] for line in head.lines], _LINE.match)
        return 0.95 * mine if mine >= _MOST else 0.5 * mine

    def parse(self, lines: pl.DataFrame, reading: Reading) -> Batch:
        """Read headers, and hand the rest to the reader of netfilter bodies."""
        text = pl.col("text")
        messages = lines.with_columns(
            text.str.extract(_HEADER, 1).alias("time"),
            text.str.extract(_HEADER, 2).alias("host"),
            pl.lit(None, dtype=pl.String).alias("program"),
            text.str.extract(_HEADER, 3).alias("message"),
        )
        times = messages["time"]
        messages = messages.with_columns(reading.clock.syslog(times).alias("time_us"))
        mine = messages.filter(pl.col("time_us").is_not_null() & BODY.belongs())
        batch = BODY.read(mine, reading)
        read = batch.tables["connections"].select("line")
        unread = lines.join(read, on="line", how="anti", maintain_order="left")
        batch.misfits = misfits(unread, pl.lit(value=False))
        return batch


SOURCE = UlogdLogemu()
