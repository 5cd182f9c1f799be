"""The schemas of Microsoft's tables."""

import polars as pl
import pytest

from knockwatch.microsoft import SchemaError, cef_keys, columns, polars_schema


@pytest.mark.parametrize(
    ("table", "count"), [("CommonSecurityLog", 164), ("Syslog", 22), ("DeviceProcessEvents", 47)]
)
def test_a_table_has_all_of_its_columns(table: str, count: int) -> None:
    assert len(columns(table)) == count
    assert list(polars_schema(table)) == list(columns(table))


def test_types_are_those_of_the_published_schema() -> None:
    kinds = columns("CommonSecurityLog")

    assert kinds["TimeGenerated"] == "datetime"
    assert kinds["SourcePort"] == kinds["DestinationPort"] == kinds["EventCount"] == "int"
    assert kinds["SentBytes"] == "long"
    assert kinds["ReceiptTime"] == kinds["RemotePort"] == "string"
    assert columns("DeviceProcessEvents")["AdditionalFields"] == "dynamic"


def test_types_become_ours() -> None:
    types = polars_schema("CommonSecurityLog")

    assert types["TimeGenerated"] == pl.Datetime("us")
    assert types["SourcePort"] == pl.Int32
    assert types["SentBytes"] == pl.Int64
    assert types["MaliciousIPLatitude"] == pl.Float64
    assert types["ReceiptTime"] == pl.String


def test_an_unknown_table_is_named_in_the_error() -> None:
    with pytest.raises(SchemaError, match="no table Heartbeat"):
        columns("Heartbeat")


@pytest.mark.parametrize(
    ("key", "column"),
    [
        ("act", "DeviceAction"),
        ("dvchost", "DeviceName"),
        ("cnt", "EventCount"),
        ("in", "ReceivedBytes"),
        ("deviceexternalid", "DeviceExternalID"),
        ("cs1label", "DeviceCustomString1Label"),
        ("flexstring1", "FlexString1"),
        ("devicecustomdate1label", "DeviceCustomDate1Label"),
    ],
)
def test_a_cef_key_has_its_column(key: str, column: str) -> None:
    assert cef_keys()[key] == column


@pytest.mark.parametrize("key", ["start", "end", "reason", "cat", "device vendor(header)"])
def test_a_key_without_a_column_has_none(key: str) -> None:
    """Sentinel keeps these in AdditionalExtensions."""
    assert key not in cef_keys()


def test_every_cef_column_exists() -> None:
    assert set(cef_keys().values()) <= set(columns("CommonSecurityLog"))
