"""What fwknopd writes to standard error in the foreground: the text of its messages, and nothing else.

Lines carry no time and no host; whoever kept the output knows them.
"""

from __future__ import annotations

import re

import polars as pl

from knockwatch.sources import Batch, Format, Head, LineSource, Reading, misfits, share

_SPOKEN = re.compile(
    r"^(?:Starting fwknopd|Shutting Down fwknopd|Gracefully leaving the fwknopd|\*\*\* fwknopd|fwknopd: "
    r"|\[[0-9a-fA-F.:]+\] \(stanza #\d|\(stanza #\d+\) |Replay detected from source IP: |No access data found for "
    r"|Added .+ rule to FWKNOP_|Added jump rule from chain: |Removed rule \d+ from FWKNOP_|Flushing all FWKNOP"
    r"|Run directory: |Successfully created Run directory|iptables 'comment' match|Sniffing interface: "
    r"|PCAP filter is: |Kicking off (?:UDP|TCP) server|(?:udp|tcp)_server: |Got SIG|Re-?starting fwknopd"
    r"|Opening access file: |Using Digest Cache: |firewalld 'comment')"
)
_OWN = re.compile(
    r"fwknop|FWKNOP|SPA Packet|\(stanza #\d|udp_server: |tcp_server: |Replay detected from source IP"
)
_LEAST = 0.25
"""Below this share of its sentences a file only quotes fwknopd."""


class FwknopdOutput(LineSource):
    """Reader of fwknopd's foreground output."""

    format = Format(
        "fwknopd-output",
        "fwknopd's output in the foreground",
        ("messages",),
        "verified",
        "fwknop 2.6.11 server/log_msg.c, server/incoming_spa.c, server/fw_util_iptables.c; own lab",
    )

    def confidence(self, head: Head) -> float:
        """Share of lines that begin as fwknopd's sentences do, if some are nobody else's."""
        lines = head.lines
        known = share(lines, _SPOKEN.match)
        return 0.9 * known if known >= _LEAST and any(map(_OWN.search, lines)) else 0.0

    def parse(self, lines: pl.DataFrame, reading: Reading) -> Batch:
        """Read every line that is not blank as a message of fwknopd."""
        del reading
        spoken = pl.col("text").str.strip_chars() != ""
        messages = lines.filter(spoken).select(
            "line", pl.lit("fwknopd").alias("program"), pl.col("text").alias("message")
        )
        return Batch(lines.height, {"messages": messages}, misfits(lines, spoken))


SOURCE = FwknopdOutput()
