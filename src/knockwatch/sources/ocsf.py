"""OCSF events as JSON: one a line, in an array, or in an object that holds one. Parquet is another module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._aws_flow_logs import VIEW
from knockwatch.sources._flow_conversations import folded
from knockwatch.sources._json_records import JsonRecords
from knockwatch.sources._ocsf import FILLS, KEYS, NEEDED, REFERENCE, TITLE, read_events


class Ocsf(JsonRecords):
    """Reader of OCSF in JSON."""

    format = Format("ocsf", f"{TITLE}, JSON", FILLS, "documented", REFERENCE)
    keys = KEYS
    spelling = "nested"

    def belongs(self, record: Mapping[str, Any]) -> bool:
        """Tell events by what each of them must have."""
        return all(name in record for name in NEEDED)

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read events, and put both directions of VPC flows together."""
        yield from folded(super().read(reading), VIEW, reading)

    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        """Read events of the classes that matter."""
        return read_events(records, reading)


SOURCE = Ocsf()
