"""Who is who: which addresses belong to which host, learned from evidence and overridden by the site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

MOST_ADDRESSES = 32
"""A recorder that logs packets to more addresses than this is no single host, whatever it says."""


def learn(rows: pl.DataFrame, configured: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Learn which address is whose.

    A host's own firewall logs packets that entered and did not leave again: their destination is the host. A
    forwarding recorder says nothing of the kind.

    Parameters
    ----------
    rows
        Of the table `connections`, at least `sensor`, `destination_ip` and `forwarded`.
    configured
        The site's `[hosts]`, which wins.

    Returns
    -------
    dict
        Address to host name.
    """
    local = (
        rows.filter((pl.col("forwarded") == False) & pl.col("sensor").is_not_null())  # noqa: E712
        .group_by("destination_ip", "sensor")
        .len()
        .filter(pl.len().over("sensor") <= MOST_ADDRESSES)
        .sort("len", "sensor", descending=[True, False])
        .unique("destination_ip", keep="first", maintain_order=True)
    )
    names = dict(zip(local["destination_ip"], local["sensor"], strict=True))
    names.update(
        {address: name for name, addresses in configured.items() for address in addresses}
    )
    return names
