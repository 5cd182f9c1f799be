"""KEY=VALUE pairs in a column of texts, found in one pass over its bytes. It knows no keys of its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

Integers = npt.NDArray[np.int64]
Positions = npt.NDArray[np.int64]

_BLANK = 32
_EQUALS = ord("=")
_DIGITS_MAX = 18
"""Longest run of digits that certainly fits 64 bits."""


class Pairs:
    """The pairs of many texts.

    A regular expression per key would read every text once for each key. Here all ``=`` are found once, the four
    bytes before each are compared as one number, and values are cut out where they are wanted.

    Parameters
    ----------
    texts
        Strings without newlines; keys stand at their start or after a blank.
    """

    def __init__(self, texts: pl.Series) -> None:
        # A newline before each text keeps a key at its start from touching the text before.
        framed = ("\n" + texts.fill_null("")).rename("text")
        arrow = framed.to_arrow(compat_level=pl.CompatLevel.oldest())
        offsets = np.frombuffer(arrow.buffers()[1], dtype=np.int64)
        self._starts: Positions = offsets[arrow.offset : arrow.offset + len(arrow)]
        body = arrow.buffers()[2]
        self._bytes: npt.NDArray[np.uint8] = np.frombuffer(
            body.to_pybytes() + b"\n" if body is not None else b"\n", dtype=np.uint8
        )
        self._binary = framed.cast(pl.Binary)
        self.height = len(texts)
        equals = np.flatnonzero(self._bytes == _EQUALS)
        self._equals: Positions = equals[equals >= 4]
        words = np.ndarray(
            (max(len(self._bytes) - 3, 0),), dtype="<u4", buffer=self._bytes, strides=(1,)
        )
        self._words = words[self._equals - 4]
        first = np.searchsorted(self._equals, self._starts)
        counts = np.diff(np.append(first, len(self._equals)))
        self._text_of = np.repeat(np.arange(self.height), counts)
        self._blanks: Positions | None = None
        self._limit: Positions | None = None

    def stop_before(self, bracketed: str) -> None:
        """Ignore, in each text, everything from ``[KEY=`` on: a packet quoted within a packet."""
        found = self._find(f"[{bracketed}", boundary=False)
        limit = np.full(self.height, len(self._bytes), dtype=np.int64)
        limit[self._text_of[found][::-1]] = self._equals[found][::-1]
        self._limit = limit

    def at(self, key: str, *, last: bool = False) -> Positions:
        """Find where each text's value of a key begins: the first (or last) one; -1 where there is none."""
        found = self._find(key)
        if self._limit is not None:
            found = found[self._equals[found] < self._limit[self._text_of[found]]]
        if not last:
            found = found[::-1]
        where = np.full(self.height, -1, dtype=np.int64)
        # The last assignment to an index wins.
        where[self._text_of[found]] = self._equals[found] + 1
        return where

    def integer(self, key: str, *, last: bool = False) -> pl.Series:
        """Read a key's value as a decimal number; null where it is missing, empty or followed by other letters."""
        where = self.at(key, last=last)
        value = np.zeros(self.height, dtype=np.int64)
        present = np.flatnonzero(where >= 0)
        position, number = where[present], np.zeros(len(present), dtype=np.int64)
        length = np.zeros(len(present), dtype=np.int64)
        live = np.arange(len(present))
        for step in range(_DIGITS_MAX + 1):
            digit = self._bytes[position[live] + step].astype(np.int64) - ord("0")
            inside = (digit >= 0) & (digit <= 9)
            live = live[inside]
            if not len(live):
                break
            number[live] = number[live] * 10 + digit[inside]
            length[live] += 1
        ended = self._bytes[np.minimum(position + length, len(self._bytes) - 1)] <= _BLANK
        sound = (length > 0) & (length <= _DIGITS_MAX) & ended
        value[present[sound]] = number[sound]
        valid = np.zeros(self.height, dtype=np.bool_)
        valid[present[sound]] = True
        return pl.Series(value).zip_with(
            pl.Series(valid), pl.Series([None], dtype=pl.Int64).new_from_index(0, self.height)
        )

    def text(self, key: str) -> pl.Series:
        """Read a key's value up to the next blank; null where the key is missing."""
        if self._blanks is None:
            self._blanks = np.flatnonzero(self._bytes <= _BLANK)
        where = self.at(key)
        ends = self._blanks[np.searchsorted(self._blanks, where)]
        return self.cut(where, ends)

    def cut(self, begins: Positions, ends: Positions) -> pl.Series:
        """Cut pieces out of the texts, by positions as `at` gives them; null where a piece begins at -1."""
        offset = np.where(begins >= 0, begins - self._starts, 0)
        length = np.where(begins >= 0, ends - begins, 0)
        pieces = pl.DataFrame({"t": self._binary, "o": offset, "n": length, "b": begins}).select(
            pl.when(pl.col("b") >= 0)
            .then(pl.col("t").bin.slice(pl.col("o"), pl.col("n")))
            .cast(pl.String)
        )
        return pieces.to_series()

    def before(self, key: str) -> pl.Series:
        """Give what stands before a key; null where the key is missing."""
        where = self.at(key)
        return self.cut(np.where(where >= 0, self._starts + 1, -1), where - len(key) - 1)

    def after(self, key: str) -> pl.Series:
        """Give what stands from a key's value on, to the end or to where `stop_before` stops."""
        where = self.at(key)
        ends = np.append(self._starts[1:], len(self._bytes) - 1)
        return self.cut(where, ends if self._limit is None else np.minimum(ends, self._limit))

    def _find(self, key: str, *, boundary: bool = True) -> Positions:
        """Find the indices into `_equals` at which a key ends."""
        name = key.encode()
        tail = name[-4:]
        shift = 8 * (4 - len(tail))
        wanted = np.uint32(int.from_bytes(tail.rjust(4, b"\0"), "little"))
        words = self._words if shift == 0 else self._words >> np.uint32(shift) << np.uint32(shift)
        found = np.flatnonzero(words == wanted)
        start = self._equals[found] - len(name)
        for index, letter in enumerate(name[:-4]):
            found, start = self._keep(found, start, self._bytes[start + index] == letter)
        if boundary:
            found, start = self._keep(found, start, self._bytes[start - 1] <= _BLANK)
        return found

    @staticmethod
    def _keep(
        found: Positions, start: Positions, mask: npt.NDArray[np.bool_]
    ) -> tuple[Positions, Positions]:
        """Keep what a mask selects."""
        return found[mask], start[mask]
