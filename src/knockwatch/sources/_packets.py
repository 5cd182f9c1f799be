"""Frames to packets: TCP, UDP and ICMP headers of all frames of a piece at once, without an object each.

What packets say together (connections) is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from knockwatch.sources._capture_files import Frames, Integers
from knockwatch.sources._network_headers import (
    NO_NETWORK,
    UNKNOWN_LINK,
    Bytes,
    Network,
    Truths,
    Words,
    addresses,
    network_at,
    networks_of,
)

ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
SYN, ACK, FIN, RST = 0x02, 0x10, 0x01, 0x04
ECHO, ECHO6 = 8, 128
REPLIES = {0: ECHO, 14: 13, 16: 15, 18: 17, 129: ECHO6}
"""ICMP types that answer, and what each answers (RFC 792, 950, 4443); the numbers of v4 and v6 are distinct."""

_FRAGMENTATION_NEEDED = 4

NO_TRANSPORT = 3
REASONS = {
    UNKNOWN_LINK: "its link type is not read",
    NO_NETWORK: "its IP header is damaged or cut",
    NO_TRANSPORT: "its TCP, UDP or ICMP header is damaged or cut",
}


@dataclass
class Packets:
    """TCP, UDP and ICMP packets; of an ICMP error, the packet it is about, marked so. All arrays have one length.

    Addresses are two 64-bit halves, IPv4 ones mapped into IPv6. `source_port` and `destination_port` hold, for ICMP
    echoes, the identifier and the payload's length, so that an answer has the same pair.
    """

    frame: Integers
    protocol: Integers
    source_high: Words
    source_low: Words
    destination_high: Words
    destination_low: Words
    source_port: Integers
    destination_port: Integers
    error: Truths
    flags: Integers
    seq: Integers
    ack: Integers
    window: Integers
    icmp_type: Integers
    icmp_code: Integers
    ttl: Integers
    ip_id: Integers
    length: Integers
    payload_length: Integers
    payload_at: Integers
    payload_captured: Integers


def packets_of(frames: Frames) -> tuple[Packets, npt.NDArray[np.int8]]:
    """Read the headers of frames.

    Returns
    -------
    tuple
        The packets; and, for each frame, 0 or why it could not be read (`REASONS`). Frames of other protocols are
        neither.
    """
    read = Bytes(frames.data)
    bad = np.zeros(len(frames.start), dtype=np.int8)
    return _transport(read, networks_of(read, frames, bad), bad), bad


def _transport(read: Bytes, network: Network, bad: npt.NDArray[np.int8]) -> Packets:
    """Read TCP, UDP and ICMP headers; other protocols are left out, damaged ones marked."""
    tcp, udp, icmp = _kinds(network)
    at, end = network.transport, network.end
    header = np.where(tcp, (read.one(at + 12) >> 4) * 4, 8)
    # Of a TCP header that a snapshot length cuts, what stands before the checksum is enough.
    needed = np.where(tcp, 16, np.where(udp, 8, 4))
    known = tcp | udp | icmp
    sound = (at + needed <= end) & (~tcp | (header >= 20)) & (at + header <= network.stop)
    bad[network.frame[known & ~sound]] = NO_TRANSPORT
    keep = known & sound
    network = network.pick(keep)
    tcp, udp, icmp, header = tcp[keep], udp[keep], icmp[keep], header[keep]
    at = network.transport
    payload = np.minimum(at + header, network.stop)
    kind = np.where(icmp, read.one(at), -1)
    high, low = addresses(read, network.version, network.at, 0)
    to_high, to_low = addresses(read, network.version, network.at, 1)
    length = network.stop - payload
    packets = Packets(
        frame=network.frame,
        protocol=network.protocol,
        source_high=high,
        source_low=low,
        destination_high=to_high,
        destination_low=to_low,
        source_port=np.where(icmp, read.two(at + 4), read.two(at)),
        destination_port=np.where(icmp, length, read.two(at + 2)),
        error=np.zeros(len(at), dtype=np.bool_),
        flags=np.where(tcp, read.one(at + 13) & 0x3F, 0),
        seq=np.where(tcp, read.four(at + 4), -1),
        ack=np.where(tcp, read.four(at + 8), -1),
        window=np.where(tcp, read.two(at + 14), -1),
        icmp_type=kind,
        icmp_code=np.where(icmp, read.one(at + 1), -1),
        ttl=network.ttl,
        ip_id=network.ip_id,
        length=network.length,
        payload_length=length,
        payload_at=payload,
        payload_captured=np.clip(np.minimum(network.end, network.stop) - payload, 0, None),
    )
    return _errors(read, network, packets) if icmp.any() else packets


def _kinds(network: Network) -> tuple[Truths, Truths, Truths]:
    """Tell TCP, UDP and ICMP; ICMP of the other IP version is none."""
    protocol, four = network.protocol, network.version == 4
    return protocol == TCP, protocol == UDP, protocol == np.where(four, ICMP, ICMP6)


def _errors(read: Bytes, network: Network, packets: Packets) -> Packets:
    """Put the packet that an ICMP error is about in its place; drop ICMP that begins or answers nothing.

    Only "unreachable" (RFC 792 and 4443) refuses, not the message that a packet was too large.
    """
    icmp = (packets.protocol == ICMP) | (packets.protocol == ICMP6)
    four = network.version == 4
    unreachable = icmp & np.where(four, packets.icmp_type == 3, packets.icmp_type == 1)
    unreachable &= ~(four & (packets.icmp_code == _FRAGMENTATION_NEEDED))
    asked = np.isin(packets.icmp_type, [*REPLIES, *REPLIES.values()])
    keep = np.flatnonzero(~icmp | unreachable | asked)
    packets = Packets(**{name: column[keep] for name, column in vars(packets).items()})
    network, about = network.pick(keep), np.flatnonzero(unreachable[keep])
    if not len(about):
        return packets
    at = network.transport[about] + 8
    inner = network_at(read, about, network.version[about], at, network.end[about])
    readable = inner.sound & (inner.transport + 8 <= inner.end)
    tcp, udp, icmp = _kinds(inner)
    readable &= tcp | udp | icmp
    place = inner.transport
    packets.error[about] = True
    packets.protocol[about] = np.where(readable, inner.protocol, packets.protocol[about])
    for which, (high, low) in enumerate(
        (
            (packets.source_high, packets.source_low),
            (packets.destination_high, packets.destination_low),
        )
    ):
        inner_high, inner_low = addresses(read, inner.version, inner.at, which)
        high[about], low[about] = inner_high, inner_low
    quoted = np.where(icmp, inner.stop - place - 8, read.two(place + 2))
    packets.source_port[about] = np.where(icmp, read.two(place + 4), read.two(place))
    packets.destination_port[about] = quoted
    unreadable = np.zeros(len(packets.frame), dtype=np.bool_)
    unreadable[about[~readable]] = True
    return Packets(**{name: column[~unreadable] for name, column in vars(packets).items()})
