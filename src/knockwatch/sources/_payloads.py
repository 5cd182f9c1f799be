"""Facts of payloads: length, entropy, alphabet and first bytes, for many at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from knockwatch.sources._capture_files import MARGIN
from knockwatch.sources._network_headers import Numbers, Truths
from knockwatch.sources._packets import Packets
from knockwatch.sources._record_chains import Integers

HEAD_BYTES = 32
_AT_ONCE = 65_536
"""Bytes that are counted together: they and the counters of their payloads fit a processor's cache."""
_COUNTERS = 256
LONGEST = MARGIN - 256
"""Bytes of a payload that are looked at."""
_UNIT = float(1 << 40)
"""Parts of one in which `xlogx` counts: sums of whole numbers are the same in any order, and these fit 64 bits."""
FACTS = ("payload_length", "payload_entropy", "payload_alphabet", "payload_head", "payload_head_length")

_LETTERS = {
    1: b"0123456789abcdefABCDEF",
    2: b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=",
    3: bytes(range(0x20, 0x7F)) + b"\t\r\n",
}
"""What belongs to an alphabet of `Payloads.ALPHABETS`."""


@dataclass(frozen=True)
class Payloads:
    """Where the payloads of some packets are.

    Parameters
    ----------
    data
        Bytes of the piece.
    at, captured, length
        Where each begins, how much of it is there, how long it was.
    """

    ALPHABETS: ClassVar[dict[int, str]] = {1: "hex", 2: "base64", 3: "printable", 4: "binary"}
    """Narrowest first: all hexadecimal text is base64 too, and all base64 is printable."""

    data: npt.NDArray[np.uint8]
    at: Integers
    captured: Numbers
    length: Numbers

    @property
    def present(self) -> Truths:
        """Which packets have one."""
        return self.length > 0

    def facts(self, chosen: Integers) -> dict[str, npt.NDArray[Any]]:
        """Give the facts of chosen packets' payloads; -1 chooses none. Bytes that were not captured do not count."""
        size = len(chosen)
        facts: dict[str, npt.NDArray[Any]] = {
            "payload_length": np.zeros(size, dtype=np.int64),
            "payload_entropy": np.zeros(size),
            "payload_alphabet": np.zeros(size, dtype=np.int8),
            "payload_head": np.zeros((size, HEAD_BYTES), dtype=np.uint8),
            "payload_head_length": np.zeros(size, dtype=np.int64),
        }
        there = np.flatnonzero(chosen >= 0)
        facts["payload_length"][there] = self.length[chosen[there]]
        at, captured = self.at[chosen[there]], np.minimum(self.captured[chosen[there]], LONGEST)
        # Side by side, payloads are as wide as the longest among them: so they are taken by length.
        order = np.argsort(captured)
        order = order[np.searchsorted(captured[order], 1) :]
        there, at, captured = there[order], at[order], captured[order]
        facts["payload_head"][there] = self._rows(at, captured, HEAD_BYTES)
        facts["payload_head_length"][there] = np.minimum(captured, HEAD_BYTES)
        logarithms, outside = xlogx(int(captured[-1]) if len(captured) else 0), _outside()
        begin = 0
        while begin < len(there):
            width = int(captured[min(begin + _AT_ONCE // _COUNTERS, len(there)) - 1])
            part = slice(begin, begin + max(_AT_ONCE // max(width, _COUNTERS), 1))
            begin, chosen = part.stop, there[part]
            counts = self._counts(at[part], captured[part])
            facts["payload_entropy"][chosen] = entropy(logarithms[counts].sum(axis=1), captured[part])
            facts["payload_alphabet"][chosen] = _alphabet(counts, outside)
        return facts

    def _counts(self, at: Integers, captured: Numbers) -> Integers:
        """Count each payload's bytes by their values; they come by length."""
        width = int(captured[-1])
        values = self._rows(at, captured, width) + np.arange(0, len(at) * _COUNTERS, _COUNTERS)[:, None]
        counts: Integers = np.bincount(values.ravel(), minlength=len(at) * _COUNTERS)
        counts = counts.reshape(len(at), _COUNTERS)
        counts[:, 0] -= width - captured
        return counts

    def _rows(self, at: Integers, captured: Numbers, width: int) -> npt.NDArray[np.uint8]:
        """Lay the first bytes of payloads side by side, zeros behind the last of each."""
        every = np.ndarray((max(len(self.data) - width + 1, 0),), f"V{width}", self.data, 0, (1,))
        rows = every[at].view(np.uint8).reshape(len(at), width)
        if len(at) and captured[0] < width:
            rows *= np.arange(width) < captured[:, None]
        return rows


def payloads_of(data: npt.NDArray[np.uint8], packets: Packets) -> Payloads:
    """Give the payloads of packets."""
    return Payloads(data, packets.payload_at, packets.payload_captured, packets.payload_length)


def xlogx(most: int) -> Integers:
    """Give n * log2(n) of whole numbers up to `most`: with it, Shannon's entropy needs no logarithm of each count."""
    numbers = np.arange(most + 1, dtype=np.float64)
    numbers[1:] *= np.log2(numbers[1:])
    return np.rint(numbers * _UNIT).astype(np.int64)


def entropy(sums: Integers, sizes: Numbers) -> npt.NDArray[np.float64]:
    """Give Shannon's entropy in bits per byte of payloads of some sizes, from the sum of `xlogx` of their counts."""
    bits: npt.NDArray[np.float64] = np.log2(sizes) - sums / (sizes * _UNIT)
    return np.clip(bits, 0, None)


def alphabets() -> npt.NDArray[np.uint8]:
    """Give, for each value of a byte, the narrowest alphabet that it belongs to: each holds the one before."""
    narrowest = np.full(256, max(Payloads.ALPHABETS), dtype=np.uint8)
    for number in sorted(_LETTERS, reverse=True):
        narrowest[list(_LETTERS[number])] = number
    return narrowest


def _outside() -> dict[int, npt.NDArray[np.uint64]]:
    """Give, for each alphabet, the bytes that do not belong to it, as bits of four numbers."""
    values = range(256)
    return {
        number: ~np.packbits([value in letters for value in values]).view(np.uint64)
        for number, letters in _LETTERS.items()
    }


def _alphabet(counts: Integers, outside: dict[int, npt.NDArray[np.uint64]]) -> npt.NDArray[np.int8]:
    """Tell the narrowest alphabet that holds all bytes, as a number of `Payloads.ALPHABETS`."""
    values = np.packbits(counts > 0, axis=1).view(np.uint64)
    found = np.full(len(counts), 4, dtype=np.int8)
    for number in sorted(outside, reverse=True):
        found[~(values & outside[number]).any(axis=1)] = number
    return found
