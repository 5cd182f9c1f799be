"""Engines that users run already, by Ibis' connection URLs: the queries go there, the candidates come back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import ibis
import polars as pl

from knockwatch.engines.given import Given, Located, MissingTableError, Part, parts, tables
from knockwatch.engines.queries import (
    CACHED,
    CANONICAL,
    DIALECTS,
    Dialect,
    Query,
    Steps,
    limited,
    unbound,
)
from knockwatch.errors import EvidenceError, KnockwatchError, UsageError

if TYPE_CHECKING:
    import ibis.expr.types as ir

_SHOWN = 500
"""Characters of what an engine complains of that are shown."""


_MADE = re.compile(rf"\b(?:{CACHED}|{CANONICAL})\w+")


class Remote:
    """An engine's tables, asked in its own SQL; a context manager that closes the connection.

    What the queries build on is kept in the engine for the connection's time where its dialect says how, and is part
    of each query where not. Nothing but candidates, quoted rows and counts is fetched.

    Parameters
    ----------
    backend
        Ibis' connection.
    given
        Which tables to read.
    since_us, until_us
        Only rows from, and before, these times (microseconds UTC), and rows that tell none.

    Raises
    ------
    UsageError
        If detections are not written for this engine.
    """

    def __init__(
        self,
        backend: Any,
        given: Given,
        *,
        since_us: int | None = None,
        until_us: int | None = None,
    ) -> None:
        if backend.name not in DIALECTS:
            raise UsageError(f"no engine {backend.name}: detections are written for {', '.join(DIALECTS)}")
        self.dialect: Dialect = DIALECTS[backend.name]
        self.fetched_bytes = 0
        self._backend = backend
        self._given = given
        self._bounds = since_us, until_us
        self._known: dict[str, Located] = {}
        self._kept: set[str] = set()
        if self.dialect.begun:
            self._run(self.dialect.begun)

    def __enter__(self) -> Self:
        """Use it in a `with` statement."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._backend.disconnect()

    @cached_property
    def parts(self) -> list[Part]:
        """What the given tables are.

        Raises
        ------
        ConfigError, EvidenceError
            If one is not there, or none of ours.
        """
        return parts(self._given, self._located, self.dialect)

    def tables(self) -> Mapping[str, ir.Table]:
        """Give the canonical tables."""
        return unbound()

    def execute(self, wanted: ir.Table | Query, steps: Steps | None = None) -> pl.DataFrame:
        """Run an expression, or the query it was written as, and fetch its rows, with the types it declares.

        Raises
        ------
        EvidenceError
            If the engine refuses it.
        """
        query = wanted if isinstance(wanted, Query) else Query.of(wanted, self.dialect)
        made = {**self._canonical, **(steps.sql if steps else {})}
        try:
            for name in steps.sql if steps and self._keeps else ():
                if name not in self._kept:
                    self._keep(name, self._sql(made[name], made))
                    self._kept.add(name)
            there = self._sql(query.sql, made)
            rows = self._fetch(there, query)
        except KnockwatchError:
            raise
        except Exception as error:
            # What an engine's driver raises is its own, and there are many.
            raise EvidenceError(f"{self.dialect.name} refused a query: {_brief(error)}") from error
        self.fetched_bytes += int(rows.estimated_size())
        return _typed(rows, query.types)

    @cached_property
    def _canonical(self) -> dict[str, str]:
        """Canonical tables as queries over the engine's own."""
        found = tables(self.parts)
        return {
            CANONICAL + name: str(self._backend.compile(limited(rows, rows.time_us, *self._bounds)))
            for name, rows in found.items()
        }

    @property
    def _keeps(self) -> bool:
        """Whether the engine keeps what queries build on."""
        return self.dialect.kept is not None

    def _keep(self, name: str, query: str) -> None:
        """Keep the rows of a query."""
        assert self.dialect.kept is not None
        self._run(self.dialect.kept.format(name=self.dialect.quoted(name), query=query))

    def _sql(self, query: str, made: Mapping[str, str]) -> str:
        """Put what a query reads before it, unless the engine keeps it."""
        needed = [name for name in _needed(query, made) if name not in self._kept]
        if not needed:
            return query
        before = ", ".join(f"{self.dialect.quoted(name)} AS ({made[name]})" for name in needed)
        return f"WITH {before} SELECT * FROM ({query}) AS {self.dialect.quoted('asked')}"  # noqa: S608 - ours

    def _run(self, sql: str) -> None:
        """Run a statement that gives no rows."""
        self._backend.raw_sql(sql)

    def _fetch(self, sql: str, query: Query) -> pl.DataFrame:
        """Fetch the rows of a query."""
        asked = self._backend.sql(sql, schema=ibis.Schema.from_polars(query.types), dialect=self.dialect.name)
        return cast(pl.DataFrame, pl.from_arrow(asked.to_pyarrow()))

    def _located(self, source: str) -> Located:
        """Find a table by its name, which may tell its catalogue and database."""
        if source not in self._known:
            *where, name = source.split(".")
            try:
                rows = self._backend.table(
                    name, database=tuple(where) if len(where) > 1 else "".join(where) or None
                )
            except Exception as error:
                raise MissingTableError(f"there is no table {source}: {_brief(error)}") from error
            self._known[source] = Located(rows)
        return self._known[source]


def connect(url: str, given: Given, **bounds: int | None) -> Remote:
    """Connect to an engine by its URL, as ``clickhouse://user@host/database``, or open a Spark session.

    Raises
    ------
    UsageError
        If there is no such engine, or what speaks to it is not installed.
    EvidenceError
        If it does not answer.
    """
    from knockwatch.engines import spark

    if spark.is_master(url):
        return spark.connect(url, given, **bounds)
    scheme = url.partition("://")[0]
    if "://" not in url or scheme not in {*DIALECTS, *(f"{name}s" for name in DIALECTS)}:
        urls = ", ".join(f"{name}://…" for name in DIALECTS if name != spark.NAME)
        raise UsageError(f"no engine {scheme!r}: write spark://HOST:PORT, local[2], {urls}")
    try:
        return Remote(ibis.connect(url), given, **bounds)
    except ImportError as error:
        raise UsageError(
            f"what speaks to {scheme} is not installed: pip install 'ibis-framework[{scheme}]'"
        ) from error
    except KnockwatchError:
        raise
    except Exception as error:
        raise EvidenceError(f"{scheme} does not answer: {_brief(error)}") from error


def _typed(rows: pl.DataFrame, types: pl.Schema) -> pl.DataFrame:
    """Give columns the types that were declared; ClickHouse forgets what the fields of a struct are called."""
    if rows.columns != types.names():
        rows.columns = types.names()
    named = [
        pl.col(name).list.eval(pl.element().struct.rename_fields([field.name for field in kind.inner.fields]))
        for name, kind in types.items()
        if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct)
    ]
    return rows.with_columns(named).cast(types)


def _needed(query: str, made: Mapping[str, str]) -> Iterator[str]:
    """Name what a query reads, each after what it builds on itself."""
    seen: set[str] = set()

    def visit(sql: str) -> Iterator[str]:
        for name in _MADE.findall(sql):
            if name in made and name not in seen:
                seen.add(name)
                yield from visit(made[name])
                yield name

    yield from visit(query)


def _brief(error: Exception) -> str:
    """Say in a line what an engine complains of."""
    return " ".join(str(error).split())[:_SHOWN]
