"""The embedded engine: DuckDB, through Ibis, over the Parquet files of a workspace. It writes nothing of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import ibis
import ibis.expr.datatypes as dt
import polars as pl

from knockwatch.engines import memory_bytes
from knockwatch.ingest import EXPORTED, Workspace
from knockwatch.tables import CANONICAL, schema

if TYPE_CHECKING:
    from pathlib import Path

    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

SPILL = "engine"
"""Subfolder of the workspace for what does not fit in memory."""
_GROUP_VALUES = 2_000_000
"""Values in a row group of what is written: DuckDB holds one for each thread, and takes many rows where nobody says."""
_GROUP_ROWS_LEAST = 2_048
"""Rows that DuckDB handles together: a smaller group is none."""
RESERVED_BYTES = 1_200_000_000
"""Of the memory limit, for all that is not the engine's: parsed batches, fetched candidates, findings and cases.

Measured on 8 and 20 million rows, beside what DuckDB itself counts.
"""
LEAST_BYTES = 256_000_000
"""What the engine gets whatever the limit: it spills, but not everything, and with less it would give up."""
_SELECT = "SELECT * FROM read_parquet([{files}], union_by_name = true, {options})"
_EVENT_TIME = {
    "Syslog": "TimeGenerated",
    "CommonSecurityLog": "TimeGenerated",
    "DeviceProcessEvents": "Timestamp",
}
_TYPES: Mapping[pl.DataType, str] = {
    pl.String(): "string",
    pl.Int64(): "int64",
    pl.Int32(): "int32",
    pl.Float64(): "float64",
    pl.Boolean(): "boolean",
}


@dataclass(frozen=True)
class Query:
    """An expression as SQL, and the types of its columns."""

    sql: str
    types: pl.Schema

    @classmethod
    def of(cls, expression: ir.Table) -> Query:
        """Write an expression over unbound tables, which takes Python longer than many queries take to run."""
        return cls(_writer().compile(expression), pl.Schema(expression.schema().to_polars()))


class Steps:
    """What queries build on: tables that are computed once, named by their own SQL, so that equal ones are one."""

    def __init__(self, sql: Mapping[str, str] | None = None) -> None:
        self.sql = dict(sql or {})

    def cached(self, expression: ir.Table) -> ir.Table:
        """Add a step, and give the table that it will make."""
        sql = _writer().compile(expression)
        name = f"cached_{blake2b(sql.encode(), digest_size=8).hexdigest()}"
        self.sql.setdefault(name, sql)
        return ibis.table(expression.schema(), name=name)


class Engine:
    """DuckDB over one workspace; a context manager that closes the connection.

    Parameters
    ----------
    workspace
        Where the tables are, and where the engine spills to.
    memory_limit
        Bound on the memory of the whole program, as ``2GB``, of which the engine gets what others leave; None for 80 %
        of the machine's.
    threads
        How many it uses; None for all cores.
    since_us, until_us
        Only rows from, and before, these times (microseconds UTC). Rows that tell no time stay: nobody knows
        that they lie outside.

    Raises
    ------
    UsageError
        If the memory limit is none.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        memory_limit: str | None = None,
        threads: int | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
    ) -> None:
        told = memory_bytes(memory_limit) if memory_limit is not None else None
        self._workspace = workspace
        self._since_us = since_us
        self._until_us = until_us
        spill = workspace.folder / SPILL
        spill.mkdir(parents=True, exist_ok=True)
        settings: dict[str, Any] = {"temp_directory": str(spill), "preserve_insertion_order": False}
        if threads is not None:
            settings["threads"] = threads
        self._backend: Backend = ibis.duckdb.connect(":memory:", **settings)
        self._backend.raw_sql("SET TimeZone = 'UTC'")
        # DuckDB's own default is 80 % of what the machine, or its container, has.
        whole = told or memory_bytes(
            self._backend.con.sql("SELECT current_setting('memory_limit')").fetchall()[0][0]
        )
        self._backend.raw_sql(f"SET memory_limit = '{max(whole - RESERVED_BYTES, LEAST_BYTES)}B'")
        self._steps: set[str] = set()
        self._made = False

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

    def tables(self) -> dict[str, ir.Table]:
        """Give the tables.

        Returns
        -------
        dict
            `connections`, `processes`, `messages` and `changes` with the types of `knockwatch.tables`, whatever is
            read, by now or later, before anything is executed; and those of Microsoft's tables, under their names,
            that rows were exported from by now.
        """
        exported = {name: self._exported(name) for name in EXPORTED if self._has(name)}
        return {**unbound(), **exported}

    def execute(self, wanted: ir.Table | Query, steps: Steps | None = None) -> pl.DataFrame:
        """Run an expression, or the query it was written as, and fetch its rows, with the types it declares.

        Parameters
        ----------
        steps
            What it builds on; a step is computed when it is first needed, and kept.
        """
        query = wanted if isinstance(wanted, Query) else Query.of(wanted)
        self._prepare()
        for name, sql in steps.sql.items() if steps else ():
            if name not in self._steps:
                self._backend.con.execute(f"CREATE TEMP TABLE {name} AS {sql}")
                self._steps.add(name)
        # Ibis's own way to Polars loads pandas first, which takes longer than most queries.
        rows = pl.from_arrow(self._backend.con.sql(query.sql).to_arrow_table())
        return cast(pl.DataFrame, rows).cast(query.types)

    def write(self, expression: ir.Table, path: Path) -> None:
        """Write an expression's rows to a Parquet file, streamed by the engine."""
        rows = max(_GROUP_VALUES // len(expression.columns), _GROUP_ROWS_LEAST)
        self._prepare()
        self._backend.con.sql(self._backend.compile(expression)).write_parquet(str(path), row_group_size=rows)

    def _prepare(self) -> None:
        """Make the canonical tables, once there is what they hold."""
        if not self._made:
            self._made = True
            for name in CANONICAL:
                self._backend.create_view(name, self._canonical(name))

    def _canonical(self, name: str) -> ir.Table:
        """Give one canonical table, limited to the wanted time."""
        types = _schema(name)
        if not self._has(name):
            return self._backend.create_table(f"empty_{name}", schema=ibis.schema(types))
        found = self._read(name, f"read_{name}")
        lacking = {column: ibis.null(kind) for column, kind in types.items() if column not in found.columns}
        rows = found.mutate(**lacking).select(*types).cast(types)
        return self._limited(rows, rows.time_us)

    def _exported(self, name: str) -> ir.Table:
        """Give the rows exported from one of Microsoft's tables, limited to the wanted time."""
        rows = self._read(name, f"exported_{name}")
        column = _EVENT_TIME[name]
        if column not in rows.columns:
            return rows
        time: Any = rows[column]
        return self._limited(rows, time.cast("timestamp(6)"))

    def _has(self, table: str) -> bool:
        """Tell whether there is any row of a table."""
        return bool(self._workspace.files(table) or self._workspace.numbered(table))

    def _read(self, table: str, name: str) -> ir.Table:
        """Read the Parquet files of a table, whose columns may differ, as a view of that name."""
        parts = [
            _SELECT.format(files=", ".join(_quoted(str(file)) for file in files), options=options)
            for files, options in (
                (self._workspace.files(table), "hive_partitioning = false"),
                (self._workspace.numbered(table), "hive_partitioning = true, hive_types = {'file': INTEGER}"),
            )
            if files
        ]
        self._backend.raw_sql(f"CREATE TEMP VIEW {name} AS {' UNION ALL BY NAME '.join(parts)}")
        return self._backend.table(name)

    def _limited(self, rows: ir.Table, time: Any) -> ir.Table:
        """Keep rows of the wanted time and rows without one."""
        wanted = []
        for bound, later in ((self._since_us, True), (self._until_us, False)):
            if bound is None:
                continue
            limit: Any = ibis.literal(bound)
            if time.type().is_timestamp():
                limit = (ibis.timestamp("1970-01-01 00:00:00") + limit.as_interval("us")).cast("timestamp(6)")
            wanted.append(time.isnull() | ((time >= limit) if later else (time < limit)))
        return rows.filter(*wanted) if wanted else rows


def _quoted(text: str) -> str:
    """Write a text as SQL does."""
    return "'" + text.replace("'", "''") + "'"


def _schema(name: str) -> dict[str, str]:
    """Give the types of a canonical table as Ibis names them."""
    return {column: _TYPES[dtype] for column, dtype in schema(name).items()}


def unbound() -> dict[str, ir.Table]:
    """Give the canonical tables, of no engine in particular."""
    return {name: ibis.table(_schema(name), name=name) for name in CANONICAL}


def hashed(text: Any) -> Any:
    """Hash a text to 64 bits; Ibis's own hash is made of a string of bits, which costs ten times as much."""
    return _builtin_hash()(text)


@cache
def _builtin_hash() -> Any:
    """Declare DuckDB's function to Ibis."""

    def of(text: str) -> dt.UInt64:
        raise NotImplementedError

    return ibis.udf.scalar.builtin(of, name="hash")


@cache
def _writer() -> Backend:
    """Give what writes expressions as DuckDB's SQL; it holds no table."""
    return ibis.duckdb.connect(":memory:")
