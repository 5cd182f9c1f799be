"""Who is who: which addresses belong to which host, learned from what hosts log of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import ibis.expr.types as ir

MOST_ADDRESSES = 32
"""A recorder that logs packets to more addresses than this is no single host, whatever it says."""


def sightings(connections: ir.Table) -> ir.Table:
    """Count, in the engine, how often each recorder logged a packet that was for its own host.

    A host's own firewall logs packets that enter and do not leave again: their destination is the host. A forwarding
    recorder says nothing of the kind.

    Returns
    -------
    ibis.expr.types.Table
        `sensor`, `destination_ip`, `times`.
    """
    own = connections.filter(
        ~connections.forwarded, connections.sensor.notnull(), connections.destination_ip.notnull()
    )
    return own.group_by("sensor", "destination_ip").agg(times=own.count())


def learn(seen: pl.DataFrame) -> dict[str, str]:
    """Decide whose each address is.

    Parameters
    ----------
    seen
        As `sightings` gives it.

    Returns
    -------
    dict
        Address to host name; an address that several hosts claim goes to the one that claims it most.
    """
    single = (
        seen.filter(pl.len().over("sensor") <= MOST_ADDRESSES)
        .sort("times", "sensor", "destination_ip", descending=[True, False, False])
        .unique("destination_ip", keep="first", maintain_order=True)
    )
    return dict(zip(single["destination_ip"], single["sensor"], strict=True))


def addresses(names: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Turn address to host name around: host name to its addresses, the one seen most often first."""
    hosts: dict[str, tuple[str, ...]] = {}
    for address, name in names.items():
        hosts[name] = (*hosts.get(name, ()), address)
    return hosts
