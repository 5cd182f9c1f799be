"""Every detection is written for every engine, and what is written is looked at when it changes."""

import importlib.util
import re

import ibis
import pytest
import sqlglot
from syrupy.assertion import SnapshotAssertion

from knockwatch.config import Thresholds
from knockwatch.detections import detections
from knockwatch.engines.queries import CACHED, DIALECTS, DUCKDB, Dialect, Query, unbound
from knockwatch.inference.hosts import sightings
from knockwatch.investigation import Plan, plan

SHOWN = ("late-listener", "opened-port", "port-scan", "recurrence")
"""Detections that group, order, join and compare texts, and are short: the others are made of the same."""


def _plan(name: str) -> Plan:
    if name == "pyspark" and importlib.util.find_spec("pyspark") is None:
        pytest.skip("Ibis writes for Spark only where PySpark is installed: pip install 'knockwatch[spark]'")
    return plan(Thresholds(), DIALECTS[name])


def _read_as(name: str) -> str:
    return "spark" if name == "pyspark" else name


@pytest.mark.parametrize("name", DIALECTS)
def test_every_detection_is_written_for_every_engine(name: str) -> None:
    written = _plan(name)

    assert set(written.queries) == {detection.rule.id for detection in detections()}
    for sql in [*written.steps.sql.values(), *(query.made.sql for query in written.queries.values())]:
        assert sqlglot.parse_one(sql, read=_read_as(name))
    told = unbound()
    assert Query.of(sightings(told["connections"], told["messages"]), DIALECTS[name]).sql


@pytest.mark.parametrize("rule", SHOWN)
@pytest.mark.parametrize("name", DIALECTS)
def test_what_is_written_stays_as_it_was_looked_at(name: str, rule: str, snapshot: SnapshotAssertion) -> None:
    # Steps are named by what they are: a change of any would change each text here.
    sql = re.sub(rf"{CACHED}[0-9a-f]+", f"{CACHED}step", _plan(name).queries[rule].made.sql)

    assert sqlglot.transpile(sql, read=_read_as(name), write=_read_as(name), pretty=True)[0] == snapshot


@pytest.mark.parametrize("name", DIALECTS)
def test_a_text_is_hashed_to_64_bits_by_the_engine_itself(name: str, snapshot: SnapshotAssertion) -> None:
    if name == "pyspark":
        _plan(name)
    rows = ibis.table({"source_ip": "string"}, name="t")
    dialect = DIALECTS[name]

    hashed = dialect.hashed(rows.source_ip)
    assert str(hashed.type()) == dialect.hash_type
    assert dialect.write(rows.select(hashed=hashed)) == snapshot


def test_names_are_quoted_as_the_engine_does() -> None:
    assert [DIALECTS[name].quoted('a"`b') for name in ("duckdb", "bigquery")] == ['"a""`b"', '`a"\\`b`']


def test_the_embedded_engine_is_the_default() -> None:
    assert Query.of(unbound()["changes"]).sql == Query.of(unbound()["changes"], DUCKDB).sql
    assert isinstance(DUCKDB, Dialect)
