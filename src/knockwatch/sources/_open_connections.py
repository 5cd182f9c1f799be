"""Connections that may go on: found by their keys, given up when they have been silent for long, bounded in number.

What makes packets one connection is not known here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from knockwatch.sources._network_headers import Truths
from knockwatch.sources._record_chains import Integers

Columns = dict[str, npt.NDArray[Any]]


def where(columns: Columns, which: Truths | Integers) -> Columns:
    """Keep some rows."""
    if which.dtype == np.bool_:
        if which.all():
            return columns
        # To count and find them once for each column would cost more than to copy them.
        which = np.flatnonzero(which)
    return {name: column[which] for name, column in columns.items()}


def joined(*parts: Columns) -> Columns:
    """Put rows one behind the other; parts without any are left out."""
    full = [part for part in parts if part and len(part["key"])]
    if len(full) < 2:
        return full[0] if full else {}
    return {name: np.concatenate([part[name] for part in full]) for name in full[0]}


class OpenConnections:
    """Rows by their `key`, of which each is held once."""

    def __init__(self) -> None:
        self._keys = np.zeros(0, dtype=np.uint64)
        """In order."""
        self._slots = np.zeros(0, dtype=np.int64)
        """Where the row of each key is."""
        self._free = np.zeros(0, dtype=np.int64)
        self._rows: Columns = {}

    def __len__(self) -> int:
        """Count the rows."""
        return len(self._keys)

    def take(self, keys: npt.NDArray[np.uint64]) -> Columns:
        """Take out the rows with some keys, which come in order and once each."""
        if not len(self._keys):
            return {}
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return self._taken(place[self._keys[place] == keys])

    def hold(self, rows: Columns) -> None:
        """Hold rows, which come in the order of their keys; none of these is held."""
        count = len(rows["key"])
        if not count:
            return
        self._make_room(rows, count)
        slots, self._free = self._free[:count], self._free[count:]
        for name, column in rows.items():
            self._rows[name][slots] = column
        place = np.searchsorted(self._keys, rows["key"])
        self._keys = np.insert(self._keys, place, rows["key"])
        self._slots = np.insert(self._slots, place, slots)

    def silent(self, before_us: int) -> Columns:
        """Take out the rows that were heard of last before some time."""
        if not len(self._keys):
            return {}
        return self._taken(np.flatnonzero(self._rows["last_us"][self._slots] < before_us))

    def oldest(self, count: int) -> Columns:
        """Take out the rows that were heard of longest ago in the file."""
        if count <= 0:
            return {}
        lines = self._rows["last_line"][self._slots]
        return self._taken(np.sort(np.argpartition(lines, count - 1)[:count]))

    def all(self) -> Columns:
        """Take out all rows."""
        return self._taken(np.arange(len(self._keys))) if len(self._keys) else {}

    def _taken(self, place: Integers) -> Columns:
        """Take out the rows at some places of the index."""
        slots = self._slots[place]
        rows = {name: column[slots] for name, column in self._rows.items()}
        self._free = np.concatenate([slots, self._free])
        self._keys, self._slots = np.delete(self._keys, place), np.delete(self._slots, place)
        return rows

    def _make_room(self, rows: Columns, count: int) -> None:
        """Make sure that so many slots are free."""
        missing = count - len(self._free)
        if missing <= 0:
            return
        size = len(self._keys) + len(self._free)
        more = max(missing, size // 2)
        for name, column in rows.items():
            held = self._rows.get(name, column[:0])
            self._rows[name] = np.concatenate([held, np.zeros((more, *column.shape[1:]), column.dtype)])
        self._free = np.concatenate([self._free, np.arange(size, size + more)])
