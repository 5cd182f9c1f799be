"""Blocks of lines of JSON: what the compiled loop finds in them, as columns of text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from knockwatch.evidence import Block
from knockwatch.sources._json_loop import (
    ABSENT,
    BOTH,
    DEPTH_MOST,
    FLAT,
    NESTED,
    STACK,
    VALUES,
    path_hash,
    read_lines,
)
from knockwatch.sources._pieces import Left, pieces

_SPELLINGS = {"flat": FLAT, "nested": NESTED, "both": BOTH}
_SLOTS_EACH = 4
"""Places in which keys are looked up, for each key: few keys meet another there."""


def read(block: Block, keys: Sequence[str], spelling: str) -> tuple[pl.DataFrame, Left] | None:
    """Read some keys of the objects of a block.

    Parameters
    ----------
    keys, spelling
        As `JsonRecords` has them.

    Returns
    -------
    tuple
        `line` and each key as text, as `JsonRecords.rows` takes it, and the lines that were left; None where all were.
    """
    data, first = block
    lines = data.count(b"\n")
    paths, ends, slots = _wanted(tuple(keys))
    found, lengths = np.empty((lines, VALUES + len(keys)), np.int64), np.empty((lines, len(keys)), np.int64)
    stack, left = np.zeros((DEPTH_MOST + 1, STACK), np.int64), np.empty((lines, 3), np.int64)
    taken, others = read_lines(
        np.frombuffer(data, np.uint8), _SPELLINGS[spelling], paths, ends, slots, stack, found, lengths, left
    )
    if not taken:
        return None
    columns = {
        key: pieces(data, found[:taken, VALUES + at], lengths[:taken, at]) for at, key in enumerate(keys)
    }
    return pl.DataFrame({"line": found[:taken, 0] + first, **columns}), Left.of(data, left[:others], first)


@lru_cache(maxsize=64)
def _wanted(
    keys: tuple[str, ...],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give keys as the loop takes them: their letters, where each ends, and by their hashes their numbers."""
    written = [key.encode() for key in keys]
    ends = np.cumsum([0, *map(len, written)], dtype=np.int64)
    slots = np.full(1 << (len(keys) * _SLOTS_EACH).bit_length(), ABSENT, np.int64)
    for number, key in enumerate(written):
        slot = path_hash(key) & (len(slots) - 1)
        while slots[slot] != ABSENT:
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = number
    return np.frombuffer(b"".join(written), np.uint8), ends, slots
