"""Network headers of many frames at once: IPv4 and IPv6, their extension headers and fragments.

Where they begin in a frame is known in `_link_headers`, and what lies above IP in `_packets`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from knockwatch.sources._record_chains import Integers

Truths = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.integer[Any]]
"""Whole numbers, each in as few bytes as its field has: what is small stays in a processor's cache."""
Words = npt.NDArray[np.uint64]
Records = npt.NDArray[np.void]

MAPPED = 0xFFFF << 32
"""Low half of ``::ffff:0:0/96``: where IPv4 addresses stand among the IPv6 ones."""

_EXTENSIONS = (0, 43, 44, 51, 60, 135)
_FRAGMENT, _AUTHENTICATION = 44, 51
_EXTENSIONS_MOST = 8


def layout(width: int, **fields: tuple[str, int]) -> np.dtype[np.void]:
    """Describe a header: its bytes, and for each field its kind and where it stands."""
    kinds, places = [kind for kind, _ in fields.values()], [place for _, place in fields.values()]
    return np.dtype({"names": [*fields], "formats": kinds, "offsets": places, "itemsize": width})


_IP = layout(
    40,
    first=("u1", 0), total=(">u2", 2), ident=(">u2", 4), offset=(">u2", 6), ttl=("u1", 8), protocol=("u1", 9),
    source=(">u4", 12), destination=(">u4", 16),
    total6=(">u2", 4), next6=("u1", 6), hops6=("u1", 7),
    source6=(">u8", 8), source6_low=(">u8", 16), destination6=(">u8", 24), destination6_low=(">u8", 32),
)  # fmt: skip
"""Both versions (RFC 791 and 8200); an IPv4 header may be shorter."""
_TWO = layout(2, number=(">u2", 0))
_EXTENSION = layout(4, next=("u1", 0), size=("u1", 1), offset=(">u2", 2))


_NEAR = 64
"""Bytes of each frame that are laid side by side: the headers of most."""


class Bytes:
    """Headers and big-endian numbers at many positions of a piece; what lies beyond its end reads as zeros.

    Parameters
    ----------
    data
        The piece.
    frames
        Where its frames begin.
    """

    def __init__(self, data: npt.NDArray[np.uint8], frames: Integers) -> None:
        self.data = data
        self._frames = frames
        # To fetch something from all over a piece costs much the same whether it is long or short.
        every = np.ndarray((len(data) - _NEAR + 1,), f"V{_NEAR}", data, 0, (1,))
        self._near = every[frames].view(np.uint8)

    def records(self, at: Integers, header: np.dtype[np.void], of: Integers | None = None) -> Records:
        """Read headers, at one place each of some frames; `of` says of which, if not of all."""
        width = header.itemsize
        near = self._at_once(at, header, of)
        if near is not None:
            return near
        last = len(self.data) - width
        every = np.ndarray((last + 1,), f"V{width}", self.data, 0, (1,))
        return every[np.minimum(at, last)].view(header)

    def _at_once(self, at: Integers, header: np.dtype[np.void], of: Integers | None) -> Records | None:
        """Read headers that stand at the same place near the begin of each frame; None where they do not."""
        every = of is None or len(of) == len(self._frames)
        frames = self._frames if every else self._frames[of]
        if not len(at) or len(at) != len(frames):
            return None
        apart = int(at[0] - frames[0])
        if not 0 <= apart <= _NEAR - header.itemsize or (at - frames != apart).any():
            return None
        near = self._near if every else self._near.reshape(-1, _NEAR)[of]
        return np.ndarray((len(at),), header, near, apart, (_NEAR,))

    def one(self, at: Integers) -> Integers:
        """Read bytes."""
        return self.data.take(at, mode="clip").astype(np.int64)

    def two(self, at: Integers) -> Integers:
        """Read 16-bit numbers."""
        numbers: Integers = self.records(at, _TWO)["number"].astype(np.int64)
        return numbers


