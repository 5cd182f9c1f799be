"""Frames to packets: TCP, UDP and ICMP headers of all frames of a piece at once, without an object each.

What packets say together (connections) is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from knockwatch.sources._capture_files import Frames
from knockwatch.sources._link_headers import ENCRYPTED, NO_NETWORK, UNKNOWN_LINK, links_of
from knockwatch.sources._network_headers import (
    Bytes,
    Network,
    Numbers,
    Truths,
    Words,
    layout,
    network_at,
)
from knockwatch.sources._record_chains import Integers
from knockwatch.sources._tunnels import unwrap

ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
SYN, ACK, FIN, RST = 0x02, 0x10, 0x01, 0x04
ECHO, ECHO6 = 8, 128
REPLIES = {0: ECHO, 14: 13, 16: 15, 18: 17, 129: ECHO6}
"""ICMP types that answer, and what each answers (RFC 792, 950, 4443); the numbers of v4 and v6 are distinct."""

_UNREACHABLE, _UNREACHABLE6 = 3, 1
_FRAGMENTATION_NEEDED = 4
_PROHIBITED, _PROHIBITED6 = (9, 10, 13), (1, 5, 6)
"""Codes by which a firewall or a router's policy speaks (RFC 1122, 1812; RFC 4443)."""

_HEADER = layout(
    16,
    port=(">u2", 0), to_port=(">u2", 2), seq=(">u4", 4), ack=(">u4", 8),
    size=("u1", 12), flags=("u1", 13), window=(">u2", 14),
    kind=("u1", 0), code=("u1", 1), ident=(">u2", 4),
)  # fmt: skip
"""What matters of TCP (RFC 9293), UDP (RFC 768) and ICMP headers."""

NO_TRANSPORT = 3
REASONS = {
    UNKNOWN_LINK: "its link type is not read",
    NO_NETWORK: "its IP header is damaged or cut",
    NO_TRANSPORT: "its TCP, UDP or ICMP header is damaged or cut",
    ENCRYPTED: "its data are encrypted by the wireless link",
}


@dataclass
class Packets:
    """TCP, UDP and ICMP packets; of an ICMP error, the packet it is about, marked so. All arrays have one length.

    Addresses are two 64-bit halves, IPv4 ones mapped into IPv6. `source_port` and `destination_port` hold, for ICMP
    echoes, the identifier and the payload's length, so that an answer has the same pair. `prohibited` errors come
    from a firewall.
    """

    frame: Integers
    protocol: Numbers
    source_high: Words
    source_low: Words
    destination_high: Words
    destination_low: Words
    source_port: Numbers
    destination_port: Numbers
    error: Truths
    prohibited: Truths
    flags: Numbers
    seq: Integers
    ack: Integers
    window: Numbers
    icmp_type: Numbers
    icmp_code: Numbers
    ttl: Numbers
    ip_id: Numbers
    length: Numbers
    payload_length: Numbers
    payload_at: Integers
    payload_captured: Numbers

    def pick(self, which: Truths) -> Packets:
        """Keep some of the packets."""
        if which.all():
            return self
        chosen = np.flatnonzero(which)
        return Packets(**{name: column[chosen] for name, column in vars(self).items()})


def packets_of(frames: Frames) -> tuple[Packets, npt.NDArray[np.int8]]:
    """Read the headers of frames.

    Returns
    -------
    tuple
        The packets; and, for each frame, 0 or why it could not be read (`REASONS`). Frames of other protocols, and
        all but the first fragment of a packet, are neither.
    """
    read = Bytes(frames.data, frames.start)
    bad = np.zeros(len(frames.start), dtype=np.int8)
    return _transport(read, _networks(read, frames, bad), bad), bad


def _networks(read: Bytes, frames: Frames, bad: npt.NDArray[np.int8]) -> Network:
    """Read the IP headers of frames; mark in `bad` those that cannot be read."""
    at, version = links_of(read, frames, bad)
    chosen = np.flatnonzero(version > 0)
    end, wire = (frames.start + frames.captured)[chosen], (frames.start + frames.length)[chosen]
    network = network_at(read, chosen, version[chosen], at[chosen], end)
    # A length of 0 is what offloading leaves in packets that the sender's own host captures.
    unlimited = network.length == 0
    if unlimited.any():
        network.stop = np.where(unlimited, wire, network.stop)
        network.length = network.stop - network.at
    bad[chosen[~network.sound]] = NO_NETWORK
    network = network.pick(network.sound & ~network.fragment)
    unwrap(read, network)
    return network.pick(~network.fragment)


