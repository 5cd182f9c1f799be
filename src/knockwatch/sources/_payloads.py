"""Facts of payloads: length, entropy, alphabet and first bytes, for many at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from knockwatch.sources._capture_files import Integers
from knockwatch.sources._network_headers import Truths
from knockwatch.sources._packets import Packets

HEAD_BYTES = 32
_AT_ONCE = 2_048
"""Payloads whose bytes are counted together: 256 counters each."""
_LONGEST = 65_536

_HEX = b"0123456789abcdefABCDEF"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n"


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
    captured: Integers
    length: Integers

    @property
    def present(self) -> Truths:
        """Which packets have one."""
        return self.length > 0

    def facts(self, chosen: Integers) -> dict[str, npt.NDArray[Any]]:
        """Give the facts of chosen packets' payloads; -1 chooses none. Bytes that were not captured do not count."""
        size = len(chosen)
        length = (
            np.where(chosen >= 0, self.length[chosen], 0) if len(self.length) else np.zeros(size, np.int64)
        )
        entropy, alphabet = np.zeros(size), np.zeros(size, dtype=np.int8)
        head, head_length = np.zeros((size, HEAD_BYTES), dtype=np.uint8), np.zeros(size, dtype=np.int64)
        there = np.flatnonzero((chosen >= 0) & (length > 0))
        there = there[self.captured[chosen[there]] > 0]
        for begin in range(0, len(there), _AT_ONCE):
            part = there[begin : begin + _AT_ONCE]
            at, captured = self.at[chosen[part]], np.minimum(self.captured[chosen[part]], _LONGEST)
            counts = self._counts(at, captured)
            entropy[part] = _entropy(counts, captured)
            alphabet[part] = _alphabet(counts, captured)
            columns = np.arange(HEAD_BYTES)
            inside = columns < captured[:, None]
            head[part] = np.where(inside, self.data.take(at[:, None] + columns, mode="clip"), 0)
            head_length[part] = np.minimum(captured, HEAD_BYTES)
        return {
            "payload_length": length,
            "payload_entropy": entropy,
            "payload_alphabet": alphabet,
            "payload_head": head,
            "payload_head_length": head_length,
        }

    def _counts(self, at: Integers, captured: Integers) -> Integers:
        """Count each payload's bytes by their values."""
        row = np.repeat(np.arange(len(at)), captured)
        inside = np.arange(len(row)) - np.repeat(np.cumsum(captured) - captured, captured)
        value = self.data[np.repeat(at, captured) + inside]
        return np.bincount(row * 256 + value, minlength=len(at) * 256).reshape(len(at), 256)


def payloads_of(data: npt.NDArray[np.uint8], packets: Packets) -> Payloads:
    """Give the payloads of packets."""
    return Payloads(data, packets.payload_at, packets.payload_captured, packets.payload_length)


def _entropy(counts: Integers, total: Integers) -> npt.NDArray[np.float64]:
    """Give Shannon's entropy in bits a byte."""
    share = counts / total[:, None]
    logarithm = np.log2(share, out=np.zeros_like(share), where=share > 0)
    bits: npt.NDArray[np.float64] = np.abs((share * logarithm).sum(axis=1))
    return bits


def _alphabet(counts: Integers, total: Integers) -> npt.NDArray[np.int8]:
    """Tell the narrowest alphabet that holds all bytes, as a number of `Payloads.ALPHABETS`."""
    found = np.full(len(total), 4, dtype=np.int8)
    for number, alphabet in ((3, _PRINTABLE), (2, _BASE64), (1, _HEX)):
        found[counts[:, list(alphabet)].sum(axis=1) == total] = number
    return found
