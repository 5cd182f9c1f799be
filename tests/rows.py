"""Rows made by hand, put into a workspace as sources would."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import polars as pl

from knockwatch.config import Thresholds
from knockwatch.detections import Detection, Finding, detections
from knockwatch.engines.embedded import Engine
from knockwatch.engines.queries import Query, unbound
from knockwatch.ingest import Workspace
from knockwatch.tables import CANONICAL, conform

Row = Mapping[str, Any]


def put(
    workspace: Workspace, table: str, rows: Iterable[Row], types: Mapping[str, pl.DataType] | None = None
) -> None:
    """Write rows as one more Parquet file of a table; rows without file and line get file 0 and their number."""
    numbered = [{"file": 0, "line": line, **row} for line, row in enumerate(rows, 1)]
    frame = pl.DataFrame(numbered, schema_overrides=types, infer_schema_length=None)
    if table in CANONICAL:
        frame = conform(table, frame)
    folder = workspace.folder / table
    folder.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(folder / f"{len(workspace.files(table)):06d}.parquet")


def found(workspace: Workspace, detection: Detection, thresholds: Thresholds | None = None) -> list[Finding]:
    """Run one detection over a workspace, findings by time."""
    thresholds = thresholds or Thresholds()
    with Engine(workspace) as engine:
        candidates = engine.execute(_query(detection.rule.id, thresholds))
    return sorted(
        detection.findings(candidates, thresholds), key=lambda finding: (finding.start_us, finding.end_us)
    )


@cache
def _query(rule: str, thresholds: Thresholds) -> Query:
    """Write a detection's query over all connections, once for all tests."""
    detection = next(detection for detection in detections() if detection.rule.id == rule)
    return Query.of(detection.candidates(unbound(), thresholds))


def us(text: str) -> int:
    """Give a time, ``2026-11-22 11:23:38.5`` in UTC, in microseconds."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return round(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond
