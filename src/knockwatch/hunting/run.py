"""Hunts on local evidence: KQL, translated by duckdb-kql, over the views that evidence makes; nothing of it is shown.

duckdb-kql is no Kusto. Known differences, none of which decides a row of the hunts that are shipped:

- `dcount` is exact, and an estimate in Kusto, which agrees for the few ports of a run;
- `make_set` and `make_list` know no bound, and keep no order: the hunts sort what they collect by its time;
- `take_any` takes another row, and rows that tie in `arg_min` and `arg_max` may be chosen differently;
- times have microseconds, and ticks of 100 ns in Kusto;
- regular expressions are RE2 on both sides, but compare some letters beyond ASCII differently regardless of case;
- `serialize`, `prev`, `next`, `scan`, `partition`, `mv-apply`, `minif` and `ipv4_is_in_range` are refused, so that
  the hunts find sessions by joins instead.
"""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from knockwatch.engines.embedded import Engine
from knockwatch.hunting import HuntError, tables_of
from knockwatch.ingest import Workspace
from knockwatch.microsoft import TABLES
from knockwatch.views import views

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_INSTALL = "hunting needs duckdb-kql: pip install 'knockwatch[hunt]'"
_PLACE = re.compile(r" at (\d+):(\d+)")


def run_kql(
    text: str,
    name: str,
    workspace: Workspace,
    *,
    memory_limit: str | None = None,
    since_us: int | None = None,
    until_us: int | None = None,
) -> pl.DataFrame:
    """Run a query in KQL over Microsoft's tables as local evidence fills them.

    Parameters
    ----------
    text, name
        The query, and what to call it in an error.
    workspace
        What was read.
    memory_limit, since_us, until_us
        As for `knockwatch.engines.embedded.Engine`.

    Returns
    -------
    polars.DataFrame
        The query's rows, in its order.

    Raises
    ------
    HuntError
        If duckdb-kql is not installed, or the query is no KQL, or asks for what there is not or cannot be run here.
    """
    missing = [table for table in tables_of(text) if table not in TABLES]
    if missing:
        raise HuntError(
            f"asks {', '.join(missing)}, which local evidence does not fill: there are {', '.join(TABLES)}",
            path=name,
        )
    with TemporaryDirectory(prefix="hunt-", dir=workspace.folder) as folder:
        with Engine(workspace, memory_limit=memory_limit, since_us=since_us, until_us=until_us) as engine:
            for view, rows in views(engine.tables()).items():
                engine.write(rows, Path(folder) / f"{view}.parquet")
        return _translated(text, name, Path(folder), memory_limit)


def _translated(text: str, name: str, folder: Path, memory_limit: str | None) -> pl.DataFrame:
    """Run a query over the files of the views."""
    try:
        import duckdb_kql
        from duckdb_kql.errors import KqlError
    except ImportError as error:
        raise HuntError(_INSTALL) from error
    import duckdb

    config: dict[str, Any] = {"temp_directory": str(folder)}
    if memory_limit is not None:
        config["memory_limit"] = memory_limit
    connection: DuckDBPyConnection = duckdb_kql.connect(config=config)
    try:
        for view in TABLES:
            connection.read_parquet(str(folder / f"{view}.parquet")).create_view(view)
        # A query asks and changes nothing: `.drop` and its kin are refused.
        result = duckdb_kql.kql(connection, text, allow_write=False)
        return cast(pl.DataFrame, pl.from_arrow(result.to_arrow_table()))
    except (KqlError, duckdb.Error) as error:
        raise HuntError(*_told(str(error)), path=name, line=_line(str(error))) from error
    finally:
        connection.close()


def _told(message: str) -> tuple[str]:
    """Say an engine's error in one line."""
    first = message.strip().partition("\n")[0]
    return (f"cannot be run: {_PLACE.sub('', first)}",)


def _line(message: str) -> int | None:
    """Find the line that an error names."""
    place = _PLACE.search(message)
    return int(place[1]) if place else None
