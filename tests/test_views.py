"""Microsoft's tables, with literal values of what each row of evidence becomes."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from knockwatch.engines.embedded import Engine
from knockwatch.ingest import EXPORTED, Workspace
from knockwatch.microsoft import columns, polars_schema
from knockwatch.tables import CANONICAL, schema
from knockwatch.views import export, views
from tests.rows import put, us

MOMENT = datetime.fromisoformat("2026-11-22 11:23:38.731627")
MICROSECONDS = us("2026-11-22 11:23:38.731627")

NETFILTER = {
    "time_us": MICROSECONDS,
    "time": "2026-11-22T11:23:38.731627+00:00",
    "source_ip": "198.51.100.10",
    "source_port": 57292,
    "destination_ip": "203.0.113.10",
    "destination_port": 7000,
    "protocol": "tcp",
    "outcome": "denied",
    "action": "DROP",
    "tcp_flags": "SYN",
    "event_count": 1,
    "bytes_sent": 60,
    "sensor": "srv1",
    "vendor": "Linux",
    "product": "netfilter",
    "rule": "IPT-DROP",
}


def rows_of(workspace: Workspace, view: str) -> list[dict[str, Any]]:
    with Engine(workspace) as engine:
        return engine.execute(views(engine.tables())[view]).to_dicts()


def said(row: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a row says nothing in."""
    return {name: value for name, value in row.items() if value not in {None, ""}}


@pytest.mark.parametrize("view", EXPORTED)
def test_a_view_has_exactly_microsofts_columns_order_and_types(workspace: Workspace, view: str) -> None:
    with Engine(workspace) as engine:
        rows = engine.execute(views(engine.tables())[view])
    assert rows.columns == list(columns(view))
    assert dict(rows.schema) == polars_schema(view)


def test_a_netfilter_line_is_a_row_of_syslog(workspace: Workspace) -> None:
    put(
        workspace,
        "messages",
        [
            {
                "time_us": MICROSECONDS,
                "host": "srv1",
                "facility": "kern",
                "severity": "warning",
                "program": "kernel",
                "message": "IPT-DROP: IN=eth0 OUT= SRC=198.51.100.10",
            }
        ],
    )
    assert [said(row) for row in rows_of(workspace, "Syslog")] == [
        {
            "TimeGenerated": MOMENT,
            "EventTime": MOMENT,
            "Computer": "srv1",
            "HostName": "srv1",
            "Facility": "kern",
            "SeverityLevel": "warning",
            "SyslogMessage": "IPT-DROP: IN=eth0 OUT= SRC=198.51.100.10",
            "ProcessName": "kernel",
            "Type": "Syslog",
        }
    ]


def test_a_netfilter_line_is_a_row_of_commonsecuritylog(workspace: Workspace) -> None:
    put(workspace, "connections", [NETFILTER])
    assert [said(row) for row in rows_of(workspace, "CommonSecurityLog")] == [
        {
            "TimeGenerated": MOMENT,
            "DeviceVendor": "Linux",
            "DeviceProduct": "netfilter",
            "Activity": "IPT-DROP",
            "DeviceAction": "DROP",
            "EventCount": 1,
            "DestinationPort": 7000,
            "DestinationIP": "203.0.113.10",
            "DeviceName": "srv1",
            "SentBytes": 60,
            "Protocol": "TCP",
            "SourcePort": 57292,
            "SourceIP": "198.51.100.10",
            "Computer": "srv1",
            "Type": "CommonSecurityLog",
        }
    ]


@pytest.mark.parametrize(
    ("action", "outcome", "expected"),
    [
        ("reset-both", "denied", "reset-both"),
        (None, "denied", "Deny"),
        ("", "denied", "Deny"),
        (None, "refused", "Reject"),
        (None, "accepted", "Allow"),
        (None, "unanswered", ""),
        (None, "unknown", ""),
        (None, None, ""),
    ],
)
def test_the_action_is_the_original_word_or_follows_from_the_outcome(
    workspace: Workspace, action: str | None, outcome: str | None, expected: str
) -> None:
    put(workspace, "connections", [{**NETFILTER, "action": action, "outcome": outcome}])
    assert [row["DeviceAction"] for row in rows_of(workspace, "CommonSecurityLog")] == [expected]


@pytest.mark.parametrize(
    ("protocol", "expected"), [("udp", "UDP"), ("icmp", "ICMP"), ("icmp6", "ICMPv6"), (None, "")]
)
def test_protocols_are_written_as_devices_write_them(
    workspace: Workspace, protocol: str | None, expected: str
) -> None:
    put(workspace, "connections", [{**NETFILTER, "protocol": protocol}])
    assert [row["Protocol"] for row in rows_of(workspace, "CommonSecurityLog")] == [expected]


