"""Packets made byte by byte, and captures of them, for tests that need real headers."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

_RAW_IP = 101
"""Link type of captures that begin with the IP header (LINKTYPE_RAW)."""
_FLAGS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32}
SENDER, SERVER = "198.51.100.7", "203.0.113.10"


@dataclass(frozen=True)
class Packet:
    """One IPv4 packet, when it came, and its bytes."""

    at: float
    data: bytes


def _ip(protocol: int, body: bytes, source: str, destination: str, ttl: int, ip_id: int) -> bytes:
    ends = IPv4Address(source).packed + IPv4Address(destination).packed
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), ip_id, 0, ttl, protocol, 0) + ends + body


def tcp(
    payload: bytes = b"",
    *,
    at: float = 0,
    source: str = SENDER,
    destination: str = SERVER,
    sport: int = 40_000,
    dport: int = 22,
    flags: str = "SYN",
    seq: int = 1_000_000,
    ack: int = 0,
    window: int = 64_240,
    options: bytes = b"",
    ttl: int = 64,
    ip_id: int = 4711,
) -> Packet:
    """Make a TCP segment."""
    bits = sum(_FLAGS[flag] for flag in flags.split(","))
    offset = (5 + len(options) // 4) << 4
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, offset, bits, window, 0, 0)
    return Packet(at, _ip(6, head + options + payload, source, destination, ttl, ip_id))


def udp(
    payload: bytes = b"",
    *,
    at: float = 0,
    source: str = SENDER,
    destination: str = SERVER,
    sport: int = 40_000,
    dport: int = 62_201,
    ttl: int = 64,
    ip_id: int = 4711,
) -> Packet:
    """Make a datagram."""
    head = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
    return Packet(at, _ip(17, head + payload, source, destination, ttl, ip_id))


def icmp(
    payload: bytes = b"",
    *,
    at: float = 0,
    source: str = SENDER,
    destination: str = SERVER,
    kind: int = 8,
    code: int = 0,
    ident: int = 77,
    seq: int = 1,
    ttl: int = 64,
    ip_id: int = 4711,
) -> Packet:
    """Make an ICMP message."""
    head = struct.pack("!BBHHH", kind, code, 0, ident, seq)
    return Packet(at, _ip(1, head + payload, source, destination, ttl, ip_id))


def session(
    at: float, source: str, destination: str = SERVER, dport: int = 22, sport: int = 41_000
) -> list[Packet]:
    """Make the three packets that open a TCP connection."""
    return [
        tcp(at=at, source=source, destination=destination, sport=sport, dport=dport),
        tcp(
            at=at + 0.01,
            source=destination,
            destination=source,
            sport=dport,
            dport=sport,
            flags="SYN,ACK",
            ack=1_000_001,
        ),
        tcp(
            at=at + 0.02,
            source=source,
            destination=destination,
            sport=sport,
            dport=dport,
            flags="ACK",
            seq=1_000_001,
            ack=1_000_001,
        ),
    ]


def capture(path: Path, packets: Iterable[Packet], start: int = 1_795_346_700) -> Path:
    """Write packets as a capture file, by time."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, _RAW_IP))
        for packet in sorted(packets, key=lambda packet: packet.at):
            seconds, micro = divmod(round(packet.at * 1_000_000), 1_000_000)
            size = len(packet.data)
            file.write(struct.pack("<IIII", start + seconds, micro, size, size) + packet.data)
    return path
