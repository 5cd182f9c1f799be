"""The embedded engine gives stable tables whatever was read."""

import duckdb
import polars as pl
import pytest

from knockwatch.engines.embedded import Engine
from knockwatch.engines.queries import Query
from knockwatch.errors import UsageError
from knockwatch.ingest import Workspace
from knockwatch.tables import CANONICAL, schema
from tests.rows import put, us


@pytest.mark.parametrize("table", CANONICAL)
def test_a_table_nobody_filled_is_empty_and_typed(workspace: Workspace, table: str) -> None:
    with Engine(workspace) as engine:
        rows = engine.execute(engine.tables()[table])
    assert rows.is_empty()
    assert dict(rows.schema) == schema(table)


def test_columns_have_their_types_however_many_files_there_are(workspace: Workspace) -> None:
    put(workspace, "connections", [{"source_ip": "192.0.2.1", "destination_port": 22}])
    put(workspace, "connections", [{"time_us": 1, "forwarded": True}])
    with Engine(workspace) as engine:
        rows = engine.execute(engine.tables()["connections"])
    assert rows.height == 2
    assert dict(rows.schema) == schema("connections")


def test_bounds_in_time_keep_rows_that_tell_no_time(workspace: Workspace) -> None:
    times = [us("2026-11-22 10:00:00"), us("2026-11-22 11:00:00"), us("2026-11-22 12:00:00"), None]
    put(workspace, "messages", [{"time_us": time, "message": str(time)} for time in times])
    with Engine(workspace, since_us=times[1], until_us=times[2]) as engine:
        kept = engine.execute(engine.tables()["messages"])["time_us"].to_list()
    assert sorted(kept, key=str) == [times[1], None]


def test_bounds_in_time_apply_to_exported_rows(workspace: Workspace) -> None:
    moments = pl.Series(["2026-11-22 10:00:00", "2026-11-22 11:00:00", None]).str.to_datetime(time_unit="us")
    put(workspace, "Syslog", [{"TimeGenerated": moment, "SyslogMessage": str(moment)} for moment in moments])
    with Engine(workspace, since_us=us("2026-11-22 11:00:00")) as engine:
        kept = engine.execute(engine.tables()["Syslog"])["SyslogMessage"].to_list()
    assert sorted(kept) == ["2026-11-22 11:00:00", "None"]


def test_exported_tables_are_there_only_when_something_was_exported(workspace: Workspace) -> None:
    with Engine(workspace) as engine:
        assert set(engine.tables()) == set(CANONICAL)


@pytest.mark.parametrize("limit", ["much", "2", "-1GB", "2GB; DROP TABLE x"])
def test_a_memory_limit_that_is_none_is_refused(workspace: Workspace, limit: str) -> None:
    with pytest.raises(UsageError, match="memory limit"):
        Engine(workspace, memory_limit=limit)


@pytest.mark.parametrize("limit", ["500MB", "2 GiB", "1.5gb"])
def test_a_memory_limit_with_a_unit_is_taken(workspace: Workspace, limit: str) -> None:
    with Engine(workspace, memory_limit=limit, threads=1) as engine:
        assert engine.execute(engine.tables()["changes"]).is_empty()


def test_the_engine_spills_inside_the_workspace(workspace: Workspace) -> None:
    with Engine(workspace):
        assert (workspace.folder / "engine").is_dir()


@pytest.mark.parametrize(
    ("limit", "engine"),
    [("2GB", 800_000_000), ("2GiB", 947_000_000), ("2000000kb", 800_000_000), ("300MB", 256_000_000)],
)
def test_the_engine_gets_what_the_rest_of_the_program_leaves_of_the_limit(
    limit: str, engine: int, workspace: Workspace
) -> None:
    with Engine(workspace, memory_limit=limit) as made:
        told = made.execute(
            Query("SELECT current_setting('memory_limit') AS text", pl.Schema({"text": pl.String}))
        )
    number, unit = told["text"][0].split(" ")
    assert float(number) * 1024 ** ["bytes", "KiB", "MiB", "GiB"].index(unit) == pytest.approx(
        engine, rel=0.1
    )


def test_without_a_limit_the_engine_leaves_memory_to_the_rest_of_the_program(workspace: Workspace) -> None:
    sql = Query("SELECT memory_limit AS text FROM pragma_database_size()", pl.Schema({"text": pl.String}))
    with Engine(workspace) as made, duckdb.connect() as own:
        [[alone]] = own.sql(sql.sql).fetchall()
        assert made.execute(sql)["text"][0] != alone
