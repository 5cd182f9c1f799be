"""Capture files, pcap and pcapng, to frames: where each begins, how long it was, when, on what kind of link.

Nothing here looks into a frame. A file is read in pieces, so memory does not grow with it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

LARGEST_FRAME = 262_144
"""Bytes: the largest snapshot that libpcap takes (MAXIMUM_SNAPLEN); a record that says more is damaged."""
_LARGEST_BLOCK = LARGEST_FRAME + (1 << 16)
"""Bytes of a pcapng block that is read: a frame with its options; others (keys, names, custom) are passed over."""
MARGIN = 256
"""Zero bytes behind a piece, so that fields of a frame that is cut can be looked at before they are judged."""
NO_TIME = -1

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
_SECTION, _INTERFACE, _PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_SECTION_MAGIC = b"\x0a\x0d\x0d\x0a"
_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_IF_TSRESOL, _IF_TSOFFSET = 9, 14


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


def is_capture(head: bytes) -> bool:
    """Tell a capture by its first bytes."""
    if head[:4] in _PCAP:
        return len(head) >= _PCAP_HEADER
    return head[:4] == _SECTION_MAGIC and head[8:12] in _ORDERS


@dataclass
class CaptureReader:
    """Cuts the bytes of a capture into frames.

    Attributes
    ----------
    frames
        How many have been found.
    problem
        A sentence on why reading stopped before the end; None if it did not.
    """

    frames: int = 0
    problem: str | None = None
    _rest: bytes = b""
    _skip: int = 0
    _format: _Pcap | _Pcapng | None = field(default=None, repr=False)

    def read(self, chunks: Iterator[bytes]) -> Iterator[Frames]:
        """Read frames piece by piece."""
        for chunk in chunks:
            if self._skip >= len(chunk):
                self._skip -= len(chunk)
                continue
            data = self._rest + chunk[self._skip :] if self._rest or self._skip else chunk
            self._skip = 0
            if self._format is None and len(data) >= _PCAP_HEADER:
                self._format = _format_of(data)
            if self._format is None:
                if len(data) >= _PCAP_HEADER:
                    break
                self._rest = data
                continue
            found = self._format.cut(data, self.frames)
            self.frames += len(found.start)
            yield found
            self.problem = self._format.problem
            if self.problem:
                return
            self._rest = data[self._format.end :]
            if self._format.end > len(data):
                self._skip = self._format.end - len(data)
        if self._format is None:
            self.problem = "this is no capture: it does not begin as pcap or pcapng do"
        elif self._rest or self._skip:
            self.problem = f"the capture breaks off within the record after frame {self.frames}"


def _format_of(data: bytes) -> _Pcap | _Pcapng | None:
    """Tell the format of a file that begins so."""
    if data[:4] in _PCAP and len(data) >= _PCAP_HEADER:
        order, units, header = _PCAP[data[:4]]
        (network,) = struct.unpack_from(order + "I", data, 20)
        # Above the link type stand the length of a frame check sequence and whether there is one.
        return _Pcap(order, units, header, network & 0xFFFF)
    return _Pcapng() if data[:4] == _SECTION_MAGIC and data[8:12] in _ORDERS else None


@dataclass
class _Pcap:
    """The pcap format (draft-ietf-opsawg-pcap): one header, then records one after the other."""

    order: str
    units: int
    header: int
    link: int
    end: int = _PCAP_HEADER
    problem: str | None = None
    _begun: bool = False

    def cut(self, data: bytes, before: int) -> Frames:
        """Find the frames in a piece; `end` says up to where they go."""
        position = 0 if self._begun else _PCAP_HEADER
        self._begun = True
        header, last, found = self.header, len(data) - self.header, list[int]()
        captured_at = struct.Struct(self.order + "I").unpack_from
        while position <= last:
            (captured,) = captured_at(data, position + 8)
            if captured > LARGEST_FRAME:
                self.problem = (
                    f"frame {before + len(found) + 1} says it has {captured} bytes: the capture is damaged there, "
                    "and what follows was not read"
                )
                break
            found.append(position)
            position += header + captured
        if found and position > len(data):
            position = found.pop()
        self.end = position
        bytes_ = _padded(data)
        at = np.array(found, dtype=np.int64)
        # The four fields of every header, gathered at once.
        fields = bytes_[at[:, None] + np.arange(16)].view(self.order + "u4").astype(np.int64)
        seconds, fraction, captured_bytes, length = fields.T
        return Frames(
            bytes_,
            at + header,
            captured_bytes,
            length,
            seconds * 1_000_000 + fraction // (self.units // 1_000_000),
            np.full(len(at), self.link, dtype=np.int64),
            np.arange(before + 1, before + len(at) + 1, dtype=np.int64),
        )


@dataclass
class _Interface:
    """What a pcapng interface description says: link type, snapshot length, units in a second, offset in seconds."""

    link: int
    snapshot: int
    units: int = 1_000_000
    offset: int = 0

    def microseconds(self, ticks: int) -> int:
        """Turn a time stamp into microseconds."""
        return self.offset * 1_000_000 + ticks * 1_000_000 // self.units


@dataclass
class _Pcapng:
    """The pcapng format (draft-ietf-opsawg-pcapng): blocks, in sections that each have their own byte order."""

    order: str = "<"
    end: int = 0
    problem: str | None = None
    interfaces: list[_Interface] = field(default_factory=list)
    _found: list[tuple[int, int, int, int, int]] = field(default_factory=list)

    def cut(self, data: bytes, before: int) -> Frames:
        """Find the frames in a piece; `end` says up to where they go."""
        position, frames = 0, self._found
        frames.clear()
        while position + 12 <= len(data):
            if data[position : position + 4] == _SECTION_MAGIC:
                self.order = _ORDERS.get(data[position + 8 : position + 12], "?")
                self.interfaces = []
            if self.order == "?":
                size = 0
            else:
                kind, size = struct.unpack_from(self.order + "II", data, position)
            if size < 12 or size % 4:
                self.problem = (
                    f"a block after frame {before + len(frames)} is damaged, and what follows was not read"
                )
                break
            if position + size > len(data) and size <= _LARGEST_BLOCK:
                break
            if position + size <= len(data):
                self._block(kind, data, position + 8, position + size - 4)
            position += size
        self.end = position
        table = np.array(frames, dtype=np.int64).reshape(len(frames), 5)
        start, captured, length, time_us, link = table.T
        number = np.arange(before + 1, before + len(frames) + 1, dtype=np.int64)
        return Frames(_padded(data), start, captured, length, time_us, link, number)

    def _block(self, kind: int, data: bytes, begin: int, end: int) -> None:
        """Read a block's body, from `begin` to `end`; one too short for its fields is passed over."""
        if kind == _ENHANCED and end - begin >= 20:
            index, high, low, captured, length = struct.unpack_from(self.order + "5I", data, begin)
            self._frame(index, high << 32 | low, begin + 20, min(captured, end - begin - 20), length)
        elif kind == _PACKET and end - begin >= 20:
            index, _, high, low, captured, length = struct.unpack_from(self.order + "HH4I", data, begin)
            self._frame(index, high << 32 | low, begin + 20, min(captured, end - begin - 20), length)
        elif kind == _SIMPLE and end - begin >= 4:
            (length,) = struct.unpack_from(self.order + "I", data, begin)
            limit = self.interfaces[0].snapshot if self.interfaces else 0
            captured = min(length, end - begin - 4, limit or length)
            self._frame(0, None, begin + 4, captured, length)
        elif kind == _INTERFACE and end - begin >= 8:
            self.interfaces.append(self._described(data, begin, end))

    def _frame(self, index: int, ticks: int | None, start: int, captured: int, length: int) -> None:
        """Note a frame; of an interface nobody described, neither time nor link type is known."""
        if index >= len(self.interfaces):
            self._found.append((start, captured, length, NO_TIME, NO_TIME))
            return
        interface = self.interfaces[index]
        time_us = NO_TIME if ticks is None else interface.microseconds(ticks)
        self._found.append(
            (start, captured, length, time_us if 0 <= time_us < 1 << 62 else NO_TIME, interface.link)
        )

    def _described(self, data: bytes, begin: int, end: int) -> _Interface:
        """Read an interface description and the options that concern time."""
        link, _, snapshot = struct.unpack_from(self.order + "HHI", data, begin)
        interface, position = _Interface(link, snapshot), begin + 8
        while position + 4 <= end:
            code, size = struct.unpack_from(self.order + "HH", data, position)
            value = data[position + 4 : min(position + 4 + size, end)]
            if code == _IF_TSRESOL and value:
                exponent = value[0] & 0x7F
                interface.units = max(1, 2**exponent if value[0] & 0x80 else 10**exponent)
            elif code == _IF_TSOFFSET and len(value) == 8:
                (interface.offset,) = struct.unpack(self.order + "q", value)
            elif code == 0:
                break
            position += 4 + (size + 3) // 4 * 4
        return interface


def _padded(data: bytes) -> npt.NDArray[np.uint8]:
    """Give bytes as an array with `MARGIN` zeros behind them."""
    padded = np.zeros(len(data) + MARGIN, dtype=np.uint8)
    padded[: len(data)] = np.frombuffer(data, dtype=np.uint8)
    return padded
