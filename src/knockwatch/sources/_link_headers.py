"""Link headers of many frames at once: where an IP header begins behind Ethernet, tags, labels, cooked or 802.11 ones.

Link types: www.tcpdump.org/linktypes.html. What the IP header says is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from knockwatch.sources._capture_files import Frames
from knockwatch.sources._network_headers import Bytes, Numbers, Truths, layout
from knockwatch.sources._record_chains import Integers

UNKNOWN_LINK, NO_NETWORK, ENCRYPTED = 1, 2, 4
"""Why a frame is not read."""

_IPV4, _IPV6 = 0x0800, 0x86DD
_TAGS = (0x8100, 0x88A8, 0x9100)
_TAGS_MOST = 3
_MPLS = (0x8847, 0x8848)
_LABELS_MOST = 8
_PPPOE, _PPP_IPV4, _PPP_IPV6 = 0x8864, 0x0021, 0x0057
_NULL, _ETHERNET, _WIRELESS, _LOOP, _SLL, _RADIOTAP, _SLL2 = 0, 1, 105, 108, 113, 127, 276
_RAW = (12, 14, 101, 228, 229)

_CONTROL = layout(2, kind=("u1", 0), flags=("u1", 1))
_DATA, _NO_DATA, _QOS = 2, 4, 8
_PROTECTED, _ORDER, _BOTH_WAYS = 0x40, 0x80, 0x03
_AGGREGATE = 0x80
_SNAP = layout(8, start=(">u4", 0), rest=(">u2", 4), ether=(">u2", 6))
_SNAP_START = 0xAAAA0300


def links_of(read: Bytes, frames: Frames, bad: npt.NDArray[np.int8]) -> tuple[Integers, Numbers]:
    """Find where each frame's IP header begins, and its version.

    Returns
    -------
    tuple
        Positions and versions; version 0 where a frame carries no IP. In `bad` it is said of each frame why it
        could not be read, if so.
    """
    at, version = frames.start.copy(), np.zeros(len(frames.start), dtype=np.int8)
    for link, mine in _by_link(frames.link):
        start = frames.start[mine]
        if link == _ETHERNET:
            at[mine], version[mine] = ethernet(read, start)
        elif link in (_SLL, _SLL2):
            header, kind = (16, 14) if link == _SLL else (20, 0)
            at[mine], version[mine] = tagged(read, start + header, read.two(start + kind))
        elif link in (_NULL, _LOOP):
            at[mine], version[mine] = start + 4, read.one(start + 4) >> 4
        elif link in _RAW:
            version[mine] = read.one(start) >> 4
        elif link in (_WIRELESS, _RADIOTAP):
            at[mine], version[mine], encrypted = _wireless(read, start, radiotap=link == _RADIOTAP)
            bad[mine] = encrypted * np.int8(ENCRYPTED)
        else:
            bad[mine] = UNKNOWN_LINK
    version[frames.start + frames.captured < at] = 0
    odd = (version > 0) & (version != 4) & (version != 6)
    bad[odd], version[odd] = NO_NETWORK, 0
    return at, version


def _by_link(links: Integers) -> Iterator[tuple[int, slice | Integers]]:
    """Give each link type and the frames that have it; in nearly all captures there is one."""
    if len(links) and (links == links[0]).all():
        yield int(links[0]), slice(None)
        return
    for link in np.unique(links).tolist():
        yield link, np.flatnonzero(links == link)


def ethernet(read: Bytes, start: Integers) -> tuple[Integers, Numbers]:
    """Read Ethernet headers: where the IP header begins, and its version or 0."""
    return tagged(read, start + 14, read.two(start + 12))


def tagged(read: Bytes, at: Integers, ether: Numbers) -> tuple[Integers, Numbers]:
    """Pass over VLAN tags, PPPoE headers and MPLS labels: where the IP header begins, and its version or 0."""
    version = version_of(ether)
    others = rest = np.flatnonzero(version == 0)
    for _ in range(_TAGS_MOST):
        rest = rest[np.isin(ether[rest], _TAGS)]
        if not len(rest):
            break
        ether[rest] = read.two(at[rest] + 2)
        at[rest] += 4
        version[rest] = version_of(ether[rest])
    session = others[ether[others] == _PPPOE]
    if len(session):
        inner = read.two(at[session] + 6)
        at[session] += 8
        version[session] = np.where(inner == _PPP_IPV4, 4, np.where(inner == _PPP_IPV6, 6, 0))
    stacked = others[np.isin(ether[others], _MPLS)]
    if len(stacked):
        at[stacked], version[stacked] = labelled(read, at[stacked])
    return at, version


def labelled(read: Bytes, at: Integers) -> tuple[Integers, Numbers]:
    """Pass over MPLS labels (RFC 3032): where the IP header begins, and its version or 0.

    Nothing says what follows the last label but its own first four bits. Where they are 0, a control word stands
    before a frame (RFC 4385 and 4448), and that is Ethernet's without labels of its own.
    """
    last = np.zeros(len(at), dtype=np.bool_)
    for _ in range(_LABELS_MOST):
        bottom = read.one(at + 2) & 1 > 0
        at = np.where(last, at, at + 4)
        last |= bottom
    version = read.one(at) >> 4
    framed = np.flatnonzero(last & (version == 0))
    version[~last | ((version != 4) & (version != 6))] = 0
    begin = at[framed] + 4
    at[framed], version[framed] = begin + 14, version_of(read.two(begin + 12))
    return at, version


def version_of(ether: Numbers) -> Numbers:
    """Give the IP version that an EtherType names; 0 for other protocols."""
    version: Numbers = (ether == _IPV4) * np.int8(4) + (ether == _IPV6) * np.int8(6)
    return version


def _wireless(read: Bytes, start: Integers, *, radiotap: bool) -> tuple[Integers, Numbers, Truths]:
    """Read 802.11 headers (IEEE 802.11-2020 section 9.2) and the LLC and SNAP headers behind them.

    Returns
    -------
    tuple
        Where the IP header begins, its version or 0, and which frames' data are encrypted.
    """
    at = start
    if radiotap:
        # The only little-endian number that matters.
        at = start + (read.one(start + 2) | read.one(start + 3) << 8)
    control = read.records(at, _CONTROL)
    kind, flags = control["kind"], control["flags"]
    data = (kind >> 2 & 3 == _DATA) & (kind >> 4 & _NO_DATA == 0)
    qos, both = kind >> 4 & _QOS > 0, flags & _BOTH_WAYS == _BOTH_WAYS
    # Frames of several packets are rare in captures and begin otherwise.
    data &= ~qos | (read.one(at + 24 + 6 * both) & _AGGREGATE == 0)
    encrypted = data & (flags & _PROTECTED > 0)
    header = 24 + 6 * both.astype(np.int64) + 2 * qos + 4 * (qos & (flags & _ORDER > 0))
    snap = read.records(at + header, _SNAP)
    carries = data & ~encrypted & (snap["start"] == _SNAP_START) & (snap["rest"] == 0)
    version = np.where(carries, version_of(snap["ether"]), 0)
    return at + header + 8, version, encrypted
