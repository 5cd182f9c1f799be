"""Exports of Sentinel's and Defender's tables as Parquet. CSV and JSON are other modules."""

from __future__ import annotations

from collections.abc import Iterator

from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._microsoft_columns import recognise
from knockwatch.sources._microsoft_export import FILLS, TITLE, batch
from knockwatch.sources._parquet import Piece, columns_in, opened, pieces, rows_of


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
        """Certain where the columns are at hand; where they are not, only the kind of file is."""
        columns = columns_in(head)
        if columns is None:
            return 0.0
        if not columns:
            return 0.5
        return 1.0 if recognise(columns, []) else 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read row group by row group; a broken one is named and passed over."""
        evidence = reading.evidence
        with opened(evidence) as file:
            export = recognise(file.schema_arrow.names, []) if file else None
            if file is None or export is None:
                if file is not None:
                    evidence.problems.append("is Parquet, but has no columns of a table that is known")
                return

            def work(piece: Piece) -> Batch:
                return batch(rows_of(piece).rename(dict(export.columns)), export, reading)

            yield from reading.map(work, pieces(file, list(export.columns), evidence))


SOURCE = MicrosoftParquet()
