"""Addresses and ports as endpoint sensors write them: from text to values. What happened there is not here."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from knockwatch.sources._addresses import shortest

PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmp6"}
"""IANA's protocol numbers."""
_ABSENT = ["", "-", "<NA>"]
"""What stands where a sensor has nothing to say."""
_NOWHERE = ["0.0.0.0", "::"]  # noqa: S104
"""No peer has such an address: a sensor writes it where it knows none. A listener may have it."""
_PORT_MAX = 65535


def read_ends(
    frame: pl.DataFrame, addresses: Sequence[str], ports: Sequence[str], *, listening: bool = False
) -> pl.DataFrame:
    """Read the columns of addresses and ports in a frame of texts.

    Parameters
    ----------
    addresses, ports
        Names of those columns.
    listening
        Whether they are a listener's own, for which the unspecified address means any.

    Returns
    -------
    polars.DataFrame
        The frame with addresses in their shortest form and ports as numbers, null where nothing is said (port 0,
        an address of nobody), and `sound`: whether all that is said can be.
    """
    said = frame.with_columns(
        pl.when(~pl.col(name).is_in(_ABSENT)).then(pl.col(name)).alias(name) for name in (*addresses, *ports)
    )
    read = said.with_columns(
        *(shortest(said[name]) for name in addresses),
        *(pl.col(name).cast(pl.Int64, strict=False) for name in ports),
    )
    odd = pl.repeat(value=False, n=frame.height, dtype=pl.Boolean, eager=True)
    for name in addresses:
        odd |= said[name].is_not_null() & read[name].is_null()
    for name in ports:
        odd |= said[name].is_not_null() & ~read[name].is_between(0, _PORT_MAX).fill_null(value=False)
    somewhere = [] if listening else [pl.when(~pl.col(name).is_in(_NOWHERE)).then(name) for name in addresses]
    return read.with_columns(
        *somewhere, *(pl.when(pl.col(name) > 0).then(name) for name in ports), (~odd).alias("sound")
    )
