"""AWS VPC Flow Logs with TCP flags (version 3): whole seconds, and a record for each way.

The default format has no flags, so that who began a flow is a guess from its ports; labelled evidence should not guess.
"""

from __future__ import annotations

import polars as pl

from knockwatch.emulation.writers._text import LineWriter, said

_HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    "log-status tcp-flags\n"
)
_BEFORE = "3 123456789010 eni-1235b8ca123456789 "
_SYN, _SYN_FIN, _SYN_ACK_FIN = 2, 3, 19
"""AWS leaves ACK out of its flags but for the answer to a SYN."""


def _lines(rows: pl.DataFrame) -> pl.Series:
    """Write the lines: what was let in has an answer as well."""
    second = pl.col("time_us") // 1_000_000
    accepted = pl.col("accepted")
    word = pl.when(accepted).then(pl.lit(" ACCEPT OK ")).otherwise(pl.lit(" REJECT OK "))
    tcp = pl.col("protocol") == "tcp"
    asked = pl.when(tcp).then(pl.when(accepted).then(_SYN_FIN).otherwise(_SYN)).otherwise(0)
    answered = pl.when(tcp).then(_SYN_ACK_FIN).otherwise(0)
    asks = said(*_way("source", "destination", "sent"), second, " ", second, word, asked)
    answers = said(
        "\n", *_way("destination", "source", "received"), second, " ", second, " ACCEPT OK ", answered
    )
    return rows.select(said(asks, pl.when(accepted).then(answers).otherwise(pl.lit("")))).to_series()


def _way(source: str, destination: str, size: str) -> tuple[str | pl.Expr, ...]:
    """Write one direction."""
    packets = pl.when("accepted").then(pl.col(size) // 1000 + 2).otherwise(1)
    ends = (pl.col(source), " ", pl.col(destination), " ", pl.col(f"{source}_port"), " ")
    rest = (pl.col(f"{destination}_port"), " ", pl.col("proto"), " ", packets, " ", pl.col(size), " ")
    return (_BEFORE, *ends, *rest)


WRITER = LineWriter("aws-flow-logs", "AWS VPC Flow Logs, version 3", ".log", "aws-flow-logs", _lines, _HEADER)
