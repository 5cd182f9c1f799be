"""Engines by URL: what is not there is told, and queries carry what the engine does not keep."""

from __future__ import annotations

import sys
from typing import Any

import ibis
import polars as pl
import pytest
import sqlglot

from knockwatch.config import Thresholds
from knockwatch.engines.given import Given
from knockwatch.engines.queries import DIALECTS, Query
from knockwatch.engines.remote import Remote, connect
from knockwatch.engines.spark import is_master
from knockwatch.errors import EvidenceError, UsageError
from knockwatch.investigation import plan
from knockwatch.tables import schema

GIVEN = Given((("connections", "lake.firewall.events"),))


class _Backend:
    """Stands for Ibis' backend of an engine that nobody can reach from here."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ran: list[str] = []

    def table(self, name: str, database: Any) -> Any:
        if name != "events":
            raise ValueError("no such table")
        schema_of = ibis.Schema.from_polars(pl.Schema(schema("connections")))
        return ibis.table(
            {key: kind for key, kind in schema_of.items() if key not in ("file", "line")}, name=name
        )

    def compile(self, expression: Any) -> str:
        return DIALECTS[self.name].write(expression)

    def raw_sql(self, sql: str) -> None:
        self.ran.append(sql)


class _Recorded(Remote):
    """An engine that answers nothing, and keeps what it was asked."""

    def _fetch(self, sql: str, query: Query) -> pl.DataFrame:
        self._backend.ran.append(sql)
        return pl.DataFrame(schema=query.types)


@pytest.mark.parametrize("name", [name for name in DIALECTS if name not in ("duckdb", "pyspark")])
def test_a_query_carries_all_that_the_engine_does_not_keep(name: str) -> None:
    backend = _Backend(name)
    engine = _Recorded(backend, GIVEN)
    planned = plan(Thresholds(), engine.dialect)

    for query in planned.queries.values():
        assert engine.execute(query.made, planned.steps).is_empty()
    kept = [sql for sql in backend.ran if sql.startswith("CREATE TEMP")]
    assert len(kept) == (len(planned.steps.sql) if engine.dialect.kept else 0)
    asked = {rule: backend.ran[-len(planned.queries) :][n] for n, rule in enumerate(planned.queries)}
    made = set(planned.steps.sql)
    read = {table.name for table in sqlglot.parse_one(asked["door"], read=name).find_all(sqlglot.exp.Table)}
    written = {cte.alias for cte in sqlglot.parse_one(asked["door"], read=name).find_all(sqlglot.exp.CTE)}
    assert {table for table in read if table.startswith("knockwatch_")} <= written
    assert bool(made & written) is not bool(kept)
    assert "events" in read


def test_a_table_that_is_not_there_is_told() -> None:
    engine = _Recorded(_Backend("trino"), Given((("connections", "lake.nosuch"),)))
    with pytest.raises(EvidenceError, match=r"there is no table lake\.nosuch: no such table"):
        _ = engine.parts


def test_what_an_engine_refuses_is_told() -> None:
    class Refusing(_Recorded):
        def _fetch(self, sql: str, query: Query) -> pl.DataFrame:
            raise RuntimeError("quota\nexceeded")

    engine = Refusing(_Backend("trino"), GIVEN)
    with pytest.raises(EvidenceError, match="trino refused a query: quota exceeded"):
        engine.execute(engine.tables()["connections"])


@pytest.mark.parametrize("url", ["oracle://db", "nonsense", "http://spark", ""])
def test_an_engine_that_detections_are_not_written_for_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no engine"):
        connect(url, GIVEN)


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str) -> None:
        raise ImportError(url)

    monkeypatch.setattr(ibis, "connect", fail)
    with pytest.raises(UsageError, match=r"pip install 'ibis-framework\[trino\]'"):
        connect("trino://user@host/catalog", GIVEN)


def test_spark_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(UsageError, match=r"knockwatch\[spark\]"):
        connect("spark://master:7077", GIVEN)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("spark", True),
        ("spark://master:7077", True),
        ("local", True),
        ("local[2]", True),
        ("local-cluster[2,1,2048]", True),
        ("yarn", True),
        ("k8s://https://api:443", True),
        ("clickhouse://host", False),
        ("localhost", False),
    ],
)
def test_masters_of_spark_are_known(url: str, told: bool) -> None:
    assert is_master(url) is told
