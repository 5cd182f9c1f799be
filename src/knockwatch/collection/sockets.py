"""Sockets of this network namespace by their inode, from /proc/net: what each is, in words that `hoststate` reads."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path

_NET = Path("/proc/self/net")
_TRANSPORTS: Mapping[str, tuple[str, str]] = {
    # File, protocol, and the state in which a socket waits (net/tcp_states.h): LISTEN, or CLOSE for UDP.
    "tcp": ("tcp", "0A"),
    "tcp6": ("tcp", "0A"),
    "udp": ("udp", "07"),
    "udp6": ("udp", "07"),
}
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", 89: "ospf", 112: "vrrp", 255: "raw"}


def packet_sockets() -> dict[int, str]:
    """Give packet and raw sockets: inode to words."""
    return {**dict(_packet()), **dict(_raw("raw")), **dict(_raw("raw6"))}


def listeners() -> dict[int, str]:
    """Give listeners of TCP and UDP: inode to words, as ``tcp/22 192.0.2.1``."""
    found: dict[int, str] = {}
    for name, (protocol, waiting) in _TRANSPORTS.items():
        for fields in _fields(name):
            if len(fields) > 9 and fields[3] == waiting and fields[2].endswith(":0000"):
                address, _, port = fields[1].partition(":")
                told = _address(address)
                if told and fields[9].isdecimal():
                    found[int(fields[9])] = f"{protocol}/{int(port, 16)} {told}"
    return found


def _packet() -> Iterator[tuple[int, str]]:
    """Read /proc/net/packet (net/packet/af_packet.c, packet_seq_show)."""
    for fields in _fields("packet"):
        if len(fields) > 8 and fields[8].isdecimal():
            yield int(fields[8]), f"packet socket, protocol 0x{fields[3]}{_on(fields[4])}"


def _raw(name: str) -> Iterator[tuple[int, str]]:
    """Read /proc/net/raw (net/ipv4/raw.c, raw_sock_seq_show): the port is the protocol."""
    for fields in _fields(name):
        _, _, number = fields[1].partition(":") if len(fields) > 9 else ("", "", "")
        if number and fields[9].isdecimal():
            protocol = int(number, 16)
            yield int(fields[9]), f"raw socket, protocol {_PROTOCOLS.get(protocol, protocol)}"


def _on(index: str) -> str:
    """Name an interface; a socket of interface 0 sees all."""
    if not index.isdecimal() or index == "0":
        return ", all interfaces"
    try:
        return f", {socket.if_indextoname(int(index))}"
    except OSError:
        return f", interface {index}"


def _fields(name: str) -> Iterator[list[str]]:
    """Read the lines of one file, without its heading."""
    try:
        text = (_NET / name).read_text("ascii", "replace")
    except OSError:
        return
    for line in text.split("\n")[1:]:
        if line.strip():
            yield line.split()


def _address(text: str) -> str | None:
    """Read an address as the kernel prints it: 32-bit words in the machine's own order."""
    try:
        words = [bytes.fromhex(text[at : at + 8]) for at in range(0, len(text), 8)]
        return str(ip_address(b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)))
    except ValueError:
        return None
