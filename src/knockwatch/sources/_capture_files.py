"""Capture files, pcap and pcapng, to frames: where each begins, how long it was, when, on what kind of link.

Nothing here looks into a frame. A file is read in pieces, so memory does not grow with it.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from knockwatch.sources._record_chains import Chain, Integers, Rule, follow

LARGEST_FRAME = 262_144
"""Bytes: the largest snapshot that libpcap takes (MAXIMUM_SNAPLEN); a record that says more is damaged."""
MARGIN = 65_536 + 256
"""Zero bytes behind a piece: what is cut can be looked at before it is judged, and payloads be laid side by side."""
NO_TIME = -1
Follow = Callable[[npt.NDArray[np.uint8], int, int, Rule], Chain]
"""How chains of records are followed; see `knockwatch.sources._record_chains.follow`."""

_PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000, 16),
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000, 16),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000, 16),
    b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000, 16),
    b"\x34\xcd\xb2\xa1": ("<", 1_000_000, 24),
    b"\xa1\xb2\xcd\x34": (">", 1_000_000, 24),
}
"""Magic bytes to byte order, units in a second and length of a record's header (the last two: Kuznetzov's libpcap)."""
_PCAP_HEADER = 24
_BUFFERS = 2
"""Pieces looked at while another one is read."""
_SPAN = 1 << 17
"""Seconds within which the times of most records near each other lie."""
SECTION_MAGIC = b"\x0a\x0d\x0d\x0a"
ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
"""A pcapng section's magic bytes to its byte order."""


@dataclass(frozen=True)
class Frames:
    """Frames of one piece of a capture.

    Parameters
    ----------
    data
        The piece's bytes, with `MARGIN` zeros behind them.
    start, captured, length
        Where each frame begins in `data`, how many bytes of it are there, and how many it had on the wire.
    time_us
        When, in microseconds UTC; `NO_TIME` where the record has none.
    link
        Its link type (www.tcpdump.org/linktypes.html).
    number
        Its number in the file, from 1.
    """

    data: npt.NDArray[np.uint8]
    start: Integers
    captured: Integers
    length: Integers
    time_us: Integers
    link: Integers
    number: Integers


class Format(Protocol):
    """A kind of capture file.

    Attributes
    ----------
    end
        Up to where the frames go that `cut` found last; past the piece where what comes next is passed over.
    problem
        A sentence on why nothing more can be read; None if something can.
    """

    end: int
    problem: str | None

    def cut(self, data: npt.NDArray[np.uint8], size: int, before: int) -> Frames:
        """Find the frames in the first `size` bytes of a piece; `before` came in earlier ones."""


def is_capture(head: bytes) -> bool:
    """Tell a capture by its first bytes."""
    if head[:4] in _PCAP:
        return len(head) >= _PCAP_HEADER
    return head[:4] == SECTION_MAGIC and head[8:12] in ORDERS


