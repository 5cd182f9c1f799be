"""AWS VPC Flow Logs as text: the default format, or a header that names the fields. Parquet is another module."""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from knockwatch.sources import Batch, Format, Head, Reading, share
from knockwatch.sources._aws_flow_logs import DEFAULT, TITLE, VIEW, parse, places, problems
from knockwatch.sources._delimited import Block, Layout, blocks, fields, split
from knockwatch.sources._flow_conversations import folded

_LINE = re.compile(
    r"^(?:\d{4}-\d\d-\d\dT[\d:.]+Z )?\d (?:\d{12}|unknown) (?:eni-[0-9a-f]+|-) \S+ \S+ \S+ \S+ \S+ \S+ \S+ \d+ \d+ "
    r"(?:ACCEPT|REJECT|-) (?:OK|NODATA|SKIPDATA)$"
)
"""The default format; CloudWatch exports put the time of ingestion before it."""
_STAMP = r"^\d{4}-\d\d-\d\dT[\d:.]+Z "
_SEPARATORS = (" ", ",", "\t")
_HEADER = r'^"?(?:version|account.id|interface.id|srcaddr|start)\b'


class AwsFlowLogs:
    """Reader of flow logs in lines."""

    format = Format(
        "aws-flow-logs",
        TITLE,
        ("connections",),
        "documented",
        "docs.aws.amazon.com, Amazon VPC user guide: Flow log records; Flow log record examples",
    )

    def confidence(self, head: Head) -> float:
        """Certain by a header, else the share of lines that are of the default format."""
        if _by_header(head):
            return 1.0
        return 0.95 * share(head.lines, _LINE.match)

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read the records in blocks, and fold both directions of a conversation into one row."""
        head = Head(reading.evidence.head())
        named = _by_header(head)
        layout = named or Layout(" ", len(DEFAULT), places(DEFAULT) or {})
        skips: list[int] = []

        def work(block: Block) -> Batch:
            records = _plain(block.records, layout.separator, named=named is not None)
            found, odd = split(records, layout)
            batch, skipped = parse(found, reading.clock)
            skips.append(skipped)
            bad = [odd] if batch.misfits is None else [odd, batch.misfits]
            return Batch(block.records.height, batch.tables, pl.concat(bad).sort("line"), block.malformed)

        yield from folded(reading.map(work, blocks(reading, header=False)), VIEW, reading)
        reading.evidence.problems.extend(problems(skips))


def _by_header(head: Head) -> Layout | None:
    """Read the header, if there is one."""
    for separator in _SEPARATORS:
        header = fields(head.lines[0], separator) if head.lines else None
        if header and (found := places(header)):
            return Layout(separator, len(header), found)
    return None


def _plain(records: pl.DataFrame, separator: str, *, named: bool) -> pl.DataFrame:
    """Leave out headers, which come again where files were put one behind the other, and what stands before records."""
    records = records.filter(~pl.col("text").str.contains(_HEADER)) if named else records
    if separator != " ":
        return records
    text = pl.col("text").str.strip_chars().str.replace_all(r" {2,}", " ")
    return records.with_columns(text if named else text.str.replace(_STAMP, ""))


SOURCE = AwsFlowLogs()
