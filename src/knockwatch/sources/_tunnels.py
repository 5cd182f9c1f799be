"""Packets within packets: GRE, VXLAN, GENEVE, IP in IP, one level. What the inner packet says is not known here."""

from __future__ import annotations

from functools import partial

import numpy as np

from knockwatch.sources._link_headers import ethernet, labelled, version_of
from knockwatch.sources._network_headers import Bytes, Network, Numbers, Records, layout, network_at
from knockwatch.sources._record_chains import Integers

_IPV4, _UDP, _IPV6, _GRE = 4, 17, 41, 47
_VXLAN_PORTS = (4789, 8472)
"""RFC 7348 section 5, and what Linux took before there was one."""
_HAS_NETWORK = 0x08
_GENEVE_PORT = 6081
_OPTIONS, _CONTROL = 0x3F, 0x80
_LABELS = 0x8847
_CHECKSUM, _ROUTING, _KEY, _SEQUENCE, _VERSION = 0x8000, 0x4000, 0x2000, 0x1000, 0x0007
_BRIDGED, _ERSPAN, _ERSPAN3 = 0x6558, 0x88BE, 0x22EB
_GRE_HEADER = layout(4, flags=(">u2", 0), ether=(">u2", 2))
_UDP_HEADER = layout(
    16, port=(">u2", 2), flags=("u1", 8), control=("u1", 9), ether=(">u2", 10), reserved=("u1", 15)
)


def unwrap(read: Bytes, network: Network) -> None:
    """Put, in the place of packets that carry a packet, what they carry; what cannot be read stays as it is."""
    protocol = network.protocol.copy()
    for kind, begin in ((_GRE, _gre), (_UDP, _datagrams), (_IPV4, partial(_ip, 4)), (_IPV6, partial(_ip, 6))):
        chosen = np.flatnonzero((protocol == kind) & ~network.fragment)
        if not len(chosen):
            continue
        at, version = begin(read, network.transport[chosen], network.frame[chosen])
        chosen, at, version = chosen[version > 0], at[version > 0], version[version > 0]
        end = np.minimum(network.end[chosen], np.maximum(network.stop[chosen], at))
        inner = network_at(read, network.frame[chosen], version, at, end)
        sound = inner.sound & (inner.stop > inner.at)
        # One level: a carrier within is left as it is.
        network.put(chosen[sound], inner.pick(sound))


def _ip(version: int, _: Bytes, at: Integers, __: Integers) -> tuple[Integers, Numbers]:
    """Find what IP carries directly (RFC 2003, 4213)."""
    return at, np.full(len(at), version, dtype=np.int8)


def _gre(read: Bytes, at: Integers, frame: Integers) -> tuple[Integers, Numbers]:
    """Find what GRE carries (RFC 2784 and 2890): IP, Ethernet, MPLS, or a mirrored frame (draft-foschiano-erspan)."""
    header = read.records(at, _GRE_HEADER, frame)
    flags, ether = header["flags"], header["ether"]
    sequence = flags & _SEQUENCE > 0
    inner = at + 4 + 4 * (flags & _CHECKSUM > 0) + 4 * (flags & _KEY > 0) + 4 * sequence
    version = version_of(ether)
    # Of the first kind of ERSPAN there is neither a sequence nor a header.
    inner = inner + 8 * ((ether == _ERSPAN) & sequence)
    third = np.flatnonzero(ether == _ERSPAN3)
    inner[third] += 12 + 8 * (read.one(inner[third] + 11) & 1)
    bridged = np.flatnonzero(np.isin(ether, (_BRIDGED, _ERSPAN, _ERSPAN3)))
    inner[bridged], version[bridged] = ethernet(read, inner[bridged])
    stacked = np.flatnonzero(ether == _LABELS)
    inner[stacked], version[stacked] = labelled(read, inner[stacked])
    # Version 1 is PPTP, whose packets are compressed or encrypted.
    version[flags & (_ROUTING | _VERSION) > 0] = 0
    return inner, version


def _datagrams(read: Bytes, at: Integers, frame: Integers) -> tuple[Integers, Numbers]:
    """Find what VXLAN and GENEVE carry in UDP."""
    header = read.records(at, _UDP_HEADER, frame)
    inner, version = at + 16, np.zeros(len(at), dtype=np.int8)
    for begin in (_vxlan, _geneve):
        chosen, ether, start = begin(header)
        start = inner[chosen] + start
        version[chosen] = version_of(ether)
        framed = np.flatnonzero(ether == _BRIDGED)
        start[framed], version[chosen[framed]] = ethernet(read, start[framed])
        inner[chosen] = start
    return inner, version


def _vxlan(header: Records) -> tuple[Integers, Numbers, Integers]:
    """Tell VXLAN (RFC 7348): which datagrams, what kind of packet they carry, and how far behind the header."""
    carries = np.isin(header["port"], _VXLAN_PORTS) & (header["flags"] & _HAS_NETWORK > 0)
    chosen = np.flatnonzero(carries & (header["reserved"] == 0))
    return chosen, np.full(len(chosen), _BRIDGED), np.zeros(len(chosen), dtype=np.int64)


def _geneve(header: Records) -> tuple[Integers, Numbers, Integers]:
    """Tell the same of GENEVE (RFC 8926 section 3.4), whose options stand between; its own messages carry nothing."""
    first = header["flags"]
    carries = (header["port"] == _GENEVE_PORT) & (first <= _OPTIONS) & (header["control"] & _CONTROL == 0)
    chosen = np.flatnonzero(carries & (header["reserved"] == 0))
    return chosen, header["ether"][chosen].astype(np.int64), (first[chosen] & _OPTIONS).astype(np.int64) * 4
