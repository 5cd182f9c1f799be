"""Exports of Syslog, CommonSecurityLog and DeviceProcessEvents as Parquet. CSV and JSON are other modules."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

import polars as pl

from knockwatch.evidence import BLOCK_BYTES, Evidence
from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._json_documents import as_text
from knockwatch.sources._microsoft_columns import Export, recognise
from knockwatch.sources._microsoft_export import FILLS, TITLE, batch

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_MAGIC = b"PAR1"
BATCH_ROWS = 50_000


class MicrosoftParquet:
    """Reader of Parquet exports."""

    format = Format(
        "microsoft-parquet",
        f"{TITLE}, Parquet",
        FILLS,
        "documented",
        "parquet.apache.org; Log Analytics export to a data lake",
        numbered="record",
    )

    def confidence(self, head: Head) -> float:
        """Certain where the columns are at hand; they stand at a file's end, so of a large one only its kind is."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not head.data.startswith(_MAGIC):
            return 0.0
        if not head.whole:
            return 0.5
        try:
            return 1.0 if recognise(pq.read_schema(io.BytesIO(head.data)).names, []) else 0.0
        except (pa.ArrowException, OSError):
            return 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read row group by row group; a broken one is named and passed over."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        evidence = reading.evidence
        with _seekable(evidence) as stream:
            try:
                file = pq.ParquetFile(stream)
            except (pa.ArrowException, OSError) as error:
                evidence.problems.append(f"is broken Parquet ({_sentence(error)})")
                return
            export = recognise(file.schema_arrow.names, [])
            if export is None:
                evidence.problems.append("is Parquet, but has no columns of a table that is known")
                return

            def work(piece: tuple[int, pa.RecordBatch]) -> Batch:
                return _parse(*piece, export, reading)

            yield from reading.map(work, _pieces(file, export, evidence))


@contextmanager
def _seekable(evidence: Evidence) -> Iterator[BinaryIO]:
    """Open a file so that its end can be read first: a compressed one is written out before."""
    if evidence.compression() is None:
        with evidence.open() as stream:
            yield stream
        return
    with tempfile.TemporaryFile() as plain, evidence.open() as packed:
        shutil.copyfileobj(packed, plain, BLOCK_BYTES)
        plain.seek(0)
        yield cast(BinaryIO, plain)


def _pieces(file: pq.ParquetFile, export: Export, evidence: Evidence) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Read the known columns of each row group in pieces, with the number of the first record of each."""
    import pyarrow as pa

    first = 1
    for index in range(file.num_row_groups):
        group = file.metadata.row_group(index)
        after = first + group.num_rows
        try:
            for piece in file.iter_batches(
                BATCH_ROWS, row_groups=[index], columns=list(export.columns), use_threads=False
            ):
                yield first, piece
                first += piece.num_rows
        except (pa.ArrowException, OSError) as error:
            evidence.problems.append(
                f"row group {index + 1} cannot be read ({_sentence(error)}): records {first} to {after - 1} are lost"
            )
        first = after
        evidence.bytes_read += group.total_byte_size


def _parse(first: int, piece: pa.RecordBatch, export: Export, reading: Reading) -> Batch:
    """Read some rows."""
    rows = cast(pl.DataFrame, pl.from_arrow(piece)).rename(dict(export.columns))
    rows = rows.with_columns(_plain(rows[name]) for name in rows.columns)
    number = pl.int_range(first, first + rows.height, dtype=pl.Int64, eager=True)
    return batch(rows.with_columns(number.alias("line")), export, reading)


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


SOURCE = MicrosoftParquet()
