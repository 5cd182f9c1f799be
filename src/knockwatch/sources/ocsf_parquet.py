"""OCSF events as Parquet, as Amazon's Security Lake keeps them. JSON is another module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import polars as pl

from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._aws_flow_logs import VIEW
from knockwatch.sources._flow_conversations import folded
from knockwatch.sources._ocsf import FILLS, KEYS, NEEDED, REFERENCE, TITLE, read_events
from knockwatch.sources._parquet import Piece, columns_in, opened, pieces


class OcsfParquet:
    """Reader of OCSF in Parquet."""

    format = Format("ocsf-parquet", f"{TITLE}, Parquet", FILLS, "documented", REFERENCE, numbered="record")

    def confidence(self, head: Head) -> float:
        """Certain where the columns are at hand, and are those."""
        return 1.0 if {*NEEDED} <= {*(columns_in(head) or ())} else 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read row group by row group, and put both directions of VPC flows together."""
        evidence = reading.evidence
        with opened(evidence) as file:
            names = list(file.schema_arrow.names) if file else []
            if file is None or not {*NEEDED} <= {*names}:
                if file is not None:
                    evidence.problems.append("is Parquet, but has no columns of OCSF")
                return
            wanted = sorted({key.partition(".")[0] for key in KEYS} & {*names})

            def work(piece: Piece) -> Batch:
                return read_events(_texts(piece), reading)

            yield from folded(reading.map(work, pieces(file, wanted, evidence)), VIEW, reading)


def _texts(piece: Piece) -> pl.DataFrame:
    """Give rows with the keys of OCSF as text, numbered in `line`; what is not there is null."""
    first, records = piece
    rows = cast(pl.DataFrame, pl.from_arrow(records))
    number = pl.int_range(first, first + rows.height, dtype=pl.Int64, eager=True)
    return rows.select(_leaf(rows.schema, key).alias(key) for key in KEYS).insert_column(
        0, number.alias("line")
    )


def _leaf(schema: pl.Schema, key: str) -> pl.Expr:
    """Select what a path leads to."""
    first, *inner = key.split(".")
    dtype: pl.DataType | None = schema.get(first)
    found = pl.col(first)
    for name in inner:
        fields = dict(dtype.to_schema()) if isinstance(dtype, pl.Struct) else {}
        dtype, found = cast("pl.DataType | None", fields.get(name)), found.struct.field(name)
    if dtype is None or dtype.is_nested():
        return pl.lit(None, dtype=pl.String)
    if isinstance(dtype, pl.Datetime):
        return found.dt.epoch("us").cast(pl.String)
    return found.cast(pl.String)


SOURCE = OcsfParquet()
