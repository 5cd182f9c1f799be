"""The embedded engine: DuckDB, through Ibis, over Parquet files: a workspace's, or tables that are given.

It writes nothing of its own.
"""

from __future__ import annotations

import glob
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import duckdb
import ibis
import polars as pl

from knockwatch.engines import memory_bytes
from knockwatch.engines.given import FILE, LINE, Given, Located, MissingTableError, Part, parts, tables
from knockwatch.engines.queries import CANONICAL as CANONICAL_NAME
from knockwatch.engines.queries import DUCKDB, Query, Steps, kinds, limited, unbound
from knockwatch.errors import EvidenceError
from knockwatch.ingest import EXPORTED, Workspace
from knockwatch.tables import CANONICAL

if TYPE_CHECKING:
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


class Engine:
    """DuckDB over one workspace, or over Parquet files where they are; a context manager that closes the connection.

    Parameters
    ----------
    workspace
        Where the tables are, and where the engine spills to.
    given
        Parquet files that are read in place of the workspace's, by canonical or a lake's names.
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

    dialect = DUCKDB

    def __init__(
        self,
        workspace: Workspace,
        *,
        given: Given | None = None,
        memory_limit: str | None = None,
        threads: int | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
    ) -> None:
        told = memory_bytes(memory_limit) if memory_limit is not None else None
        self._workspace = workspace
        self._given = given
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
        self._known: dict[str, Located] = {}
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
        if self._given:
            return unbound()
        exported = {name: self._exported(name) for name in EXPORTED if self._has(name)}
        return {**unbound(), **exported}

    @cached_property
    def parts(self) -> list[Part]:
        """What the given tables are; none where a workspace is read."""
        return parts(self._given, self._located, DUCKDB) if self._given else []

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
            given = tables(self.parts) if self.parts else {}
            for name in CANONICAL:
                rows = given[name] if given else self._canonical(name)
                self._backend.create_view(
                    CANONICAL_NAME + name, limited(rows, rows.time_us, self._since_us, self._until_us)
                )

    def _canonical(self, name: str) -> ir.Table:
        """Give one canonical table of the workspace."""
        types = kinds(name)
        if not self._has(name):
            return self._backend.create_table(f"empty_{name}", schema=ibis.schema(types))
        found = self._read(name, f"read_{name}")
        lacking = {column: ibis.null(kind) for column, kind in types.items() if column not in found.columns}
        return found.mutate(**lacking).select(*types).cast(types)

    def _located(self, source: str) -> Located:
        """Give Parquet files as a table that knows where its rows stand."""
        if source in self._known:
            return self._known[source]
        files, name = _files(source), f"given_{len(self._known)}"
        listed = ", ".join(map(_quoted, files))
        try:
            rows = f"read_parquet([{listed}], union_by_name = true)"
            place = f"file_index::INTEGER AS {FILE}, file_row_number + 1 AS {LINE}"
            # The files' names are escaped, all else is ours.
            self._backend.con.execute(f"CREATE VIEW {name} AS SELECT *, {place} FROM {rows}")  # noqa: S608
        except duckdb.Error as error:
            raise EvidenceError(f"is no Parquet: {error}", path=source) from error
        self._known[source] = Located(self._backend.table(name), tuple(files))
        return self._known[source]

    def _exported(self, name: str) -> ir.Table:
        """Give the rows exported from one of Microsoft's tables, limited to the wanted time."""
        rows = self._read(name, f"exported_{name}")
        column = _EVENT_TIME[name]
        if column not in rows.columns:
            return rows
        time: Any = rows[column]
        return limited(rows, time.cast("timestamp(6)"), self._since_us, self._until_us)

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


def _files(source: str) -> list[str]:
    """List the Parquet files of a file, a folder (with all below it) or a glob; object storage is DuckDB's to list."""
    if "://" in source:
        return [source]
    if Path(source).is_dir():
        found = [str(path) for path in Path(source).rglob("*.parquet")]
    else:
        found = [source] if Path(source).is_file() else glob.glob(source, recursive=True)
    if not found:
        raise MissingTableError(
            "there is no such file, nor folder or glob with Parquet files; a table of an engine needs its --engine",
            path=source,
        )
    return sorted(found)


def _quoted(file: str) -> str:
    """Write a file's name as SQL does; what DuckDB would take for a glob in it is put in brackets."""
    escaped = file if "://" in file else glob.escape(file)
    return "'" + escaped.replace("'", "''") + "'"
