"""A site's own values in a hunt's tunables: thresholds, context and the words of vendors; the query stays as it is."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from ipaddress import IPv6Network

from knockwatch.config import Config, Door
from knockwatch.entries import Network, network_of
from knockwatch.hunting import Hunt, Tunable

_TIMESPAN = re.compile(r"\d+(?:\.\d+)?(?:ms|[smhd])")
_OUTCOMES = {
    "denied": ("DeviceAction", ("denied", "refused", "unanswered")),
    "accepted": ("DeviceAction", ("accepted",)),
    "denied_ids": ("DeviceEventClassID", ("denied",)),
}
"""What `vendors.NAME` stands for: a field of `vendors/actions.csv` and the outcomes whose words are meant."""
_NONE = "-"
"""An address that nothing has, not even a line without one."""
_NIBBLES = 32
"""Hexadecimal digits of an IPv6 address."""


def fitted(hunt: Hunt, config: Config) -> Hunt:
    """Put a site's values into a hunt; with the default configuration nothing changes.

    Parameters
    ----------
    hunt, config
        The hunt as it is shipped, and the site's configuration.

    Returns
    -------
    Hunt
        The same, its tunables and its text with the site's values.
    """
    text = hunt.text
    tunables = []
    for tunable in hunt.tunables:
        value = _value(tunable, config)
        text = text.replace(f"let {tunable.name} = {tunable.value};", f"let {tunable.name} = {value};", 1)
        tunables.append(replace(tunable, value=value))
    return replace(hunt, text=text, tunables=tuple(tunables))


def text_literal(text: str) -> str:
    """Write a KQL string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def network_condition(column: str, networks: Iterable[Network]) -> list[str]:
    """Say that an address lies in one of some networks, in functions that every engine of KQL has.

    `ipv4_is_in_range` and its kin would say it shorter; duckdb-kql lacks them, and what cannot be run here cannot be
    proven here. What is no address of the kind must be false, not null: `not` of null drops the row.
    """
    conditions = []
    whole = f'coalesce(parse_ipv6({column}), "")'
    for network in networks:
        if isinstance(network, IPv6Network):
            starts = " or ".join(f"{whole} startswith {text_literal(start)}" for start in _starts(network))
            # `parse_ipv6` reads IPv4 addresses too.
            conditions.append(f'({column} contains ":" and ({starts}))')
        else:
            first, last = int(network.network_address), int(network.broadcast_address)
            conditions.append(f"coalesce(parse_ipv4({column}), -1) between ({first} .. {last})")
    return conditions


def _value(tunable: Tunable, config: Config) -> str:
    """Write the site's value of one tunable."""
    kind, _, name = (tunable.source or "").partition(".")
    writers: Mapping[str, Callable[[], str]] = {
        "thresholds": lambda: _threshold(getattr(config.thresholds, name), tunable.value),
        "vendors": lambda: _array(vendor_words(name)),
        "names": lambda: _array(sorted(context_entries(config, name)[1])),
        "context": lambda: _doors(config) if name == "doors" else _addresses(config, name),
    }
    return writers[kind]() if kind in writers else tunable.value


def _threshold(value: float, shipped: str) -> str:
    """Write a threshold as a timespan where the hunt has one, else as a number."""
    return f"{value:.10g}s" if _TIMESPAN.fullmatch(shipped) else f"{value:.10g}"


def _array(words: Iterable[str]) -> str:
    """Write an array of strings."""
    return f"dynamic([{', '.join(text_literal(word) for word in words)}])"


@cache
def vendor_words(name: str) -> tuple[str, ...]:
    """Give the words of all vendors for what `_OUTCOMES` calls by a name, in small letters."""
    field, outcomes = _OUTCOMES[name]
    table = (files("knockwatch.content") / "vendors" / "actions.csv").read_text("utf-8")
    rows = csv.DictReader(table.splitlines())
    return tuple(
        sorted({r["value"].lower() for r in rows if r["field"] == field and r["outcome"] in outcomes})
    )


def context_entries(config: Config, lists: str) -> tuple[list[Network], list[str]]:
    """Give the networks and the names of some of the context's lists."""
    networks: list[Network] = []
    names: list[str] = []
    for entry in (entry for name in lists.split("+") for entry in getattr(config.context, name)):
        network = network_of(entry)
        # A host's name stands for the addresses that [hosts] gives it.
        networks += [found for found in map(network_of, config.hosts.get(entry, ())) if found]
        if network is None:
            names.append(entry)
        else:
            networks.append(network)
    return networks, names


@dataclass(frozen=True)
class AuthorisedDoor:
    """A door of the site's own as a query takes it: its port, and networks of its hosts and of who may knock.

    Without sources anyone may.
    """

    port: int
    hosts: tuple[str, ...]
    sources: tuple[str, ...]


def authorised_doors(config: Config) -> list[AuthorisedDoor]:
    """Give the authorised doors, without those whose host or sources have no known address: they match nobody."""
    doors = []
    for door in config.context.doors:
        hosts, sources = _networks((door.host,), config), _networks(door.sources, config)
        if hosts and (sources or not door.sources):
            port = int(door.port.partition("/")[2])
            doors.append(AuthorisedDoor(port, tuple(map(str, hosts)), tuple(map(str, sources))))
    return doors


def _networks(entries: Iterable[str], config: Config) -> list[Network]:
    """Give the networks of entries; a host's name stands for the addresses that [hosts] gives it."""
    named = (
        one for entry in entries for one in ((entry,) if network_of(entry) else config.hosts.get(entry, ()))
    )
    return [network for network in map(network_of, named) if network]


def _addresses(config: Config, lists: str) -> str:
    """Write the function that tells whether an address is one of the context's."""
    networks, _ = context_entries(config, lists)
    return f"(address: string) {{ {_in('address', networks)} }}"


def _in(column: str, networks: Iterable[Network]) -> str:
    """Say that an address is one of some addresses, or lies in one of some networks."""
    networks = list(networks)
    single = [str(network.network_address) for network in networks if network.num_addresses == 1] or [_NONE]
    exact = f"{column} in ({', '.join(map(text_literal, single))})"
    return " or ".join([exact, *network_condition(column, [n for n in networks if n.num_addresses > 1])])


def _doors(config: Config) -> str:
    """Write the function that tells whether an entry goes through an authorised door."""
    nobody = f"source == {text_literal(_NONE)}"
    conditions = " or ".join(_door(door, config) for door in config.context.doors)
    return f"(source: string, destination: string, port: int) {{ {conditions or nobody} }}"


def _door(door: Door, config: Config) -> str:
    """Say that an entry goes through one door."""
    parts = [f"port == {door.port.partition('/')[2]}", _among("destination", (door.host,), config)]
    if door.sources:
        parts.append(_among("source", door.sources, config))
    return f"({' and '.join(part for part in parts if part)})"


def _among(column: str, entries: Iterable[str], config: Config) -> str:
    """Say that an address is one of some entries; a host that nothing names by address matches none."""
    return f"({_in(column, _networks(entries, config))})"


def _starts(network: IPv6Network) -> list[str]:
    """Give the beginnings, as `parse_ipv6` writes addresses, that all addresses of a network have."""
    whole, part = divmod(network.prefixlen, 4)
    digits = f"{int(network.network_address):0{_NIBBLES}x}"
    if not part:
        ends = [digits[:whole]]
    else:
        first = int(digits[whole], 16)
        ends = [f"{digits[:whole]}{nibble:x}" for nibble in range(first, first + (1 << (4 - part)))]
    return [":".join(end[at : at + 4] for at in range(0, len(end), 4)) for end in ends]
