"""Parquet files: their columns, and their rows piece by piece. What the columns mean is not here."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

import polars as pl

from knockwatch.evidence import BLOCK_BYTES, Evidence
from knockwatch.sources import Head
from knockwatch.sources._json_documents import as_text

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_MAGIC = b"PAR1"
BATCH_ROWS = 50_000
Piece = tuple[int, "pa.RecordBatch"]
"""Some rows, and the number of the first, from 1."""


def columns_in(head: Head) -> list[str] | None:
    """Read the names of a file's columns, which stand at its end; empty where that is out of reach, None of others."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not head.data.startswith(_MAGIC):
        return None
    try:
        return list(pq.read_schema(io.BytesIO(head.data if head.whole else _MAGIC + head.tail)).names)
    except (pa.ArrowException, OSError):
        return None if head.whole else []


@contextmanager
def opened(evidence: Evidence) -> Iterator[pq.ParquetFile | None]:
    """Open a file; None, and a problem noted, where it is broken. A compressed one is written out before."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _seekable(evidence) as stream:
        try:
            file = pq.ParquetFile(stream)
        except (pa.ArrowException, OSError) as error:
            evidence.problems.append(f"is broken Parquet ({_sentence(error)})")
            file = None
        yield file


@contextmanager
def _seekable(evidence: Evidence) -> Iterator[BinaryIO]:
    """Open a file so that its end can be read first."""
    if evidence.compression() is None:
        with evidence.open() as stream:
            yield stream
        return
    with tempfile.TemporaryFile() as plain, evidence.open() as packed:
        shutil.copyfileobj(packed, plain, BLOCK_BYTES)
        plain.seek(0)
        yield cast(BinaryIO, plain)


def pieces(file: pq.ParquetFile, columns: Sequence[str], evidence: Evidence) -> Iterator[Piece]:
    """Read some columns row group by row group; a broken one is named and passed over."""
    import pyarrow as pa

    first = 1
    for index in range(file.num_row_groups):
        group = file.metadata.row_group(index)
        after = first + group.num_rows
        try:
            for piece in file.iter_batches(
                BATCH_ROWS, row_groups=[index], columns=list(columns), use_threads=False
            ):
                yield first, piece
                first += piece.num_rows
        except (pa.ArrowException, OSError) as error:
            evidence.problems.append(
                f"row group {index + 1} cannot be read ({_sentence(error)}): records {first} to {after - 1} are lost"
            )
        first = after
        evidence.bytes_read += group.total_byte_size


def rows_of(piece: Piece) -> pl.DataFrame:
    """Give rows, numbered in `line`; what nests, or is bytes, as text."""
    first, records = piece
    rows = cast(pl.DataFrame, pl.from_arrow(records))
    rows = rows.with_columns(_plain(rows[name]) for name in rows.columns)
    number = pl.int_range(first, first + rows.height, dtype=pl.Int64, eager=True)
    return rows.with_columns(number.alias("line"))


def _plain(values: pl.Series) -> pl.Series:
    """Turn what nests, or is bytes, into text."""
    if values.dtype.is_nested() or values.dtype == pl.Object:
        return pl.Series(values.name, [as_text(value) for value in values.to_list()], dtype=pl.String)
    if values.dtype == pl.Binary:
        texts = [None if value is None else value.decode("utf-8", "backslashreplace") for value in values]
        return pl.Series(values.name, texts, dtype=pl.String)
    return values


def _sentence(error: Exception) -> str:
    """Give the first line of the reader's word for a fault."""
    return str(error).partition("\n")[0].rstrip(".")