def _transport(read: Bytes, network: Network, bad: npt.NDArray[np.int8]) -> Packets:
    """Read TCP, UDP and ICMP headers; other protocols are left out, damaged ones marked."""
    known = np.logical_or.reduce(_kinds(network))
    if not known.all():
        network = network.pick(np.flatnonzero(known))
    tcp, udp, icmp = _kinds(network)
    at, end = network.transport, network.end
    fields = read.records(at, _HEADER, network.frame)
    header = np.where(tcp, (fields["size"] >> 4).astype(np.int64) * 4, 8)
    # Of a TCP header that a snapshot length cuts, what stands before the checksum is enough.
    needed = np.where(tcp, 16, np.where(udp, 8, 4))
    sound = (at + needed <= end) & (~tcp | (header >= 20)) & (at + header <= network.stop)
    if not sound.all():
        bad[network.frame[~sound]] = NO_TRANSPORT
        keep = np.flatnonzero(sound)
        network, fields, header, tcp, icmp = (
            network.pick(keep), fields[keep], header[keep], tcp[keep], icmp[keep],
        )  # fmt: skip
    payload = np.minimum(network.transport + header, network.stop)
    length = network.stop - payload
    high, low = network.addresses("source")
    to_high, to_low = network.addresses("destination")
    no = np.zeros(len(tcp), dtype=np.bool_)
    packets = Packets(
        frame=network.frame,
        protocol=network.protocol,
        source_high=high,
        source_low=low,
        destination_high=to_high,
        destination_low=to_low,
        source_port=np.where(icmp, fields["ident"], fields["port"]).astype(np.int32),
        destination_port=np.where(icmp, length, fields["to_port"]).astype(np.int32),
        error=no,
        prohibited=no.copy(),
        flags=(fields["flags"] & np.uint8(0x3F)) * tcp,
        seq=_of(tcp, fields["seq"], np.int64),
        ack=_of(tcp, fields["ack"], np.int64),
        window=_of(tcp, fields["window"], np.int32),
        icmp_type=_of(icmp, fields["kind"], np.int16),
        icmp_code=_of(icmp, fields["code"], np.int16),
        ttl=network.ttl,
        ip_id=network.ip_id,
        length=network.length.astype(np.int32),
        payload_length=length.astype(np.int32),
        payload_at=payload,
        payload_captured=np.clip(np.minimum(network.end, network.stop) - payload, 0, None),
    )
    return _errors(read, network, packets, icmp) if icmp.any() else packets


def _of(which: Truths, field: Any, kind: type[np.signedinteger[Any]]) -> Any:
    """Give a field of some packets' headers, -1 for the others."""
    values = field.astype(kind)
    values[~which] = -1
    return values


def _kinds(network: Network) -> tuple[Truths, Truths, Truths]:
    """Tell TCP, UDP and ICMP; ICMP of the other IP version is none."""
    protocol, four = network.protocol, network.version == 4
    return protocol == TCP, protocol == UDP, protocol == np.where(four, np.uint8(ICMP), np.uint8(ICMP6))


def _errors(read: Bytes, network: Network, packets: Packets, icmp: Truths) -> Packets:
    """Put the packet that an ICMP error is about in its place; drop ICMP that begins or answers nothing.

    Only "unreachable" (RFC 792 and 4443) refuses, not the message that a packet was too large.
    """
    some = np.flatnonzero(icmp)
    four, kind, code = network.version[some] == 4, packets.icmp_type[some], packets.icmp_code[some]
    unreachable = np.where(four, kind == _UNREACHABLE, kind == _UNREACHABLE6)
    unreachable &= ~(four & (code == _FRAGMENTATION_NEEDED))
    prohibited = np.where(four, np.isin(code, _PROHIBITED), np.isin(code, _PROHIBITED6))
    keep = ~icmp
    keep[some] = unreachable | np.isin(kind, [*REPLIES, *REPLIES.values()])
    about = some[unreachable]
    packets.prohibited[about] = prohibited[unreachable]
    at, end = network.transport[about] + 8, network.end[about]
    inner = network_at(read, about, network.version[about], at, end)
    tcp, udp, echo = _kinds(inner)
    readable = inner.sound & (inner.transport + 8 <= end) & (tcp | udp | echo)
    keep[about[~readable]] = False
    fields = read.records(inner.transport, _HEADER, about)
    packets.error[about] = True
    packets.protocol[about] = inner.protocol
    packets.source_high[about], packets.source_low[about] = inner.addresses("source")
    packets.destination_high[about], packets.destination_low[about] = inner.addresses("destination")
    packets.source_port[about] = np.where(echo, fields["ident"], fields["port"])
    quoted = inner.stop - inner.transport - 8
    packets.destination_port[about] = np.where(echo, quoted, fields["to_port"])
    return packets.pick(keep)
