"""Slices of the stream, in order of time or shuffled, with bounded memory; what they hold is made elsewhere."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from knockwatch.emulation import Order
from knockwatch.emulation.background import Background
from knockwatch.emulation.stream import ROW, Rows, by_time


def slices(order: Order, background: Background, planted: Rows, temporary: Path) -> Iterator[Rows]:
    """Make the stream piece by piece.

    Parameters
    ----------
    order
        What is wanted.
    background
        Makes what surrounds the planted rows.
    planted
        Rows by time; each goes to the slice of its time.
    temporary
        Folder in which a shuffled stream is kept meanwhile: about 35 bytes a row.

    Yields
    ------
    Rows
        At most about `order.slice_rows` rows.
    """
    pieces = _in_order(order, background, planted)
    return _shuffled(order, pieces, temporary) if order.shuffled else pieces


def _in_order(order: Order, background: Background, planted: Rows) -> Iterator[Rows]:
    """Make slices in order of time, each by itself."""
    for number in range(order.slices):
        first, after = order.slice_bounds(number)
        from_us, to_us = order.window(number)
        inside = slice(*np.searchsorted(planted["time_us"], [from_us, to_us]))
        mine = planted[inside]
        yield by_time(np.concatenate([background.rows(number, after - first - len(mine)), mine]))


def _shuffled(order: Order, pieces: Iterator[Rows], temporary: Path) -> Iterator[Rows]:
    """Deal every row to one of as many files as there are slices, then shuffle each file by itself."""
    chance = np.random.default_rng((order.seed, 3))
    with tempfile.TemporaryDirectory(prefix=".shuffle-", dir=temporary) as folder:
        files = [Path(folder) / str(number) for number in range(order.slices)]
        for piece in pieces:
            dealt = chance.integers(0, len(files), len(piece))
            piece_by_file = piece[np.argsort(dealt, kind="stable")]
            edges = np.cumsum(np.bincount(dealt, minlength=len(files)))[:-1]
            for path, part in zip(files, np.split(piece_by_file, edges), strict=True):
                with path.open("ab") as file:
                    part.tofile(file)
        for path in files:
            rows = np.fromfile(path, dtype=ROW)
            path.unlink()
            yield rows[chance.permutation(len(rows))]
