"""Spark: a session by its master's URL, and tables from its catalogue or from Parquet; executors need no Python."""

from __future__ import annotations

import re
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import ibis
import polars as pl

from knockwatch.engines.given import Given, Located, MissingTableError
from knockwatch.engines.queries import SPARK, Query
from knockwatch.engines.remote import Remote
from knockwatch.errors import EvidenceError, UsageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NAME = SPARK.name
_MASTER = re.compile(r"spark(?:://.+)?|local(?:\[.+\])?|local-cluster\[.+\]|yarn|k8s://.+")
_PATH = re.compile(r"[/\\*]|\.parquet$")


def is_master(url: str) -> bool:
    """Tell whether a URL is one of Spark; ``spark`` alone is the session that ``spark-submit`` configured."""
    return bool(_MASTER.fullmatch(url))


def session(url: str) -> SparkSession:
    """Open a session, or take the one there is.

    Raises
    ------
    UsageError
        If PySpark or Java is not installed.
    EvidenceError
        If the cluster does not answer.
    """
    try:
        from pyspark import SparkConf
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise UsageError("PySpark is not installed: pip install 'knockwatch[spark]'") from error
    settings = SparkConf()
    if url != "spark":
        settings.setMaster(url).setAppName("knockwatch").set("spark.ui.showConsoleProgress", "false")
    try:
        return cast("SparkSession", SparkSession.builder.config(conf=settings).getOrCreate())
    except PySparkException as error:
        if "JAVA" in str(error).upper():
            raise UsageError(
                "Spark needs Java 17 or later: install a JRE, or set JAVA_HOME to one"
            ) from error
        raise EvidenceError(f"Spark at {url} does not answer: {error}") from error
    except Exception as error:
        raise EvidenceError(
            f"Spark at {url} does not answer: {' '.join(str(error).split())[:500]}"
        ) from error


def connect(master: str, given: Given, **bounds: Any) -> Spark:
    """Take the session that is active, or begin one that ends with the engine.

    Raises
    ------
    UsageError, EvidenceError
        As `session` does.
    """
    with suppress(ImportError):
        from pyspark.sql import SparkSession

        if (active := SparkSession.getActiveSession()) is not None:
            return Spark(active, given, **bounds)
    return Spark(session(master), given, own=True, **bounds)


class Spark(Remote):
    """A Spark session; see `knockwatch.engines.remote.Remote`.

    Kept rows are checkpoints: in the executors' memory, and on their disks where that is full; or in the session's
    directory for checkpoints (``spark.checkpoint.dir``), where they outlive an executor.
    """

    def __init__(self, started: SparkSession, given: Given, *, own: bool = False, **bounds: Any) -> None:
        self._session = started
        self._own = own
        super().__init__(ibis.pyspark.connect(started), given, **bounds)
        # What follows from each condition of a signature multiplies with every column: planning takes minutes.
        started.conf.set("spark.sql.constraintPropagation.enabled", "false")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the session if it was begun for this; else forget what was kept."""
        if self._own:
            self._session.stop()
        elif error is None:
            for name in self._kept:
                self._session.catalog.dropTempView(name)

    @property
    def _keeps(self) -> bool:
        return True

    def _keep(self, name: str, query: str) -> None:
        rows = self._session.sql(query)
        # A cached table would be planned anew, with all it builds on, wherever it is read: more than memory holds.
        lasting = self._session.sparkContext.getCheckpointDir() is not None
        kept = rows.checkpoint(eager=False) if lasting else rows.localCheckpoint(eager=False)
        kept.createOrReplaceTempView(name)

    def _fetch(self, sql: str, query: Query) -> pl.DataFrame:
        del query
        return cast(pl.DataFrame, pl.from_arrow(self._session.sql(sql).toArrow()))

    def _located(self, source: str) -> Located:
        """Find a table of the catalogue, or read Parquet where it is."""
        if source not in self._known:
            reader = self._session.read.option("recursiveFileLookup", "true")
            try:
                rows = reader.parquet(source) if _PATH.search(source) else self._session.table(source)
                # Spark finds out only now whether they are there.
                name = f"given_{len(self._known)}"
                rows.createOrReplaceTempView(name)
            except Exception as error:
                raise MissingTableError(
                    f"there is no table {source}: {' '.join(str(error).split())[:300]}"
                ) from error
            self._known[source] = Located(self._backend.table(name))
        return self._known[source]
