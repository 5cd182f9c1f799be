"""What a capture of the lab holds, for the ground truth: read by itself, so that no detection judges its own eyes."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ETHERNET, _COOKED2 = 1, 276
"""Link types (https://www.tcpdump.org/linktypes.html) that tcpdump writes of a bridge, and of `any`."""
_LINK_BYTES = {_ETHERNET: 14, _COOKED2: 20}
_TYPE_AT = {_ETHERNET: 12, _COOKED2: 0}
_IPV4, _IPV6 = 0x0800, 0x86DD
_SYN, _ACK = 0x02, 0x10


@dataclass(frozen=True)
class Packet:
    """A packet: when, between whom, and what of a signal or an entry it is.

    Parameters
    ----------
    step
        What is asked for, as ``tcp/7000``; of an answer, what had been asked for.
    asks
        Whether it may be a step: a SYN, any UDP, an echo request.
    answers
        Whether it lets somebody in: a SYN with ACK.
    payload
        What it carries.
    """

    time: float
    source: str
    destination: str
    step: str
    asks: bool
    answers: bool
    payload: bytes


def read(path: Path) -> Iterator[Packet]:
    """Read a capture in pcap's classic format, as tcpdump writes it; a last packet that is cut is passed over."""
    yield from parse(path.read_bytes())


def parse(data: bytes) -> Iterator[Packet]:
    """Read what a capture file holds; a packet that is none, or cut, is passed over."""
    if len(data) < 24:
        return
    order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    link = int(struct.unpack(f"{order}I", data[20:24])[0])
    at = 24
    while at + 16 <= len(data):
        seconds, micros, kept, _ = struct.unpack(f"{order}IIII", data[at : at + 16])
        frame = data[at + 16 : at + 16 + kept]
        at += 16 + kept
        found = _packet(seconds + micros / 1e6, frame, link) if len(frame) == kept else None
        if found:
            yield found


def _packet(time: float, frame: bytes, link: int) -> Packet | None:
    """Read a frame; None for what is neither IPv4 nor IPv6."""
    if link not in _LINK_BYTES or len(frame) < _LINK_BYTES[link] + 20:
        return None
    kind = int.from_bytes(frame[_TYPE_AT[link] : _TYPE_AT[link] + 2])
    body = frame[_LINK_BYTES[link] :]
    if kind == _IPV4:
        ends, protocol = (body[12:16], body[16:20]), body[9]
        rest = body[(body[0] & 15) * 4 : int.from_bytes(body[2:4])]
    elif kind == _IPV6 and len(body) >= 40:
        ends, protocol, rest = (body[8:24], body[24:40]), body[6], body[40 : 40 + int.from_bytes(body[4:6])]
    else:
        return None
    source, destination = (str(ipaddress.ip_address(end)) for end in ends)
    said = _said(protocol, rest)
    return Packet(time, source, destination, *said) if said else None


def _said(protocol: int, rest: bytes) -> tuple[str, bool, bool, bytes] | None:
    """Read what is above IP: step, whether it asks, whether it answers, payload."""
    if protocol == 6 and len(rest) >= 20:
        flags, payload = rest[13] & (_SYN | _ACK), rest[(rest[12] >> 4) * 4 :]
        port = int.from_bytes(rest[0:2] if flags == _SYN | _ACK else rest[2:4])
        return f"tcp/{port}", flags == _SYN, flags == _SYN | _ACK, payload
    if protocol == 17 and len(rest) >= 8:
        return f"udp/{int.from_bytes(rest[2:4])}", True, False, rest[8:]
    if protocol in (1, 58) and len(rest) >= 8:
        return "icmp", rest[0] == (8 if protocol == 1 else 128), False, rest[8:]
    return None
