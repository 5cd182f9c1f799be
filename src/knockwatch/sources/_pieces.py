"""What compiled loops give places of: pieces of a block as texts, and the lines that are left to others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from knockwatch.evidence import Block
from knockwatch.sources import Batch
from knockwatch.sources._pieces_loop import views


def pieces(data: bytes, at: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> pl.Series:
    """Give pieces of a block as texts, null where a length is negative; they keep the block, nothing is copied."""
    written = np.zeros((len(at), 4), np.uint32)
    views(np.frombuffer(data, np.uint8), at, lengths, written)
    there = lengths >= 0
    valid: Any = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))
    buffers = [valid, pa.py_buffer(written), pa.py_buffer(data)]
    return pl.Series(pa.Array.from_buffers(pa.string_view(), len(at), buffers))


@dataclass(frozen=True)
class Left:
    """Lines of a block that are left.

    Parameters
    ----------
    data
        The lines, whole.
    numbers
        Their numbers in the file.
    """

    data: bytes
    numbers: pl.Series

    @classmethod
    def of(cls, data: bytes, spans: npt.NDArray[np.int64], first: int) -> Left:
        """Take lines out of a block; `spans` are their numbers in it, beginnings and ends, `first` its first number."""
        spans = spans[np.argsort(spans[:, 0])]
        return cls(
            b"".join(data[begin:end] for _, begin, end in spans.tolist()), pl.Series(spans[:, 0] + first)
        )

    def beside(self, taken: Batch, read: Callable[[Block], Batch]) -> Batch:
        """Read the lines, and give what was found in them beside what was taken of the block, in order of line."""
        if not self.data:
            return taken
        batch = read((self.data, 1))
        tables = {name: self._numbered(rows) for name, rows in batch.tables.items()}
        for name, rows in taken.tables.items():
            both = [rows, tables[name]] if name in tables else [rows]
            tables[name] = pl.concat(both, how="diagonal_relaxed").sort("line", maintain_order=True)
        misfits = [self._numbered(batch.misfits)] if batch.misfits is not None else []
        misfits += [taken.misfits] if taken.misfits is not None else []
        return Batch(
            taken.records + batch.records,
            tables,
            pl.concat(misfits) if misfits else None,
            taken.malformed + batch.malformed,
        )

    def _numbered(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Give rows the numbers that their lines have in the file; here they were counted from 1."""
        return rows.with_columns(self.numbers.gather(rows["line"] - 1).alias("line"))
