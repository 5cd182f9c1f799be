"""Telling Microsoft's tables from their columns, and their types."""

# ruff: noqa: DTZ001 - Kusto's datetimes are UTC without saying so

from datetime import datetime

import polars as pl
import pytest

from knockwatch.clock import Clock, zone_named
from knockwatch.microsoft import polars_schema
from knockwatch.sources._microsoft_columns import Export, recognise, typed


def _table(names: str, *types: str) -> str | None:
    export = recognise(names.split(","), types)
    return export.table if export else None


def _typed(
    column: str, values: list[object], table: str = "CommonSecurityLog", zone: str = "UTC"
) -> list[object]:
    rows = pl.DataFrame({"line": range(1, len(values) + 1), column: values}, strict=False)
    local = frozenset({column}) if zone != "UTC" else frozenset[str]()
    frame = typed(rows, Export(table, {column: column}, local), Clock(zone_named(zone)))
    assert frame.schema[column] == polars_schema(table)[column]
    return frame[column].to_list()


@pytest.mark.parametrize(
    ("names", "table"),
    [
        ("TimeGenerated,SyslogMessage", "Syslog"),
        ("TimeGenerated [UTC],Computer,ProcessName,SyslogMessage", "Syslog"),
        ("EventTime,SyslogMessage,my_own_column", "Syslog"),
        ("TimeGenerated,SourceIP,DestinationPort,DeviceAction,DeviceName,DeviceProduct", "CommonSecurityLog"),
        ("ReceiptTime,DestinationIP,AdditionalExtensions", "CommonSecurityLog"),
        ("Timestamp,DeviceName,FileName,ProcessCommandLine", "DeviceProcessEvents"),
        ("TimeGenerated,DeviceId,ProcessCommandLine", "DeviceProcessEvents"),
    ],
)
def test_a_few_columns_tell_the_table(names: str, table: str) -> None:
    assert _table(names) == table


@pytest.mark.parametrize(
    "names",
    [
        "TimeGenerated,Computer",
        "SyslogMessage,Computer",
        "TimeGenerated,SourceIP,DestinationIP,SourcePort,DestinationPort,FirewallAction,Protocol",
        "TimeGenerated,SourceIp,DestinationIp,DestinationPort,Protocol,Direction",
        "Timestamp,ActionType,LogonType,Application,DestinationPort,AccountName,DeviceName",
        "Timestamp,DeviceName,ActionType,FileName,ProcessCommandLine,RemoteUrl,RegistryKey",
        "Timestamp,AlertId,EntityType,FileName,ProcessCommandLine",
        "TimeGenerated,Computer,EventID,CommandLine,NewProcessName",
        "",
    ],
)
def test_other_tables_are_not_claimed(names: str) -> None:
    assert _table(names) is None


def test_the_type_column_decides() -> None:
    assert _table("TimeGenerated,Computer,Type", "Syslog") == "Syslog"
    assert _table("TimeGenerated,SyslogMessage,Type", "SecurityEvent") is None
    assert _table("TimeGenerated,SyslogMessage,Type", "") == "Syslog"


def test_trap_1_portals_rename_columns() -> None:
    """Trap 1: ``TimeGenerated [UTC]``, ``Timestamp [Local Time]``, a byte order mark."""
    export = recognise(
        ["\ufeffTimestamp [Local Time]", "TimeGenerated [UTC]", "DeviceName", "ProcessCommandLine"], []
    )

    assert export is not None
    assert list(export.columns.values()) == ["Timestamp", "TimeGenerated", "DeviceName", "ProcessCommandLine"]
    assert export.local == {"Timestamp"}


def test_unknown_and_repeated_columns_are_ignored() -> None:
    export = recognise(["TimeGenerated", "TimeGenerated [UTC]", "SyslogMessage", "mine"], [])

    assert export is not None
    assert dict(export.columns) == {"TimeGenerated": "TimeGenerated", "SyslogMessage": "SyslogMessage"}


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("8/17/2023, 6:52:13 AM", datetime(2023, 8, 17, 6, 52, 13)),
        ("8/17/2023, 6:52:13\u202fPM", datetime(2023, 8, 17, 18, 52, 13)),
        ("3/31/2022, 10:52:35.857 AM", datetime(2022, 3, 31, 10, 52, 35, 857000)),
        ("12/31/2022, 12:00:00 AM", datetime(2022, 12, 31)),
        ("Oct 9, 2024 2:39:28 PM", datetime(2024, 10, 9, 14, 39, 28)),
        ("2022-05-11T18:10:21.9971234Z", datetime(2022, 5, 11, 18, 10, 21, 997123)),
        ("2022-05-11T20:10:21+02:00", datetime(2022, 5, 11, 18, 10, 21)),
        ("2022-05-11 18:10:21", datetime(2022, 5, 11, 18, 10, 21)),
        ("1691735642000", datetime(2023, 8, 11, 6, 34, 2)),
        ("/Date(1691735642000)/", datetime(2023, 8, 11, 6, 34, 2)),
        ("12/31/9999, 11:59:59 PM", None),
        ("13/31/2022, 1:00:00 AM", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_trap_1_times_are_read_in_every_spelling(text: str, time: datetime | None) -> None:
    """Trap 1: times as the portals of Sentinel and Defender write them, and as APIs do."""
    assert _typed("TimeGenerated", [text]) == [time]


def test_local_times_are_in_the_configured_zone_and_others_utc() -> None:
    texts: list[object] = ["8/17/2023, 6:52:13 AM", "2023-08-17T06:52:13Z"]

    assert _typed("TimeGenerated", texts, zone="Europe/Zurich") == [
        datetime(2023, 8, 17, 4, 52, 13),
        datetime(2023, 8, 17, 6, 52, 13),
    ]
    assert _typed("TimeGenerated", texts) == [datetime(2023, 8, 17, 6, 52, 13)] * 2


def test_datetimes_lose_their_zone_but_not_their_moment() -> None:
    moments = pl.Series([datetime(2023, 8, 17, 6)], dtype=pl.Datetime("ns", "Europe/Zurich"))

    assert _typed("TimeGenerated", moments.dt.convert_time_zone("Asia/Tokyo").to_list()) == [
        moments.dt.convert_time_zone("UTC").dt.replace_time_zone(None).item()
    ]


def test_trap_4_numbers_come_as_text_and_text_as_numbers() -> None:
    """Trap 4: ports come as numbers or strings, protocol as a number; empty is nothing."""
    assert _typed("DestinationPort", ["443", " 443 ", "443.0", "", None, "x"]) == [
        443,
        443,
        443,
        None,
        None,
        None,
    ]
    assert _typed("DestinationPort", [443, None, 99999999999]) == [443, None, None]
    assert _typed("SentBytes", ["99999999999"]) == [99999999999]
    assert _typed("_BilledSize", ["1.5", "2"]) == [1.5, 2.0]
    assert _typed("Protocol", [6, None]) == ["6", ""]
    assert _typed("_IsBillable", [True, None]) == ["true", ""]
