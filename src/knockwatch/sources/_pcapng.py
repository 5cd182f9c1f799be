"""The pcapng format (draft-ietf-opsawg-pcapng): blocks, in sections that each have their own byte order.

Frames are told from their blocks many at a time; what is inside them is not looked at.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from knockwatch.sources._capture_files import (
    LARGEST_FRAME,
    NO_TIME,
    ORDERS,
    SECTION_MAGIC,
    Follow,
    Frames,
    words_at,
)
from knockwatch.sources._record_chains import Chain, Integers, Rule

_LARGEST_BLOCK = LARGEST_FRAME + (1 << 16)
"""Bytes of a block that is waited for: a frame with its options; others (keys, names, custom) are passed over."""
_SECTION, _INTERFACE, _PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_IF_TSRESOL, _IF_TSOFFSET = 9, 14
_LATEST = 1 << 62
_FINEST = 10**13
"""Units in a second beyond which their product with a million does not fit 64 bits."""


@dataclass
class _Interface:
    """What an interface description says: link type, snapshot length, units in a second, offset in seconds."""

    link: int
    snapshot: int
    units: int = 1_000_000
    offset: int = 0

    def microseconds(self, ticks: npt.NDArray[np.uint64]) -> Integers:
        """Turn time stamps into microseconds; `NO_TIME` where they are out of all bounds."""
        if self.units > 1 << 63 or abs(self.offset) > _LATEST // 1_000_000:
            return np.full(len(ticks), NO_TIME, dtype=np.int64)
        units = np.uint64(self.units)
        seconds, rest = ticks // units, ticks % units
        if self.units <= _FINEST:
            fraction = rest * np.uint64(1_000_000) // units
        elif self.units % 1_000_000 == 0:
            fraction = rest // (units // np.uint64(1_000_000))
        else:
            spare = np.uint64(self.units.bit_length() - 41)
            fraction = (rest >> spare) * np.uint64(1_000_000) >> np.uint64(40)
        whole = seconds.astype(np.float64) * 1e6 + self.offset * 1e6
        sound = (whole >= 0) & (whole < _LATEST)
        seconds = np.where(sound, seconds, np.uint64(0))
        times = (seconds.astype(np.int64) + self.offset) * 1_000_000 + fraction.astype(np.int64)
        return np.where(sound, times, NO_TIME)


@dataclass
class Pcapng:
    """Cuts pcapng into frames; see `knockwatch.sources._capture_files.Format`."""

    follow: Follow
    order: str = "<"
    end: int = 0
    problem: str | None = None
    interfaces: list[_Interface] = field(default_factory=list)

    def cut(self, data: npt.NDArray[np.uint8], size: int, before: int) -> Frames:
        """Find the frames in a piece."""
        self.end, found = 0, [np.zeros((5, 0), dtype=np.int64)]
        while self.problem is None and self.end + 12 <= size:
            if data[self.end : self.end + 4].tobytes() == SECTION_MAGIC:
                self.order = ORDERS.get(data[self.end + 8 : self.end + 12].tobytes(), "?")
                self.interfaces = []
            chain = self._section(data, size)
            found += self._frames(data, chain.at)
            if chain.damaged:
                count = before + sum(part.shape[1] for part in found)
                self.problem = f"a block after frame {count} is damaged, and what follows was not read"
            elif not len(chain.at):
                (length,) = struct.unpack_from(self.order + "I", data.data, self.end + 4)
                if length <= _LARGEST_BLOCK:
                    break
                self.end += length
        start, captured, length, time_us, link = np.concatenate(found, axis=1)
        number = np.arange(before + 1, before + len(start) + 1, dtype=np.int64)
        return Frames(data, start, captured, length, time_us, link, number)

    def _section(self, data: npt.NDArray[np.uint8], size: int) -> Chain:
        """Follow the blocks from `end` to where the next section begins."""
        if self.order == "?":
            return Chain(np.zeros(0, dtype=np.int64), self.end, damaged=True)
        rule = Rule(self.order, 4, 0, 12, 0xFFFFFFFF, 4, _ENHANCED, 0)
        chain = self.follow(data, size, self.end, rule)
        kinds = words_at(data, chain.at, self.order, 1)[0]
        later = np.flatnonzero((kinds == _SECTION) & (chain.at > self.end))
        if len(later):
            # What follows may be in the other byte order, and was not to be followed in this one.
            chain = Chain(chain.at[: later[0]], int(chain.at[later[0]]), damaged=False)
        self.end = chain.end
        return chain

    def _frames(self, data: npt.NDArray[np.uint8], at: Integers) -> list[Integers]:
        """Read the blocks at some positions: start, captured, length, time and link of the frames."""
        kinds, sizes = words_at(data, at, self.order, 2)
        others = (kinds != _ENHANCED) | (sizes < 32)
        found, begin = list[Integers](), 0
        # Interfaces are known from where they are described on.
        for index in [*np.flatnonzero(others).tolist(), len(at)]:
            found.append(self._enhanced(data, at[begin:index], sizes[begin:index]))
            if index < len(at):
                found += self._other(int(kinds[index]), data, int(at[index]), int(sizes[index]))
            begin = index + 1
        return found

    def _enhanced(self, data: npt.NDArray[np.uint8], at: Integers, sizes: Integers) -> Integers:
        """Read enhanced packet blocks."""
        index, high, low, captured, length = words_at(data, at + 8, self.order, 5)
        ticks = high.astype(np.uint64) << np.uint64(32) | low.astype(np.uint64)
        times, links = np.full((2, len(at)), NO_TIME, dtype=np.int64)
        # Of an interface nobody described, neither time nor link type is known.
        for number in np.unique(index).tolist():
            if number < len(self.interfaces):
                interface, mine = self.interfaces[number], index == number
                times[mine], links[mine] = interface.microseconds(ticks[mine]), interface.link
        return np.stack([at + 28, np.minimum(captured, sizes - 32), length, times, links])

    def _other(self, kind: int, data: npt.NDArray[np.uint8], at: int, size: int) -> list[Integers]:
        """Read a block of another kind; one too short for its fields is passed over."""
        begin, end = at + 8, at + size - 4
        if kind == _PACKET and end - begin >= 20:
            index, _, high, low, captured, length = struct.unpack_from(self.order + "HH4I", data.data, begin)
            time_us, link = NO_TIME, NO_TIME
            if index < len(self.interfaces):
                interface = self.interfaces[index]
                link = interface.link
                (time_us,) = interface.microseconds(np.array([high << 32 | low], dtype=np.uint64))
            frame = (begin + 20, min(captured, end - begin - 20), length, time_us, link)
        elif kind == _SIMPLE and end - begin >= 4:
            (length,) = struct.unpack_from(self.order + "I", data.data, begin)
            interface = self.interfaces[0] if self.interfaces else _Interface(NO_TIME, 0)
            captured = min(length, end - begin - 4, interface.snapshot or length)
            frame = (begin + 4, captured, length, NO_TIME, interface.link)
        else:
            if kind == _INTERFACE and end - begin >= 8:
                self.interfaces.append(self._described(data[begin:end].tobytes()))
            return []
        return [np.array(frame, dtype=np.int64).reshape(5, 1)]

    def _described(self, body: bytes) -> _Interface:
        """Read an interface description and the options that concern time."""
        link, _, snapshot = struct.unpack_from(self.order + "HHI", body)
        interface, position = _Interface(link, snapshot), 8
        while position + 4 <= len(body):
            code, size = struct.unpack_from(self.order + "HH", body, position)
            value = body[position + 4 : position + 4 + size]
            if code == _IF_TSRESOL and value:
                exponent = value[0] & 0x7F
                interface.units = 2**exponent if value[0] & 0x80 else 10**exponent
            elif code == _IF_TSOFFSET and len(value) == 8:
                (interface.offset,) = struct.unpack(self.order + "q", value)
            elif code == 0:
                break
            position += 4 + (size + 3) // 4 * 4
        return interface
