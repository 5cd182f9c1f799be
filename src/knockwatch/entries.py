"""What a site may write for a host, a network, a user or a service, and how it is read; not where it is written."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

Network = IPv4Network | IPv6Network

_LIKE_AN_ADDRESS = re.compile(r"[/:]|^[\d*-]+\.[\d.*-]*$")
_NO_NAME = re.compile(r"[*?,;\x00-\x1f\x7f]|^\s|\s$|^$")


def network_of(entry: str) -> Network | None:
    """Read an address or network; None where the entry is the name of a host or a user.

    Raises
    ------
    ValueError
        If the entry looks like an address but is none.
    """
    if not _LIKE_AN_ADDRESS.search(entry):
        return None
    try:
        return ip_network(entry)
    except ValueError as error:
        try:
            whole = ip_network(entry, strict=False)
        except ValueError:
            raise ValueError(f"{entry!r} looks like an address or a network but is none") from error
        raise ValueError(
            f"{entry!r} names a host within a network: write {whole}, or the address alone"
        ) from error


def _entry(text: str) -> str:
    """Check an address, network, host name or user name."""
    if network_of(text) is None:
        _name(text)
    return text


def _name(text: str) -> str:
    """Check the name of a host or user; patterns and lists in one text are mistakes that would match nothing."""
    if _NO_NAME.search(text):
        raise ValueError(f"{text!r} is no address, network, host or user: write one of them in each entry")
    return text


def _address(text: str) -> str:
    """Check a single address."""
    try:
        ip_address(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no address") from error
    return text


def _service(text: str) -> str:
    """Check a service such as tcp/22."""
    match = re.fullmatch(r"(?:tcp|udp)/([1-9]\d{0,4})", text)
    if match is None or int(match[1]) > 65535:
        raise ValueError(f"{text!r} is no service: write tcp/22 or udp/53, with a port from 1 to 65535")
    return text


Entry = Annotated[str, AfterValidator(_entry)]
Name = Annotated[str, AfterValidator(_name)]
Address = Annotated[str, AfterValidator(_address)]
Service = Annotated[str, AfterValidator(_service)]
Text = Annotated[str, StringConstraints(min_length=1)]