def test_a_process_is_a_row_of_deviceprocessevents(workspace: Workspace) -> None:
    put(
        workspace,
        "processes",
        [
            {
                "time_us": MICROSECONDS,
                "host": "ws1",
                "user": "alice",
                "image": "/usr/bin/knock",
                "command_line": "knock 203.0.113.10 7000 8000",
                "pid": 4000000000,
                "parent_image": r"C:\Windows\cmd.exe",
                "parent_command_line": "cmd.exe /c x",
                "parent_pid": 7,
            }
        ],
    )
    assert [said(row) for row in rows_of(workspace, "DeviceProcessEvents")] == [
        {
            "AccountName": "alice",
            "ActionType": "ProcessCreated",
            "DeviceName": "ws1",
            "FileName": "knock",
            "FolderPath": "/usr/bin/knock",
            "InitiatingProcessCommandLine": "cmd.exe /c x",
            "InitiatingProcessFileName": "cmd.exe",
            "InitiatingProcessFolderPath": r"C:\Windows\cmd.exe",
            "ProcessCommandLine": "knock 203.0.113.10 7000 8000",
            "Type": "DeviceProcessEvents",
            "InitiatingProcessId": 7,
            "ProcessId": 4000000000,
            "ProcessCreationTime": MOMENT,
            "TimeGenerated": MOMENT,
            "Timestamp": MOMENT,
        }
    ]


def test_strings_are_empty_and_never_null(workspace: Workspace) -> None:
    for table in CANONICAL:
        put(workspace, table, [{"time_us": None}])
    for view in EXPORTED:
        [row] = rows_of(workspace, view)
        strings = {row[name] for name, kind in columns(view).items() if kind == "string"}
        assert strings - {"ProcessCreated"} == {"", view}


def test_a_number_that_does_not_fit_its_column_is_null_and_loses_no_row(workspace: Workspace) -> None:
    put(workspace, "messages", [{"pid": 99_999_999_999, "message": "hostile"}])
    assert [(row["ProcessID"], row["SyslogMessage"]) for row in rows_of(workspace, "Syslog")] == [
        (None, "hostile")
    ]


def test_exported_rows_stand_verbatim_and_once(workspace: Workspace) -> None:
    exported = {
        "TimeGenerated": MOMENT,
        "SourceIP": "192.0.2.9",
        "DestinationPort": 81,
        "DeviceAction": "deny",
    }
    put(workspace, "CommonSecurityLog", [{**exported, "_ItemId": "a1", "DeviceName": None}])
    put(
        workspace,
        "connections",
        [{**NETFILTER, "exported": True}, {**NETFILTER, "exported": False}, NETFILTER],
    )
    rows = [said(row) for row in rows_of(workspace, "CommonSecurityLog")]
    assert {**exported, "_ItemId": "a1", "Type": "CommonSecurityLog"} in rows
    assert len(rows) == 3


def test_exported_values_are_brought_to_microsofts_types(workspace: Workspace) -> None:
    put(
        workspace,
        "CommonSecurityLog",
        [
            {"TimeGenerated": "2026-11-22 11:23:38.731627", "DestinationPort": "7000", "SourcePort": "n/a"},
            {"TimeGenerated": "yesterday", "DestinationPort": "", "SourcePort": "1"},
        ],
    )
    rows = {row["SourcePort"]: row for row in rows_of(workspace, "CommonSecurityLog")}
    assert (rows[None]["TimeGenerated"], rows[None]["DestinationPort"]) == (MOMENT, 7000)
    assert (rows[1]["TimeGenerated"], rows[1]["DestinationPort"]) == (None, None)


def test_exported_times_with_a_zone_become_utc_without_one(workspace: Workspace) -> None:
    aware = pl.Series([MOMENT]).dt.replace_time_zone("Europe/Zurich").to_list()
    put(workspace, "Syslog", [{"TimeGenerated": aware[0]}], {"TimeGenerated": pl.Datetime("us", "UTC")})
    assert [row["TimeGenerated"] for row in rows_of(workspace, "Syslog")] == [MOMENT - timedelta(hours=1)]


def test_export_writes_every_table_and_view_with_its_types(workspace: Workspace, tmp_path: Path) -> None:
    put(workspace, "connections", [NETFILTER])
    written = export(workspace, tmp_path / "out")
    assert {path.name for path in written} == {f"{name}.parquet" for name in (*CANONICAL, *EXPORTED)}
    for name in CANONICAL:
        assert dict(pl.read_parquet_schema(tmp_path / "out" / f"{name}.parquet")) == schema(name)
    for name in EXPORTED:
        assert dict(pl.read_parquet_schema(tmp_path / "out" / f"{name}.parquet")) == polars_schema(name)
    assert pl.read_parquet(tmp_path / "out" / "CommonSecurityLog.parquet")["DestinationPort"].to_list() == [
        7000
    ]


def test_export_honours_the_bounds_in_time(workspace: Workspace, tmp_path: Path) -> None:
    put(workspace, "connections", [NETFILTER, {**NETFILTER, "time_us": MICROSECONDS + 1}])
    export(workspace, tmp_path, since_us=MICROSECONDS + 1)
    assert pl.read_parquet(tmp_path / "CommonSecurityLog.parquet").height == 1


def test_a_table_of_many_columns_is_written_in_groups_of_few_rows(
    workspace: Workspace, tmp_path: Path
) -> None:
    """The engine holds a group for each thread before it writes it: it must not grow with the columns."""
    put(workspace, "connections", [{**NETFILTER, "line": line} for line in range(40_000)])
    export(workspace, tmp_path)

    for name in ("connections", "CommonSecurityLog"):
        written = pq.read_metadata(tmp_path / f"{name}.parquet")
        groups = [written.row_group(index).num_rows for index in range(written.num_row_groups)]
        assert sum(groups) == 40_000
        assert max(groups) * written.num_columns < 3_000_000