class _Buffers:
    """Memory for pieces, used again once nobody looks at it: to get it anew costs as much as to fill it."""

    def __init__(self) -> None:
        self._held: list[npt.NDArray[np.uint8]] = []

    def joined(self, *parts: bytes | memoryview) -> npt.NDArray[np.uint8]:
        """Join bytes, with `MARGIN` zeros behind them."""
        size = sum(len(part) for part in parts)
        whole = self._free(size + MARGIN)
        begin = 0
        for part in parts:
            whole[begin : begin + len(part)] = np.frombuffer(part, dtype=np.uint8)
            begin += len(part)
        whole[size : size + MARGIN] = 0
        return whole[: size + MARGIN]

    def _free(self, size: int) -> npt.NDArray[np.uint8]:
        """Find memory that is large enough, and that nobody else refers to."""
        for place in range(len(self._held)):
            # One reference is the list's, one is the call's.
            if len(self._held[place]) >= size and sys.getrefcount(self._held[place]) == 2:
                return self._held[place]
        self._held = [*self._held[-_BUFFERS:], np.empty(size + size // 8, dtype=np.uint8)]
        return self._held[-1]


@dataclass
class CaptureReader:
    """Cuts the bytes of a capture into frames.

    Attributes
    ----------
    follow
        Follows its records.
    frames
        How many have been found.
    problem
        A sentence on why reading stopped before the end; None if it did not.
    """

    follow: Follow = follow
    frames: int = 0
    problem: str | None = None
    _rest: bytes = b""
    _skip: int = 0
    _format: Format | None = field(default=None, repr=False)
    _buffers: _Buffers = field(default_factory=_Buffers, repr=False)

    def read(self, chunks: Iterator[bytes]) -> Iterator[Frames]:
        """Read frames piece by piece."""
        for chunk in chunks:
            if self._skip >= len(chunk):
                self._skip -= len(chunk)
                continue
            size = len(self._rest) + len(chunk) - self._skip
            data = self._buffers.joined(self._rest, memoryview(chunk)[self._skip :])
            self._skip = 0
            if self._format is None and size >= _PCAP_HEADER:
                self._format = _format_of(data[:_PCAP_HEADER].tobytes(), self.follow)
                if self._format is None:
                    break
            if self._format is None:
                self._rest = data[:size].tobytes()
                continue
            found = self._format.cut(data, size, self.frames)
            self.frames += len(found.start)
            yield found
            self.problem = self._format.problem
            if self.problem:
                return
            self._rest = data[self._format.end : size].tobytes()
            self._skip = max(self._format.end - size, 0)
        if self._format is None:
            self.problem = "this is no capture: it does not begin as pcap or pcapng do"
        elif self._rest or self._skip:
            self.problem = f"the capture breaks off within the record after frame {self.frames}"


def _format_of(head: bytes, follow: Follow) -> Format | None:
    """Tell the format of a file that begins so, whose records are followed so."""
    if head[:4] in _PCAP:
        order, units, header = _PCAP[head[:4]]
        (network,) = struct.unpack_from(order + "I", head, 20)
        # Above the link type stand the length of a frame check sequence and whether there is one.
        return _Pcap(order, units, header, network & 0xFFFF, follow)
    from knockwatch.sources._pcapng import Pcapng

    return Pcapng(follow) if head[:4] == SECTION_MAGIC and head[8:12] in ORDERS else None


@dataclass
class _Pcap:
    """The pcap format (draft-ietf-opsawg-pcap): one header, then records one after the other."""

    order: str
    units: int
    header: int
    link: int
    follow: Follow
    end: int = _PCAP_HEADER
    problem: str | None = None
    _begun: bool = False

    def cut(self, data: npt.NDArray[np.uint8], size: int, before: int) -> Frames:
        """Find the frames in a piece."""
        begin = 0 if self._begun else _PCAP_HEADER
        self._begun = True
        (now,) = struct.unpack_from(self.order + "I", data.data, begin)
        rule = Rule(self.order, 8, self.header, 0, LARGEST_FRAME, 1, now, _SPAN)
        chain = self.follow(data, size, begin, rule)
        self.end, at = chain.end, chain.at
        if chain.damaged:
            (captured,) = struct.unpack_from(self.order + "I", data.data, chain.end + 8)
            self.problem = (
                f"frame {before + len(at) + 1} says it has {captured} bytes: the capture is damaged there, "
                "and what follows was not read"
            )
        seconds, fraction, captured, length = words_at(data, at, self.order, 4)
        return Frames(
            data,
            at + self.header,
            captured,
            length,
            seconds * 1_000_000 + fraction // (self.units // 1_000_000),
            np.full(len(at), self.link, dtype=np.int64),
            np.arange(before + 1, before + len(at) + 1, dtype=np.int64),
        )


def words_at(data: npt.NDArray[np.uint8], at: Integers, order: str, count: int) -> Integers:
    """Read `count` 32-bit numbers at each of many positions; a row for each of the numbers."""
    pieces = np.ndarray((len(data) - 4 * count + 1,), f"V{4 * count}", data, 0, (1,))[at]
    words: Integers = pieces.view(order + "u4").reshape(len(at), count).T.astype(np.int64)
    return words
