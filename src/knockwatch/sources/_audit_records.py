"""Fields of the Linux audit system's records: arguments, addresses, system calls. Events are not known here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

_ARGUMENT = re.compile(r"[ \x1d]a(\d+)(?:\[(\d+)\])?=(\"[^\"]*\"|[^ \x1d]*)")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_INTERPRETED = re.compile(r"fam=inet6? laddr=(\S+) lport=(\d{1,5})\b|inet6? host:(\S+) serv:(\d{1,5})\b")
"""An address as `ausearch -i` shows it, of audit 2.6 and later or before."""

EXECVE, SOCKET, BIND, SETSOCKOPT = "execve", "socket", "bind", "setsockopt"
_GENERIC = {221: EXECVE, 281: EXECVE, 198: SOCKET, 200: BIND, 208: SETSOCKOPT}
_CALLS = {
    "c000003e": {59: EXECVE, 322: EXECVE, 41: SOCKET, 49: BIND, 54: SETSOCKOPT},
    "40000003": {11: EXECVE, 358: EXECVE, 359: SOCKET, 361: BIND, 366: SETSOCKOPT},
    "40000028": {11: EXECVE, 387: EXECVE, 281: SOCKET, 282: BIND, 294: SETSOCKOPT},
    "c0000015": {11: EXECVE, 362: EXECVE, 326: SOCKET, 327: BIND, 339: SETSOCKOPT},
    "80000016": {11: EXECVE, 354: EXECVE, 359: SOCKET, 361: BIND, 366: SETSOCKOPT},
    "c00000b7": _GENERIC,
    "c00000f3": _GENERIC,
}
"""System calls by AUDIT_ARCH value (linux/audit.h) and number: x86_64, i386, ARM, ppc64le, s390x, aarch64, riscv64."""
_EXEC_NAMES = {"execveat": EXECVE}

AF_INET, AF_INET6, AF_PACKET = 2, 10, 17
_FAMILIES = {AF_INET: "AF_INET", AF_INET6: "AF_INET6", AF_PACKET: "AF_PACKET"}
_SOCK_TYPES = {1: "SOCK_STREAM", 2: "SOCK_DGRAM", 3: "SOCK_RAW", 10: "SOCK_PACKET"}
_SOCK_TYPE_MASK = 0xF
"""linux/net.h: the rest of the argument is SOCK_CLOEXEC and SOCK_NONBLOCK."""
_PROTOCOLS = {1: "tcp", 2: "udp"}
_SOL_SOCKET = 1
_LAST_PORT = 65_535
_FILTERS = {26: "SO_ATTACH_FILTER", 50: "SO_ATTACH_BPF"}


def call(arch: str | None, number: str | None, name: str | None) -> str | None:
    """Name a system call that matters here.

    Parameters
    ----------
    arch, number
        The record's own `arch` (hexadecimal) and `syscall` (decimal).
    name
        What auditd's ENRICHED format calls it, where it does.
    """
    if name:
        return _EXEC_NAMES.get(name, name)
    if not number or not number.isdecimal() or len(number) > 9:
        return None
    return _CALLS.get(arch or "", {}).get(int(number))


def decoded(value: str | None) -> str | None:
    """Read a value that is quoted, or in hexadecimal because it has blanks, quotes or control characters."""
    if value is None or value == "(null)":
        return None
    if value.startswith('"'):
        return value.strip('"')
    if _HEX.fullmatch(value):
        return bytes.fromhex(value).decode("utf-8", "backslashreplace")
    return value


def arguments(bodies: Iterable[str]) -> list[str]:
    """Read the arguments of a command from its EXECVE records.

    Parameters
    ----------
    bodies
        The records' fields, as in ``argc=3 a0="nft" a1=2D66 a2[0]=… a2[1]=…``; long commands take several records,
        long arguments several pieces.
    """
    pieces: dict[int, list[str]] = {}
    for body in bodies:
        for index, part, value in _ARGUMENT.findall(f" {body}"):
            if len(index) <= 9:
                del part
                pieces.setdefault(int(index), []).append(value)
    return [_joined(pieces[index]) for index in sorted(pieces)]


def _joined(pieces: list[str]) -> str:
    """Put the pieces of one argument together; a character may be cut between two of them."""
    if len(pieces) > 1 and all(_HEX.fullmatch(piece) for piece in pieces):
        return decoded("".join(pieces)) or ""
    return "".join(decoded(piece) or "" for piece in pieces)


def title(value: str | None) -> str | None:
    """Read a PROCTITLE: the command line, its arguments apart by NUL, cut after 128 bytes."""
    text = decoded(value)
    return text.replace("\0", " ").rstrip() if text else None


def endpoint(saddr: str) -> tuple[str, int] | None:
    """Read address and port of a SOCKADDR record; None for other families.

    Parameters
    ----------
    saddr
        ``struct sockaddr`` in hexadecimal, or what `ausearch -i` makes of it.
    """
    if not _HEX.fullmatch(saddr):
        return _interpreted_endpoint(saddr)
    raw = bytes.fromhex(saddr)
    family = max(raw[:2])
    if family == AF_INET and len(raw) >= 8:
        return str(IPv4Address(raw[4:8])), int.from_bytes(raw[2:4], "big")
    if family == AF_INET6 and len(raw) >= 24:
        address = IPv6Address(raw[8:24])
        return str(address.ipv4_mapped or address), int.from_bytes(raw[2:4], "big")
    return None


def _interpreted_endpoint(saddr: str) -> tuple[str, int] | None:
    """Read address and port of an interpreted SOCKADDR record."""
    found = _INTERPRETED.search(saddr)
    if found is None:
        return None
    try:
        # A scope, of which only the number is shown, is no part of the address.
        address = ip_address((found[1] or found[3]).partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    port = int(found[2] or found[4])
    return (str(mapped or address), port) if port <= _LAST_PORT else None


def packet_socket(family: int, kind: int) -> str | None:
    """Write a call of socket(2) that yields whole packets: AF_PACKET, or a raw one; None for any other."""
    raw = kind & _SOCK_TYPE_MASK == 3 and family in (AF_INET, AF_INET6)
    if family != AF_PACKET and not raw:
        return None
    named = _SOCK_TYPES.get(kind & _SOCK_TYPE_MASK, str(kind))
    return f"socket({_FAMILIES[family]}, {named})"


def transport(family: int, kind: int) -> str | None:
    """Say which protocol a call of socket(2) is for: tcp, udp or None."""
    return _PROTOCOLS.get(kind & _SOCK_TYPE_MASK) if family in (AF_INET, AF_INET6) else None


def attached_filter(level: int, option: int) -> str | None:
    """Write a call of setsockopt(2) that attaches a packet filter; None for any other."""
    name = _FILTERS.get(option) if level == _SOL_SOCKET else None
    return f"setsockopt(SOL_SOCKET, {name})" if name else None
