"""Who is who: which addresses belong to which host, learned from what hosts log of themselves."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import ibis
import polars as pl

if TYPE_CHECKING:
    import ibis.expr.types as ir

MOST_ADDRESSES = 32
"""A recorder that logs packets to more addresses than this is no single host, whatever it says."""


def sightings(connections: ir.Table, messages: ir.Table) -> ir.Table:
    """Count, in the engine, how often each host told an address of its own.

    A host's own firewall logs packets that enter and do not leave again: their destination is the host. A forwarding
    recorder says nothing of the kind. DHCP clients, sshd and knockd name the host's address in their own lines.

    Returns
    -------
    ibis.expr.types.Table
        `sensor`, `destination_ip`, `times`.
    """
    own = connections.filter(
        ~connections.forwarded, connections.sensor.notnull(), connections.destination_ip.notnull()
    )
    packets = own.group_by("sensor", "destination_ip").agg(times=own.count())
    told = named(messages)
    lines = told.group_by("sensor", "destination_ip").agg(times=told.count())
    return packets.union(lines)


def named(messages: ir.Table) -> ir.Table:
    """Select the lines in which a host names its own address.

    Returns
    -------
    ibis.expr.types.Table
        `sensor` (the host) and `destination_ip` (its address, as written), as connections have them.
    """
    lines = messages.filter(messages.program.isin(sorted({row["program"] for row in _lines()})))
    program, message = lines.program, lines.message
    matches = [(program == row["program"], row["pattern"]) for row in _lines()]
    found: Any = ibis.cases(
        *((its & message.re_search(pattern), message.re_extract(pattern, 1)) for its, pattern in matches),
        else_=ibis.null("string"),
    )
    told = lines.select(sensor=lines.host, destination_ip=found)
    return told.filter(told.sensor.notnull(), told.destination_ip.notnull())


@cache
def _lines() -> tuple[dict[str, str], ...]:
    """Load the lines in which programs name an address of their host."""
    text = (files("knockwatch.content") / "own_addresses.csv").read_text("utf-8")
    return tuple(csv.DictReader(text.splitlines()))


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
        seen.with_columns(pl.col("destination_ip").map_elements(_own, return_dtype=pl.String))
        .drop_nulls()
        .group_by("sensor", "destination_ip")
        .agg(pl.col("times").sum())
        .filter(pl.len().over("sensor") <= MOST_ADDRESSES)
        .sort("times", "sensor", "destination_ip", descending=[True, False, False])
        .unique("destination_ip", keep="first", maintain_order=True)
    )
    return dict(zip(single["destination_ip"], single["sensor"], strict=True))


def _own(text: str) -> str | None:
    """Spell an address that may belong to one host; None where every host has it, or it is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    shared = address.is_unspecified or address.is_loopback or address.is_link_local or address.is_multicast
    return None if shared else str(address)


def addresses(names: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Turn address to host name around: host name to its addresses, the one seen most often first."""
    hosts: dict[str, tuple[str, ...]] = {}
    for address, name in names.items():
        hosts[name] = (*hosts.get(name, ()), address)
    return hosts
