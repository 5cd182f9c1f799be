"""A lake's tables as ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import polars as pl
import pytest

from knockwatch.engines.lakes import View, lakes, load, mapped, tables
from knockwatch.errors import ConfigError
from knockwatch.tables import CANONICAL, OUTCOMES, schema
from tests.sources.reading import SAMPLES

SECOND_US = 1_000_000
NOON_US = 1_795_348_800 * SECOND_US
NOON = "2026-11-22 12:00:00"


def _rows(found: dict[str, ir.Table], table: str) -> list[dict[str, Any]]:
    rows: pl.DataFrame = found[table].to_polars()
    assert dict(rows.schema) == schema(table)
    return rows.sort("time_us").to_dicts()


class Duck:
    """A small lake in DuckDB."""

    def __init__(self, folder: Path) -> None:
        self.backend = ibis.duckdb.connect()
        self.folder = folder
        self.tables: dict[str, ir.Table] = {}

    def put(self, name: str, rows: pl.DataFrame) -> None:
        """Put a table there."""
        file = self.folder / f"{name}.parquet"
        rows.write_parquet(file)
        self.tables[name] = self.backend.read_parquet(str(file), table_name=name)

    def find(self, name: str) -> ir.Table | None:
        """Find a table."""
        return self.tables.get(name)


@pytest.fixture
def duck(tmp_path: Path) -> Duck:
    return Duck(tmp_path)


def _parquet(name: str) -> pl.DataFrame:
    return pl.read_parquet(SAMPLES / name)


@pytest.mark.parametrize("name", lakes())
def test_a_mapping_says_what_it_is_and_names_our_columns(name: str) -> None:
    lake = load(name)

    assert lake.title
    assert lake.reference
    assert set(lake.views) <= set(CANONICAL)
    assert "connections" in lake.views


def test_firewall_records_of_sentinel_are_connections(duck: Duck) -> None:
    duck.put("CommonSecurityLog", _parquet("microsoft-parquet/CommonSecurityLog.parquet"))

    rows = _rows(tables(load("sentinel"), duck.find), "connections")
    assert [
        (row["source_ip"], row["destination_port"], row["protocol"], row["outcome"]) for row in rows[:4]
    ] == [
        ("198.51.100.10", 7000, "tcp", "denied"),
        ("198.51.100.10", 8000, "tcp", "denied"),
        ("198.51.100.10", 9000, "tcp", "denied"),
        ("198.51.100.10", 22, "tcp", "accepted"),
    ]
    assert rows[0]["sensor"] == "srv1"
    assert rows[0]["event_count"] == 1


def test_device_tables_of_defender_give_connections_listeners_processes_and_log_ins(duck: Duck) -> None:
    names = ("DeviceNetworkEvents", "DeviceEvents", "DeviceProcessEvents", "DeviceLogonEvents")
    for name in names:
        duck.put(name, _parquet(f"microsoft-parquet/{name}.parquet"))
    found = tables(load("sentinel"), duck.find)

    connections = _rows(found, "connections")
    knock = [row for row in connections if row["source_ip"] == "198.51.100.10"]
    assert [(row["destination_port"], row["outcome"], row["protocol"]) for row in knock] == [
        (7000, "denied", "tcp"),
        (8000, "denied", "tcp"),
        (9000, "denied", "tcp"),
        (22, "accepted", "tcp"),
    ]
    assert knock[3]["time_us"] == 1_795_346_620_135_274
    assert knock[3]["forwarded"] is False
    (listener,) = _rows(found, "changes")
    assert (listener["kind"], listener["port"], listener["actor"]) == (
        "listener-opened",
        22,
        "/usr/sbin/sshd",
    )
    assert "knock -d 300 203.0.113.10 7000:tcp 8000:tcp 9000:tcp" in [
        row["command_line"] for row in _rows(found, "processes")
    ]
    assert _rows(found, "messages")[0]["message"] == (
        "Accepted authentication for root from 198.51.100.10 port 35044 ssh2"
    )


def test_nested_classes_of_ocsf_are_read(duck: Duck) -> None:
    for name in ("network_activity", "process_activity", "authentication"):
        duck.put(name, _parquet("ocsf-parquet/events.gz.parquet"))
    found = tables(load("ocsf"), duck.find)

    knock = [row for row in _rows(found, "connections") if row["source_ip"] == "198.51.100.10"]
    assert [(row["destination_port"], row["outcome"]) for row in knock] == [
        (7000, "denied"),
        (8000, "denied"),
        (9000, "denied"),
        (22, "accepted"),
    ]
    assert knock[0]["time_us"] == 1_795_346_618_710_000
    assert len(_rows(found, "processes")) == 12
    assert _rows(found, "messages")[0]["program"] == "sshd"
    (listener,) = _rows(found, "changes")
    assert (listener["port"], listener["destination_ip"]) == (22, "::")


def test_elastic_fields_may_nest_or_have_dots_in_their_names(duck: Duck) -> None:
    flat = pl.DataFrame(
        {
            "@timestamp": [NOON],
            "event.category": [["network"]],
            "event.type": [["denied", "connection"]],
            "source.ip": ["192.0.2.7"],
            "destination.ip": ["203.0.113.10"],
            "destination.port": [7000],
            "network.transport": ["TCP"],
        }
    )
    nested = pl.DataFrame(
        {
            "@timestamp": [NOON],
            "event": [{"category": "network", "action": "connection_accepted"}],
            "source": [{"ip": "192.0.2.7", "port": "40000"}],
            "destination": [{"ip": "203.0.113.10", "port": "22"}],
            "network": [{"transport": "tcp"}],
        }
    )

    duck.put("flat", flat)
    duck.put("nested", nested)
    (denied,), (accepted,) = (
        _rows(tables(load("ecs"), duck.find, {"logs": {"table": name}}), "connections")
        for name in ("flat", "nested")
    )
    assert (denied["outcome"], denied["protocol"], denied["time_us"]) == ("denied", "tcp", NOON_US)
    assert (accepted["outcome"], accepted["source_port"], accepted["destination_port"]) == (
        "accepted",
        40000,
        22,
    )


@pytest.mark.parametrize(
    ("proto", "state", "history", "outcome"),
    [
        ("tcp", "S0", "S", "unanswered"),
        ("tcp", "REJ", "Sr", "refused"),
        ("tcp", "SF", "ShADadFf", "accepted"),
        ("tcp", "OTH", "Sh", "accepted"),
        ("tcp", "OTH", "Cc", "unknown"),
        ("tcp", "SHR", "h", "unknown"),
        ("udp", "S0", "D", "unanswered"),
        ("udp", "SF", "Dd", "accepted"),
        ("icmp", "OTH", None, "unknown"),
    ],
)
def test_states_of_zeek_say_what_they_say_in_conn_log(
    duck: Duck, proto: str, state: str, history: str | None, outcome: str
) -> None:
    rows = pl.DataFrame(
        {
            "ts": [NOON_US / SECOND_US + 0.25],
            "id.orig_h": ["::ffff:192.0.2.7"],
            "id.orig_p": [8 if proto == "icmp" else 40000],
            "id.resp_h": ["2001:db8::10"],
            "id.resp_p": [0 if proto == "icmp" else 7000],
            "proto": [proto],
            "conn_state": [state],
            "history": [history],
        },
        schema_overrides={"history": pl.String()},
    )

    duck.put("conn", rows)
    (row,) = _rows(tables(load("zeek_clickhouse"), duck.find), "connections")
    assert row["outcome"] == outcome
    assert row["time_us"] == NOON_US + SECOND_US // 4
    assert (row["source_ip"], row["destination_ip"]) == ("192.0.2.7", "2001:db8::10")
    assert row["destination_port"] == (None if proto == "icmp" else 7000)


def test_a_site_renames_tables_and_columns_of_a_lake(duck: Duck) -> None:
    rows = _parquet("microsoft-parquet/DeviceNetworkEvents.parquet").rename({"RemoteIP": "remote_address"})
    duck.put("mde_network", rows)

    found = tables(
        load("sentinel"),
        duck.find,
        {"DeviceNetworkEvents": {"table": "mde_network", "RemoteIP": "remote_address"}},
    )
    assert {row["source_ip"] for row in _rows(found, "connections")} >= {"198.51.100.10"}


def test_a_site_describes_a_table_without_any_mapping(duck: Duck) -> None:
    duck.put(
        "firewall_events",
        pl.DataFrame({"at": [NOON], "src_addr": ["192.0.2.7"], "dst": ["203.0.113.10"], "what": ["denied"]}),
    )
    names = {"table": "firewall_events", "time_us": "at", "source_ip": "src_addr", "destination_ip": "dst"}

    (row,) = _rows(tables(None, duck.find, {"connections": {**names, "outcome": "what"}}), "connections")
    assert (row["time_us"], row["source_ip"], row["outcome"]) == (NOON_US, "192.0.2.7", "denied")


def test_a_missing_column_is_named() -> None:
    rows = ibis.table({"at": "string", "src": "string"}, name="t")

    with pytest.raises(
        ConfigError, match=r"t has no column for destination_ip: name it in \[tables.connections\]"
    ):
        mapped(
            rows, "connections", View("t", {"time_us": "at", "source_ip": "src", "destination_ip": "dst"}, {})
        )


def test_a_lake_without_any_of_the_tables_is_an_error() -> None:
    with pytest.raises(ConfigError, match="none of the tables"):
        tables(load("ecs"), lambda _: None)


@pytest.mark.parametrize(
    "names", [{"connections": {"table": "t", "sourceip": "a"}}, {"connections": {"colour": "a"}}]
)
def test_a_column_that_we_do_not_have_is_an_error(names: dict[str, dict[str, str]]) -> None:
    with pytest.raises(ConfigError, match="there is no column"):
        tables(load("ecs"), lambda _: None, names)


def test_an_unknown_lake_is_named() -> None:
    with pytest.raises(ConfigError, match="no mapping for a lake 'nosuch'"):
        load("nosuch")


@pytest.mark.parametrize("dialect", ["duckdb", "clickhouse", "trino", "bigquery", "snowflake"])
@pytest.mark.parametrize("name", lakes())
def test_every_mapping_compiles_for_every_engine(name: str, dialect: str) -> None:
    lake = load(name)

    for canonical, views in lake.views.items():
        for view in views:
            expression = mapped(_unbound(view, canonical), canonical, view)
            assert ibis.to_sql(expression, dialect=dialect)


_TIMES = (
    "time",
    "start_time",
    "Timestamp",
    "TimeGenerated",
    "StartTime",
    "EventTime",
    "@timestamp",
    "event.start",
    "ts",
)
_NUMBERS = ("ackets", "pkts", "ytes", "ackets_in", "ytes_in", "ackets_out", "ytes_out", "ort", "_p")


def _is_time(name: str) -> bool:
    return name in _TIMES


def _unbound(view: View, canonical: str) -> ir.Table:
    """A table that has every column that a view asks for, as text but for those that are numbers."""
    names = sorted(_columns(list(view.columns.values())) | set(view.where))
    types = {
        name: "timestamp(6)" if _is_time(name) else "int64" if name.endswith(_NUMBERS) else "string"
        for name in names
    }
    return ibis.table(types, name=canonical)


def _columns(told: Any) -> set[str]:
    """Every name of a column in what a mapping says."""
    if isinstance(told, str):
        return {told}
    if not isinstance(told, dict):
        return set().union(*map(_columns, told)) if isinstance(told, list) else set()
    found = {piece.partition("}")[0] for piece in str(told.get("text", "")).split("{")[1:]}
    for key, part in told.items():
        if key == "if":
            found |= set(part)
        elif key not in ("value", "words", "text", "unit") and not ("words" in told and key == "otherwise"):
            found |= _columns(part)
    return found


def test_outcomes_are_ours() -> None:
    for name in lakes():
        for view in load(name).views["connections"]:
            assert _outcomes(view.columns.get("outcome")) <= set(OUTCOMES)


def _outcomes(told: Any) -> set[str]:
    match told:
        case {"value": value}:
            return {value}
        case {"words": words, **rest}:
            return {*words.values(), *([rest["otherwise"]] if "otherwise" in rest else [])}
        case {"choose": branches, **rest}:
            return set().union(
                *(_outcomes(branch["then"]) for branch in branches), _outcomes(rest.get("otherwise"))
            )
        case _:
            return set()


def test_a_table_that_says_nothing_is_an_error(duck: Duck) -> None:
    duck.put("logs", pl.DataFrame({"a": ["b"]}))

    with pytest.raises(ConfigError, match="table logs has no column for time_us, source_ip, destination_ip"):
        tables(load("ecs"), duck.find)
