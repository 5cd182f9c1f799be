"""KEY=VALUE pairs in a column of texts, found in one pass over its bytes. It knows no keys of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Integers = npt.NDArray[np.int64]
Positions = npt.NDArray[np.int64]

_WORD = 4
_BLANK = 32
_EQUALS = ord("=")
_QUOTE, _BACKSLASH = ord('"'), ord("\\")
_DIGITS_MAX = 18
"""Longest run of digits that certainly fits 64 bits."""


class Pairs:
    """The pairs of many texts.

    A regular expression per key would read every text once for each key. Here all ``=`` are found once, the
    four bytes before each are compared as one number, and values are cut out where they are wanted.

    Parameters
    ----------
    texts
        Strings without newlines; keys stand at their start or after a blank.

    Attributes
    ----------
    bytes, starts
        All texts in one buffer, and where each begins: with a newline, the text itself from the next byte on.
        Positions given and taken by the methods refer to this buffer.
    """

    def __init__(self, texts: pl.Series) -> None:
        # A newline before each text keeps a key at its start from touching the text before.
        framed = ("\n" + texts.fill_null("")).rename("text")
        arrow = framed.to_arrow(compat_level=pl.CompatLevel.oldest())
        offsets = np.frombuffer(arrow.buffers()[1], dtype=np.int64)
        begin, end = int(offsets[arrow.offset]), int(offsets[arrow.offset + len(arrow)])
        self.starts: Positions = offsets[arrow.offset : arrow.offset + len(arrow)] - begin + _WORD
        body = arrow.buffers()[2]
        # Newlines around it, so that every ``=`` has a word before it and every value one behind it.
        self.bytes = np.full(end - begin + 2 * _WORD, ord("\n"), dtype=np.uint8)
        if body is not None:
            self.bytes[_WORD:-_WORD] = np.frombuffer(body, dtype=np.uint8)[begin:end]
        self._binary = framed.cast(pl.Binary)
        self.height = len(texts)
        self._equals: Positions = np.flatnonzero(self.bytes == _EQUALS)
        # The four bytes from each byte on, as one number.
        self._every_word = np.ndarray(
            (len(self.bytes) - _WORD + 1,), dtype="<u4", buffer=self.bytes, strides=(1,)
        )
        self._words = self._every_word[self._equals - _WORD]
        first = np.searchsorted(self._equals, self.starts)
        counts = np.diff(np.append(first, len(self._equals)))
        self._text_of = np.repeat(np.arange(self.height), counts)
        self._blanks: Positions | None = None
        self._limit: Positions | None = None
        self._quotes: Positions | None = None

    def skip_quoted(self) -> None:
        """Ignore, in each text, what looks like a pair inside a value in double quotes."""
        # Inside a quotation an odd number of quotes stands between the text's start and a place in it.
        odd = np.zeros(len(self.bytes), dtype=np.uint8)
        odd[self._find_quotes()] = 1
        np.bitwise_xor.accumulate(odd, out=odd)
        outside = odd[self._equals] == odd[self.starts][self._text_of]
        self._equals, self._text_of = self._equals[outside], self._text_of[outside]
        self._words = self._words[outside]

    def stop_before(self, bracketed: str) -> None:
        """Ignore, in each text, everything from ``[KEY=`` on: a packet quoted within a packet."""
        found = self._find(f"[{bracketed}", boundary=False)
        limit = np.full(self.height, len(self.bytes), dtype=np.int64)
        limit[self._text_of[found][::-1]] = self._equals[found][::-1]
        self._limit = limit

    def at(self, key: str, *, last: bool = False, boundary: bool = True) -> Positions:
        """Find where each text's value of a key begins: the first (or last) one; -1 where there is none.

        Without `boundary` the key may follow any letter.
        """
        found = self._find(key, boundary=boundary)
        if self._limit is not None:
            found = found[self._equals[found] < self._limit[self._text_of[found]]]
        if not last:
            found = found[::-1]
        where = np.full(self.height, -1, dtype=np.int64)
        # The last assignment to an index wins.
        where[self._text_of[found]] = self._equals[found] + 1
        return where

    def integer(self, key: str, *, last: bool = False) -> pl.Series:
        """Read a key's value as a decimal number; null where it is missing or is no number."""
        where = self.at(key, last=last)
        if not (where >= 0).any():
            return pl.Series([None], dtype=pl.Int64).new_from_index(0, self.height)
        value, ends = self.number(where)
        whole = self.bytes[np.maximum(ends, 0)] <= _BLANK
        return nullable(value, (ends >= 0) & whole)

    def number(self, where: Positions) -> tuple[Integers, Positions]:
        """Read the digits that begin at some positions (-1: none).

        Returns
        -------
        tuple
            The numbers, and where each ends; -1 where there are no digits, or too many.
        """
        present = np.flatnonzero(where >= 0)
        position, number = where[present], np.zeros(len(present), dtype=np.int64)
        length = np.zeros(len(present), dtype=np.int64)
        live = np.arange(len(present))
        last = len(self.bytes) - 1
        for step in range(_DIGITS_MAX + 1):
            digit = self.bytes[np.minimum(position[live] + step, last)] - np.uint8(ord("0"))
            inside = digit <= 9
            live, digit = live[inside], digit[inside]
            if not len(live):
                break
            number[live] = number[live] * 10 + digit
            length[live] += 1
        sound = (length > 0) & (length <= _DIGITS_MAX)
        value = np.zeros(self.height, dtype=np.int64)
        ends = np.full(self.height, -1, dtype=np.int64)
        value[present], ends[present] = number, np.where(sound, position + length, -1)
        return value, ends

    def filled(self, key: str, *, boundary: bool = True) -> npt.NDArray[np.bool_]:
        """Say which texts have a value of a key that is not empty."""
        where = self.at(key, boundary=boundary)
        return np.asarray((where >= 0) & (self.bytes[where] > _BLANK))

    def word(self, key: str, words: Sequence[str]) -> pl.Series:
        """Read values of which nearly all are one of a few words of at most four letters; null where missing."""
        where = self.at(key)
        ends = np.maximum(where, 0)
        letters = self._every_word[ends]
        codes = np.full(self.height, len(words), dtype=np.int64)
        for code, word in enumerate(words):
            number = np.uint32(int.from_bytes(word.encode().ljust(_WORD), "little"))
            known = (letters == number) & (
                self.bytes[np.minimum(ends + len(word), len(self.bytes) - 1)] <= _BLANK
            )
            codes[known] = code
        codes[where < 0] = len(words) + 1
        values = pl.Series([*words, None, None]).gather(codes)
        if not (codes == len(words)).any():
            return values
        others = self.cut(where, self.blank(where))
        return values.zip_with(pl.Series(codes != len(words)), others)

    def text(self, key: str, *, boundary: bool = True) -> pl.Series:
        """Read a key's value up to the next blank; null where the key is missing."""
        where = self.at(key, boundary=boundary)
        return self.cut(where, self.blank(where))

    def quoted(self, key: str) -> pl.Series:
        """Read a key's value, in double quotes that are no part of it, or else up to the next blank."""
        where = self.at(key)
        inside = (where >= 0) & (self.bytes[where] == _QUOTE)
        begins = where + inside
        ends = np.empty_like(where)
        ends[~inside] = self.blank(where[~inside])
        if inside.any():
            # Where the quotation is cut the text ends it.
            closing = np.append(self._find_quotes(), len(self.bytes))
            following = closing[np.searchsorted(closing, begins[inside])]
            ends[inside] = np.minimum(following, self.ends()[inside])
        return self.cut(begins, ends)

    def _find_quotes(self) -> Positions:
        """Find the double quotes that no backslash stands before."""
        if self._quotes is None:
            quotes = np.flatnonzero(self.bytes == _QUOTE)
            self._quotes = quotes[self.bytes[quotes - 1] != _BACKSLASH]
        return self._quotes

    def blank(self, where: Positions) -> Positions:
        """Find the first blank, newline or control character from some positions on."""
        if self._blanks is None:
            self._blanks = np.flatnonzero(self.bytes <= _BLANK)
        return self._blanks[np.searchsorted(self._blanks, where)]

    def cut(self, begins: Positions, ends: Positions) -> pl.Series:
        """Cut pieces out of the texts, by positions as `at` gives them; null where a piece begins at -1."""
        present = begins >= 0
        frame = pl.DataFrame(
            {
                "text": self._binary,
                "offset": np.where(present, begins - self.starts, 0),
                "length": np.where(present, np.maximum(ends - begins, 0), 0),
            }
        )
        pieces = frame.select(
            pl.col("text").bin.slice(pl.col("offset"), pl.col("length")).cast(pl.String)
        ).to_series()
        if present.all():
            return pieces
        return (
            pl.DataFrame({"piece": pieces, "present": present})
            .select(pl.when("present").then("piece"))
            .to_series()
        )

    def ends(self) -> Positions:
        """Give where each text ends, or where `stop_before` stops."""
        ends = np.append(self.starts[1:], len(self.bytes) - _WORD)
        return ends if self._limit is None else np.minimum(ends, self._limit)

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
            found, start = self._keep(found, start, self.bytes[start + index] == letter)
        if boundary:
            found, start = self._keep(found, start, self.bytes[start - 1] <= _BLANK)
        return found

    @staticmethod
    def _keep(found: Positions, start: Positions, mask: npt.NDArray[np.bool_]) -> tuple[Positions, Positions]:
        """Keep what a mask selects."""
        return found[mask], start[mask]


def nullable(values: npt.NDArray[np.int64], valid: npt.NDArray[np.bool_]) -> pl.Series:
    """Make a column of numbers, null where they are not valid."""
    return pl.Series(pa.array(values, mask=~valid))
