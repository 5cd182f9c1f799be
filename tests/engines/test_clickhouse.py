"""ClickHouse gives what DuckDB gives: its engine runs in this process, by `chdb`, over the same Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ibis
import polars as pl
import pyarrow as pa
import pytest

from knockwatch.config import Thresholds
from knockwatch.detections import detections
from knockwatch.engines.embedded import Engine
from knockwatch.engines.given import Given
from knockwatch.engines.queries import DIALECTS, Query
from knockwatch.engines.remote import Remote
from knockwatch.ingest import Workspace
from knockwatch.investigation import plan
from knockwatch.tables import CANONICAL
from tests.engines.lab_tables import lab_tables

pytest.importorskip("chdb", reason="ClickHouse's engine is not installed: pip install chdb")


class _Backend:
    """As much of Ibis' backend as an engine asks for; Ibis has none for chdb, which has no server."""

    name = "clickhouse"

    def __init__(self, folder: Path) -> None:
        from chdb.session import Session

        self.folder = folder
        self.session: Any = Session()
        self.session.query("CREATE DATABASE lake")

    def table(self, name: str, database: str | None = None) -> Any:
        file = self.folder / f"{name}.parquet"
        self.session.query(
            f"CREATE VIEW IF NOT EXISTS lake.{name} AS SELECT * FROM file('{file}', 'Parquet')"
        )
        schema = ibis.Schema.from_polars(pl.Schema(pl.read_parquet_schema(file)))
        return ibis.table(schema, name=name, database=database)

    def compile(self, expression: Any) -> str:
        return DIALECTS["clickhouse"].write(expression)

    def raw_sql(self, sql: str) -> None:
        self.session.query(sql)

    def disconnect(self) -> None:
        self.session.close()


class _Chdb(Remote):
    """The engine, but for how rows are fetched."""

    def _fetch(self, sql: str, query: Query) -> pl.DataFrame:
        rows = self._backend.session.query(sql, "ArrowStream").bytes()
        if not rows:
            return pl.DataFrame(schema=query.types)
        found = pl.from_arrow(pa.ipc.open_stream(rows).read_all())
        assert isinstance(found, pl.DataFrame)
        return found


@pytest.fixture(scope="module")
def folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lab_tables(data, tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def clickhouse(folder: Path) -> Iterator[Remote]:
    given = Given(tuple((name, f"lake.{name}") for name in CANONICAL))
    with _Chdb(_Backend(folder), given) as engine:
        yield engine


def test_every_detection_finds_the_same(folder: Path, clickhouse: Remote, workspace: Workspace) -> None:
    thresholds = Thresholds()
    here, there = plan(thresholds), plan(thresholds, clickhouse.dialect)
    given = Given(tuple((name, str(folder / f"{name}.parquet")) for name in CANONICAL))
    found: dict[str, int] = {}
    with Engine(workspace, given=given) as duck:
        for detection in detections():
            rule = detection.rule.id
            mine = duck.execute(here.queries[rule].made, here.steps)
            theirs = clickhouse.execute(there.queries[rule].made, there.steps)
            assert theirs.schema == mine.schema
            assert theirs.height == mine.height, rule
            same = [sorted(map(repr, detection.findings(rows, thresholds))) for rows in (mine, theirs)]
            assert same[0] == same[1], rule
            found[rule] = len(same[0])
    assert {rule for rule, number in found.items() if number} >= {"door", "denied-ports", "daemon-activity"}
