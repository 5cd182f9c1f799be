"""AWS VPC Flow Logs as Parquet, as they are delivered to S3. Text is another module."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._aws_flow_logs import TITLE, VIEW, parse, places, problems
from knockwatch.sources._flow_conversations import folded
from knockwatch.sources._parquet import Piece, columns_in, opened, pieces, rows_of


class AwsFlowLogsParquet:
    """Reader of flow logs in Parquet."""

    format = Format(
        "aws-flow-logs-parquet",
        f"{TITLE}, Parquet",
        ("connections",),
        "documented",
        "docs.aws.amazon.com, Amazon VPC user guide: Flow log files; Flow log record examples",
        numbered="record",
    )

    def confidence(self, head: Head) -> float:
        """Certain where the columns are at hand, and are those."""
        return 1.0 if places(columns_in(head) or []) else 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read row group by row group, and fold both directions of a conversation into one row."""
        evidence = reading.evidence
        skips: list[int] = []
        with opened(evidence) as file:
            names = list(file.schema_arrow.names) if file else []
            found = places(names)
            if file is None or found is None:
                if file is not None:
                    evidence.problems.append("is Parquet, but has no columns of AWS VPC Flow Logs")
                return
            wanted = {names[place]: ours for ours, place in found.items()}

            def work(piece: Piece) -> Batch:
                rows = rows_of(piece).rename(wanted)
                batch, skipped = parse(
                    rows.with_columns(pl.col(*wanted.values()).cast(pl.String)), reading.clock
                )
                skips.append(skipped)
                return batch

            yield from folded(reading.map(work, pieces(file, list(wanted), evidence)), VIEW, reading)
        evidence.problems.extend(problems(skips))


SOURCE = AwsFlowLogsParquet()
