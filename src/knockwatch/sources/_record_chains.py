"""Records that each say how long they are, one behind the other: where each begins, found many at a time.

A chain can only be followed record by record. So many places are guessed where a record may begin, their chains are
followed side by side, and a guess counts only where the chain from the true beginning arrives at it: guesses decide
how fast records are found, never which.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

_STRIDE = 32_768
"""Bytes from one guess to the next: some hundred records, and some hundred guesses in a piece."""
_WINDOW = 2_048
"""Bytes in which a guess is looked for: more than a usual frame has."""
_FEWEST = 12
"""Chains that are followed one by one: for so few, arrays do not pay."""
_STEPS = 16
"""Records that each chain is followed for before it is asked whether that is enough."""


@dataclass(frozen=True)
class Rule:
    """How a kind of record says how long it is, and what it looks like.

    Parameters
    ----------
    order
        Byte order, ``<`` or ``>``.
    size_at
        Where the 32-bit size stands in a record.
    added
        What the size leaves out, in bytes.
    least, most, multiple
        Which sizes are sound.
    mark, tolerance
        The 32-bit number that most records begin with, and by how much it may differ: for guesses only.
    """

    order: str
    size_at: int
    added: int
    least: int
    most: int
    multiple: int
    mark: int
    tolerance: int

    @property
    def shortest(self) -> int:
        """Bytes of the shortest record."""
        return self.added + self.least


@dataclass
class Chain:
    """Where records begin, and where the first one begins that is `damaged` or not there as a whole."""

    at: Integers
    end: int
    damaged: bool


def numbers_at(data: npt.NDArray[np.uint8], kind: str, first: int = 0) -> npt.NDArray[np.uint32]:
    """See bytes as numbers of a kind, such as ``<u4``: one at each position from `first` on."""
    width = np.dtype(kind).itemsize
    return np.ndarray((max(len(data) - first - width + 1, 0),), kind, data, first, (1,))


def follow(data: npt.NDArray[np.uint8], size: int, begin: int, rule: Rule) -> Chain:
    """Follow the chain of records that begins at `begin` of the first `size` bytes; `data` may have more."""
    walk = _Walk(data.data, size, rule)
    found, position = list[Integers](), begin
    for start, records, end in _guessed(data, size, begin, rule):
        if start > position:
            position = walk.until(start, position)
            found.append(walk.taken())
        if start == position:
            found.append(records)
            position = end
    position = walk.until(size, position)
    return Chain(np.concatenate([*found, walk.taken()]), position, walk.damaged)


class _Walk:
    """Follows a chain record by record."""

    def __init__(self, data: memoryview, size: int, rule: Rule) -> None:
        self.data, self.size, self.rule = data, size, rule
        self.found: list[int] = []
        self.damaged = False

    def until(self, limit: int, position: int) -> int:
        """Note the whole records from `position` to `limit`, and give where the next one begins."""
        rule, size, note = self.rule, self.size, self.found.append
        size_of, size_at, added = struct.Struct(rule.order + "I").unpack_from, rule.size_at, rule.added
        least, most, multiple = rule.least, rule.most, rule.multiple
        limit = min(limit, size - size_at - 3)
        while position < limit and not self.damaged:
            (length,) = size_of(self.data, position + size_at)
            if not least <= length <= most or length % multiple:
                self.damaged = True
            elif position + added + length > size:
                break
            else:
                note(position)
                position += added + length
        return position

    def taken(self) -> Integers:
        """Give what was noted since this was asked last."""
        found = np.array(self.found, dtype=np.int64)
        self.found.clear()
        return found


def _guessed(
    data: npt.NDArray[np.uint8], size: int, begin: int, rule: Rule
) -> Iterator[tuple[int, Integers, int]]:
    """Follow chains from guesses: for each, in order, where it begins, its records, and what it arrives at."""
    starts = _guesses(data, size, begin, rule)
    if len(starts) < _FEWEST:
        return
    sizes = numbers_at(data, rule.order + "u4", rule.size_at)
    limits, beyond = np.append(starts[1:], size), size + 1
    # Chains go on past the next guess until nearly all have got there: to stop each in time costs more.
    at, path = starts.copy(), [starts]
    while np.count_nonzero(at < limits) > len(at) // 16 and len(path) * rule.shortest < _STRIDE:
        for _ in range(_STEPS):
            at = np.minimum(at + sizes[at] + rule.added, beyond)
            path.append(at)
    places = np.stack(path, axis=1)
    whole = (places[:, :-1] < limits[:, None]) & (places[:, 1:] <= size)
    whole &= _sound(np.diff(places) - rule.added, rule)
    whole = np.logical_and.accumulate(whole, axis=1)
    records, counts = places[:, :-1][whole], np.count_nonzero(whole, axis=1)
    ends = np.take_along_axis(places, counts[:, None], axis=1)[:, 0]
    last = np.cumsum(counts)
    for start, end, first, after in zip(starts, ends, last - counts, last, strict=True):
        yield int(start), records[first:after], int(end)


def _guesses(data: npt.NDArray[np.uint8], size: int, begin: int, rule: Rule) -> Integers:
    """Guess where records begin: two must follow each other that look as records do."""
    count = (size - begin - _WINDOW - 4) // _STRIDE
    if count < _FEWEST:
        return np.zeros(0, dtype=np.int64)
    step = rule.multiple
    shape, strides = (count, _WINDOW // step), (_STRIDE, step)
    telling, values = _telling(rule)
    window = np.ndarray(shape, np.uint8, data, begin + _STRIDE + telling, strides)
    alike = window == values[0]
    for value in values[1:]:
        alike |= window == value
    chain, place = np.divmod(np.flatnonzero(alike), shape[1])
    at = begin + _STRIDE + chain * _STRIDE + place * step
    marks, sizes = (numbers_at(data, rule.order + "u4", first) for first in (0, rule.size_at))
    marked = _marked(marks[at], rule)
    chain, at = chain[marked], at[marked]
    length = sizes[at].astype(np.int64)
    after = np.minimum(at + length + rule.added, size - rule.size_at - 4)
    likely = _sound(length, rule) & _marked(marks[after], rule) & _sound(sizes[after].astype(np.int64), rule)
    _, first = np.unique(chain[likely], return_index=True)
    guesses: Integers = at[likely][first]
    return guesses


def _telling(rule: Rule) -> tuple[int, list[int]]:
    """Give the place in a mark of the byte that tells most, and its values: few bytes have to be looked at closely."""
    if not rule.tolerance:
        return (0 if rule.order == "<" else 3), [rule.mark & 0xFF]
    lowest, highest = rule.mark - rule.tolerance >> 24, rule.mark + rule.tolerance >> 24
    return (3 if rule.order == "<" else 0), [value & 0xFF for value in range(lowest, highest + 1)]


def _sound(length: Integers, rule: Rule) -> npt.NDArray[np.bool_]:
    """Say which sizes a record may have."""
    sound = (length >= rule.least) & (length <= rule.most)
    return sound if rule.multiple == 1 else sound & (length % rule.multiple == 0)


def _marked(marks: npt.NDArray[np.uint32], rule: Rule) -> npt.NDArray[np.bool_]:
    """Say which numbers are near the one that records begin with."""
    lowest = np.uint32((rule.mark - rule.tolerance) & 0xFFFFFFFF)
    near: npt.NDArray[np.bool_] = marks - lowest <= np.uint32(2 * rule.tolerance)
    return near
