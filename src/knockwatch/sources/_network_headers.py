"""Link and network headers of many frames at once: where an IP header begins, what it says, what follows it.

Link types: www.tcpdump.org/linktypes.html. What lies above IP is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from knockwatch.sources._capture_files import Frames, Integers

Truths = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

MAPPED = 0xFFFF << 32
"""Low half of ``::ffff:0:0/96``: where IPv4 addresses stand among the IPv6 ones."""

_IPV4, _IPV6 = 0x0800, 0x86DD
_TAGS = (0x8100, 0x88A8, 0x9100)
_PPPOE, _PPP_IPV4, _PPP_IPV6 = 0x8864, 0x0021, 0x0057
_TAGS_MOST = 3
_NULL, _ETHERNET, _LOOP, _SLL, _SLL2 = 0, 1, 108, 113, 276
_RAW = (12, 14, 101, 228, 229)
_EXTENSIONS = (0, 43, 44, 51, 60, 135)
_FRAGMENT, _AUTHENTICATION = 44, 51
_EXTENSIONS_MOST = 8

UNKNOWN_LINK, NO_NETWORK = 1, 2
"""Why a frame is not read."""


@dataclass
class Network:
    """IP headers of some frames: `frame` says which; positions are bytes of the piece."""

    frame: Integers
    version: Integers
    at: Integers
    end: Integers
    transport: Integers
    protocol: Integers
    stop: Integers
    ttl: Integers
    ip_id: Integers
    length: Integers
    fragment: Truths
    sound: Truths

    def pick(self, which: Truths | Integers) -> Network:
        """Keep some of the headers."""
        return Network(**{name: column[which] for name, column in vars(self).items()})


class Bytes:
    """Big-endian numbers at many positions of a piece."""

    def __init__(self, data: npt.NDArray[np.uint8]) -> None:
        self.data = data

    def one(self, at: Integers) -> Integers:
        """Read bytes."""
        return self.data.take(at, mode="clip").astype(np.int64)

    def two(self, at: Integers) -> Integers:
        """Read 16-bit numbers."""
        return self.one(at) << 8 | self.one(at + 1)

    def four(self, at: Integers) -> Integers:
        """Read 32-bit numbers."""
        return self.two(at) << 16 | self.two(at + 2)

    def eight(self, at: Integers) -> Words:
        """Read 64-bit numbers."""
        return self.four(at).astype(np.uint64) << np.uint64(32) | self.four(at + 4).astype(np.uint64)


def networks_of(read: Bytes, frames: Frames, bad: npt.NDArray[np.int8]) -> Network:
    """Read the IP headers of frames; in `bad`, say of each frame why it could not be read, if so.

    Frames of other protocols, and all but the first fragment of a packet, are left out.
    """
    at, version = _links(read, frames, bad)
    chosen = np.flatnonzero(version > 0)
    network = network_at(read, chosen, version[chosen], at[chosen], (frames.start + frames.captured)[chosen])
    wire = (frames.start + frames.length)[chosen]
    # A length of 0 is what offloading leaves in packets that the sender's own host captures.
    unlimited = network.stop <= network.at
    network.stop = np.where(unlimited, wire, network.stop)
    network.length = np.where(unlimited, wire - network.at, network.length)
    bad[chosen[~network.sound]] = NO_NETWORK
    return network.pick(network.sound & ~network.fragment)


def _links(read: Bytes, frames: Frames, bad: npt.NDArray[np.int8]) -> tuple[Integers, Integers]:
    """Find where each frame's IP header begins, and its version; version 0 where it carries none."""
    at, ether = frames.start.copy(), np.zeros(len(frames.start), dtype=np.int64)
    version = np.zeros(len(frames.start), dtype=np.int64)
    for link in np.unique(frames.link):
        mine = np.flatnonzero(frames.link == link)
        start = frames.start[mine]
        if link == _ETHERNET:
            at[mine], ether[mine] = _ethernet(read, start)
        elif link in (_SLL, _SLL2):
            header, kind = (16, 14) if link == _SLL else (20, 0)
            at[mine], ether[mine] = _tagged(read, start + header, read.two(start + kind))
        elif link in (_NULL, _LOOP):
            at[mine], version[mine] = start + 4, read.one(start + 4) >> 4
        elif link in _RAW:
            version[mine] = read.one(start) >> 4
        else:
            bad[mine] = UNKNOWN_LINK
    version[ether == _IPV4], version[ether == _IPV6] = 4, 6
    version[frames.start + frames.captured < at] = 0
    odd = (version > 0) & (version != 4) & (version != 6)
    bad[odd], version[odd] = NO_NETWORK, 0
    return at, version


