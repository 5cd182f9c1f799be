"""Words that rule sets of several dialects share: ports, protocols, durations and addresses as text."""

from __future__ import annotations

import re
from ipaddress import ip_network

LARGEST_PORT = 65_535
_SERVICES = {
    "ftp": "21", "ssh": "22", "telnet": "23", "smtp": "25", "domain": "53", "http": "80", "https": "443",
    "openvpn": "1194", "ms-wbt-server": "3389", "mysql": "3306", "postgresql": "5432", "http-alt": "8080",
}  # fmt: skip
"""Names that rule sets print for ports behind which doors are (IANA)."""
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmp6", "ipv6-icmp": "icmp6", "icmpv6": "icmp6"}
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d{1,12})(ms|[smhdw])?")
_CLOCK = re.compile(r"(?:(\d{1,4})d ?)?(\d{1,3}):(\d\d):(\d\d)")


def ports(text: str | None) -> tuple[str, ...] | None:
    """Read ``22``, ``ssh``, ``22,80``, ``22:25``, ``22-25`` or ``{ 22, 80 }``; None where one of them is no port.

    Returns
    -------
    tuple
        Numbers as text; a range stays one item, as ``22-25``.
    """
    found = []
    for word in (text or "").strip("{} ").replace(" ", ",").split(","):
        named = _SERVICES.get(word, word)
        if not named:
            continue
        ends = re.split(r"[:-]", named)
        if len(ends) > 2 or not all(
            end.isdecimal() and len(end) < 6 and int(end) <= LARGEST_PORT for end in ends
        ):
            return None
        found.append(str(int(named)) if len(ends) == 1 else "-".join(ends))
    return tuple(found)


def protocol(text: str | None) -> str | None:
    """Give a protocol by its name in lower case; None for all of them."""
    named = (text or "").lower()
    named = _PROTOCOLS.get(named, named)
    return None if named in {"", "all", "any", "0", "ip"} else named


def seconds(text: str | None) -> int | None:
    """Read a duration as ``10``, ``10s``, ``7s676ms``, ``1h30m`` or ``00:01:00``; None for none or for ever."""
    if clock := _CLOCK.fullmatch(text or ""):
        days, hours, minutes, rest = (int(part or 0) for part in clock.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + rest
    parts = _DURATION.findall(text or "")
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return round(sum(int(number) * _UNITS[unit or "s"] for number, unit in parts)) or None


def address(text: str | None) -> str | None:
    """Give an address or network in its shortest form; None for any, and for what is neither."""
    try:
        network = ip_network(text or "", strict=False)
    except ValueError:
        return None
    if network.prefixlen == 0:
        return None
    return str(network.network_address) if network.num_addresses == 1 else str(network)
