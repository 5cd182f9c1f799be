"""The loop that writes pieces of a text as Arrow's views of strings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from knockwatch._compiled import compiled

_INLINE = 12
"""Bytes of the longest piece that a view holds itself (Arrow columnar format, Variable-size Binary View Layout)."""


@compiled
def views(
    text: npt.NDArray[np.uint8],
    at: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    into: npt.NDArray[np.uint32],
) -> None:
    """Write views: length, then a short piece itself, else its beginning and place; of a negative length nothing."""
    letters = into.view(np.uint8)
    for row in range(len(at)):
        length, begin = lengths[row], at[row]
        if length < 0:
            continue
        into[row, 0] = length
        for offset in range(length if length <= _INLINE else 4):
            letters[row, 4 + offset] = text[begin + offset]
        if length > _INLINE:
            into[row, 3] = begin