@dataclass
class Network:
    """IP headers of some frames: `frame` says which; positions are bytes of the piece.

    `sound` ones can be read; of a `fragment`, its packet's beginning is elsewhere.
    """

    frame: Integers
    version: Numbers
    header: Records
    at: Integers
    end: Integers
    transport: Integers
    protocol: Numbers
    stop: Integers
    ttl: Numbers
    ip_id: Numbers
    length: Integers
    fragment: Truths
    sound: Truths

    def pick(self, which: Truths | Integers) -> Network:
        """Keep some of the headers."""
        if which.dtype == np.bool_:
            if which.all():
                return self
            which = np.flatnonzero(which)
        return Network(**{name: column[which] for name, column in vars(self).items()})

    def put(self, which: Integers, other: Network) -> None:
        """Put others in the place of some of the headers."""
        for name, column in vars(other).items():
            vars(self)[name][which] = column

    def addresses(self, side: str) -> tuple[Words, Words]:
        """Give `source` or `destination` addresses as two halves."""
        low = self.header[side] | np.uint64(MAPPED)
        high = np.zeros(len(low), dtype=np.uint64)
        six = np.flatnonzero(self.version == 6)
        if len(six):
            headers = self.header[six]
            high[six], low[six] = headers[f"{side}6"], headers[f"{side}6_low"]
        return high, low


def network_at(read: Bytes, frame: Integers, version: Numbers, at: Integers, end: Integers) -> Network:
    """Read the IP headers that begin at some positions of frames that end at others."""
    header = read.records(at, _IP, frame)
    first = header["first"]
    size = (first & np.uint8(15)).astype(np.int64) * 4
    total, offset = header["total"].astype(np.int64), header["offset"] & np.uint16(0x1FFF)
    network = Network(
        frame=frame,
        version=version,
        header=header,
        at=at,
        end=end,
        transport=at + size,
        protocol=header["protocol"].copy(),
        stop=at + total,
        ttl=header["ttl"].copy(),
        ip_id=header["ident"].astype(np.int32),
        length=total,
        fragment=offset > 0,
        sound=(size >= 20) & (at + size <= end) & ((total == 0) | (total >= size)) & (first >> 4 == 4),
    )
    six = np.flatnonzero(version == 6)
    if len(six):
        network.put(six, _six(read, network.pick(six)))
    return network


def _six(read: Bytes, four: Network) -> Network:
    """Read headers that were taken for IPv4 as IPv6."""
    header, at, end = four.header, four.at, four.end
    total = header["total6"].astype(np.int64)
    sound = (header["first"] >> 4 == 6) & (at + 40 <= end)
    transport, protocol, fragment = _extensions(read, at + 40, header["next6"].copy(), end)
    length = np.where(total == 0, 0, total + 40)
    return Network(
        four.frame,
        four.version,
        header,
        at,
        end,
        transport,
        protocol,
        at + length,
        header["hops6"].copy(),
        np.full(len(at), -1, dtype=np.int32),
        length,
        fragment,
        sound,
    )


def _extensions(
    read: Bytes, at: Integers, protocol: Numbers, end: Integers
) -> tuple[Integers, Numbers, Truths]:
    """Pass over IPv6 extension headers (RFC 8200 section 4): where they end, what follows, whether it is a rest."""
    fragment = np.zeros(len(at), dtype=np.bool_)
    for _ in range(_EXTENSIONS_MOST):
        inside = np.isin(protocol, _EXTENSIONS) & (at + 8 <= end) & ~fragment
        if not inside.any():
            break
        header = read.records(at, _EXTENSION)
        size, is_fragment = header["size"].astype(np.int64), protocol == _FRAGMENT
        fragment |= inside & is_fragment & (header["offset"] >> 3 > 0)
        size = np.where(is_fragment, 8, np.where(protocol == _AUTHENTICATION, (size + 2) * 4, (size + 1) * 8))
        protocol = np.where(inside, header["next"], protocol)
        at = np.where(inside, at + size, at)
    return at, protocol, fragment