def _ethernet(read: Bytes, start: Integers) -> tuple[Integers, Integers]:
    """Read Ethernet headers with their tags, and PPPoE within them."""
    return _tagged(read, start + 14, read.two(start + 12))


def _tagged(read: Bytes, at: Integers, ether: Integers) -> tuple[Integers, Integers]:
    """Pass over VLAN tags and PPPoE headers: where the payload begins, and its EtherType."""
    for _ in range(_TAGS_MOST):
        tagged = np.isin(ether, _TAGS)
        if not tagged.any():
            break
        ether = np.where(tagged, read.two(at + 2), ether)
        at = np.where(tagged, at + 4, at)
    session = ether == _PPPOE
    if session.any():
        inner = read.two(at + 6)
        ppp = np.where(inner == _PPP_IPV4, _IPV4, np.where(inner == _PPP_IPV6, _IPV6, 0))
        ether, at = np.where(session, ppp, ether), np.where(session, at + 8, at)
    return at, ether


def network_at(read: Bytes, frame: Integers, version: Integers, at: Integers, end: Integers) -> Network:
    """Read IPv4 and IPv6 headers."""
    four = version == 4
    first = read.one(at)
    header = np.where(four, (first & 15) * 4, 40)
    total = np.where(four, read.two(at + 2), read.two(at + 4))
    stop = np.where(total == 0, at, at + total + np.where(four, 0, 40))
    protocol = np.where(four, read.one(at + 9), read.one(at + 6))
    transport = at + header
    offset = np.where(four, read.two(at + 6) & 0x1FFF, 0)
    fragment = offset > 0
    sound = (first >> 4 == version) & (header >= 20) & (at + header <= end)
    sound &= (total == 0) | (stop >= transport)
    six = np.flatnonzero(~four & sound)
    if len(six):
        reached = _extensions(read, transport[six], protocol[six], end[six])
        transport[six], protocol[six], fragment[six] = reached
    return Network(
        frame,
        version,
        at,
        end,
        transport,
        protocol,
        stop,
        np.where(four, read.one(at + 8), read.one(at + 7)),
        np.where(four, read.two(at + 4), -1),
        stop - at,
        fragment,
        sound,
    )


def _extensions(
    read: Bytes, at: Integers, protocol: Integers, end: Integers
) -> tuple[Integers, Integers, Truths]:
    """Pass over IPv6 extension headers (RFC 8200 section 4): where they end, what follows, whether it is a rest."""
    fragment = np.zeros(len(at), dtype=np.bool_)
    for _ in range(_EXTENSIONS_MOST):
        inside = np.isin(protocol, _EXTENSIONS) & (at + 8 <= end) & ~fragment
        if not inside.any():
            break
        size = read.one(at + 1)
        is_fragment = protocol == _FRAGMENT
        fragment |= inside & is_fragment & (read.two(at + 2) >> 3 > 0)
        size = np.where(is_fragment, 8, np.where(protocol == _AUTHENTICATION, (size + 2) * 4, (size + 1) * 8))
        protocol = np.where(inside, read.one(at), protocol)
        at = np.where(inside, at + size, at)
    return at, protocol, fragment


def addresses(read: Bytes, version: Integers, at: Integers, which: int) -> tuple[Words, Words]:
    """Read source (0) or destination (1) addresses as two halves."""
    low = np.uint64(MAPPED) | read.four(at + 12 + 4 * which).astype(np.uint64)
    high = np.zeros(len(at), dtype=np.uint64)
    six = np.flatnonzero(version == 6)
    if len(six):
        place = at[six] + 8 + 16 * which
        high[six], low[six] = read.eight(place), read.eight(place + 8)
    return high, low
