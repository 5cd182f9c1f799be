"""A Spark cluster of two workers gives the cases that DuckDB gives, byte for byte, and the work is done there."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from knockwatch.cases import Case
from knockwatch.engines.given import Given
from knockwatch.errors import EvidenceError, UsageError
from knockwatch.ingest import Workspace
from knockwatch.reports import Report
from knockwatch.reports.machine import write_jsonl
from knockwatch.scan import Result, scan_tables
from knockwatch.tables import CANONICAL
from tests.engines.lab_tables import lab_tables
from tests.sources.reading import SAMPLES

CLUSTER = "local-cluster[2,1,1024]"
EXPORT = SAMPLES / "microsoft-parquet" / "CommonSecurityLog.parquet"

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("pyspark") is None,
        reason="PySpark is not installed: pip install 'knockwatch[spark]'",
    ),
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java 17 or later"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with Spark's configuration, where workers and the log of events write."""
    from pyspark.find_spark_home import _find_spark_home

    folder = tmp_path_factory.mktemp("spark")
    (folder / "events").mkdir()
    # Workers write below Spark's home, which is the package's folder.
    (folder / "home").mkdir()
    for part in Path(_find_spark_home()).iterdir():
        if part.name != "work":
            (folder / "home" / part.name).symlink_to(part)
    settings = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": (folder / "events").as_uri(),
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
        "spark.sql.warehouse.dir": (folder / "warehouse").as_uri(),
    }
    (folder / "spark-defaults.conf").write_text(
        "".join(f"{key} {value}\n" for key, value in settings.items())
    )
    own = {
        "SPARK_HOME": str(folder / "home"),
        "SPARK_CONF_DIR": str(folder),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    from knockwatch.engines.spark import session

    started = session(CLUSTER)
    yield folder
    started.stop()
    for name, value in before.items():
        os.environ.pop(name)
        if value is not None:
            os.environ[name] = value


def _scan(given: Given, url: str | None) -> Result:
    with Workspace.temporary() as workspace:
        return scan_tables(given, workspace, url=url)


def _written(cases: list[Case]) -> str:
    stream = io.StringIO()
    write_jsonl(Report(tuple(cases), {}), stream)
    return stream.getvalue()


def test_two_workers_give_the_cases_that_duckdb_gives(data: Path, tmp_path: Path, cluster: Path) -> None:
    folder = lab_tables(data, tmp_path)
    given = Given(tuple((name, str(folder / f"{name}.parquet")) for name in CANONICAL))
    here, there = _scan(given, None), _scan(given, CLUSTER)

    assert here.cases
    assert _written(there.cases) == _written(here.cases)
    assert there.findings.equals(here.findings)
    events = [json.loads(line) for file in (cluster / "events").iterdir() for line in file.open()]
    ran = Counter(
        event["Task Info"]["Executor ID"] for event in events if event["Event"] == "SparkListenerTaskEnd"
    )
    assert set(ran) == {"0", "1"}
    assert min(ran.values()) > 10
    assert len(list((cluster / "home" / "work").glob("app-*/*/stderr"))) == 2


def test_tables_of_the_catalogue_are_read_by_name_and_rows_without_a_number_are_quoted(cluster: Path) -> None:
    from pyspark.sql import SparkSession

    started = SparkSession.getActiveSession()
    assert started is not None
    started.sql("CREATE DATABASE IF NOT EXISTS lake")
    started.read.parquet(str(EXPORT)).write.saveAsTable("lake.CommonSecurityLog", mode="overwrite")
    found = _scan(Given((("connections", "lake.CommonSecurityLog"),), "sentinel"), CLUSTER)
    known = _scan(Given((("connections", str(EXPORT)),)), None)

    told = [[(case.id, case.status, case.score) for case in result.cases] for result in (known, found)]
    assert told[0] == told[1] != []
    quoted = [quote for case in found.cases for quote in case.evidence]
    assert {(quote.file, quote.line) for quote in quoted} == {("lake.CommonSecurityLog", 0)}
    assert all(quote.time[:19] == quote.text[:19] for quote in quoted if quote.time)
    with pytest.raises(EvidenceError, match=r"there is no table lake\.nosuch"):
        _scan(Given((("connections", "lake.nosuch"),)), CLUSTER)


def test_java_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    from knockwatch.engines.spark import session

    def fail(*_: object) -> None:
        raise PySparkRuntimeError(errorClass="JAVA_GATEWAY_EXITED", messageParameters={})

    monkeypatch.setattr(SparkSession.Builder, "getOrCreate", fail)
    with pytest.raises(UsageError, match="needs Java 17"):
        session("local[1]")
