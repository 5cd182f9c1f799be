"""What counts of packets and bytes each way say of an attempt, where a record has neither flags nor a state."""

from __future__ import annotations

import polars as pl

from knockwatch.sources._vendor_words import RESETS_BYTES
from knockwatch.tables import ACCEPTED, REFUSED, UNANSWERED, UNKNOWN


def by_counts(packets: pl.Expr, received: pl.Expr, tcp: pl.Expr, over: pl.Expr) -> pl.Expr:
    """Give an outcome.

    Parameters
    ----------
    packets, received
        Packets and bytes that came back; null for none.
    tcp
        Whether it was TCP, where a single small packet is a reset.
    over
        Whether nothing more will come.
    """
    back = pl.max_horizontal(packets.fill_null(0), (received.fill_null(0) > 0).cast(pl.Int64))
    reset = tcp.fill_null(value=False) & (packets == 1) & (received.fill_null(0) <= RESETS_BYTES)
    return (
        pl.when((back == 0) & over).then(pl.lit(UNANSWERED))
        .when(back == 0).then(pl.lit(UNKNOWN))
        .when(reset).then(pl.lit(REFUSED))
        .otherwise(pl.lit(ACCEPTED))
    )  # fmt: skip
