"""What Defender's device tables say."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from knockwatch.sources._defender_events import AS_WRITTEN, log_ins, network
from knockwatch.sources._microsoft_columns import recognise

HERE, THERE = "203.0.113.10", "198.51.100.7"
EVENT: dict[str, Any] = {
    "line": 1,
    "time_us": 1,
    "time": "t",
    "DeviceName": "srv1",
    "ActionType": "ConnectionSuccess",
    "LocalIP": HERE,
    "LocalPort": "50000",
    "RemoteIP": THERE,
    "RemotePort": "22",
    "Protocol": "Tcp",
    "AdditionalFields": None,
}


def _frame(*events: dict[str, Any]) -> pl.DataFrame:
    rows = [{**EVENT, "line": number, **event} for number, event in enumerate(events, 1)]
    return pl.DataFrame(
        rows, schema_overrides=dict.fromkeys((*AS_WRITTEN, "Protocol", "AdditionalFields"), pl.String())
    )


def _connection(**event: Any) -> dict[str, Any]:
    tables, sound = network(_frame(event))
    assert sound.all()
    (row,) = tables["connections"].to_dicts()
    return row


@pytest.mark.parametrize(
    ("action", "source", "outcome"),
    [
        ("ConnectionSuccess", HERE, "accepted"),
        ("ConnectionFailed", HERE, "unanswered"),
        ("ConnectionRequest", HERE, "unknown"),
        ("InboundConnectionAccepted", THERE, "accepted"),
        ("ConnectionAttempt", THERE, "unknown"),
        ("ConnectionAcknowledged", THERE, "accepted"),
        ("FirewallInboundConnectionBlocked", THERE, "denied"),
        ("FirewallOutboundConnectionBlocked", HERE, "denied"),
        ("ConnectionFailedAggregatedReport", HERE, "unanswered"),
    ],
)
def test_an_action_says_who_began_and_what_became_of_it(action: str, source: str, outcome: str) -> None:
    row = _connection(ActionType=action)

    assert (row["source_ip"], row["outcome"], row["action"]) == (source, outcome, action)
    assert {row["source_ip"], row["destination_ip"]} == {HERE, THERE}
    assert row["forwarded"] is (False if source == THERE else None)


def test_a_datagram_that_got_out_has_no_answer() -> None:
    assert _connection(Protocol="Udp")["outcome"] == "unknown"
    assert _connection(Protocol="TcpV4")["protocol"] == "tcp"


def test_a_protocol_that_is_nowhere_told_is_taken_for_tcp() -> None:
    more = '{"Protocol": "17"}'

    assert _connection(ActionType="FirewallInboundConnectionBlocked", Protocol=None)["protocol"] == "tcp"
    assert (
        _connection(ActionType="ConnectionFailed", Protocol=None, AdditionalFields=more)["protocol"] == "udp"
    )


def test_an_inspected_connection_tells_its_direction() -> None:
    inward = _connection(
        ActionType="SshConnectionInspected", AdditionalFields=json.dumps({"direction": "In"})
    )
    outward = _connection(
        ActionType="SshConnectionInspected", AdditionalFields=json.dumps({"direction": "Out"})
    )
    silent = _connection(ActionType="ConnectionFound")

    assert (inward["source_ip"], inward["outcome"]) == (THERE, "accepted")
    assert outward["source_ip"] == HERE
    assert (silent["source_ip"], silent["outcome"]) == (HERE, "unknown")


def test_a_block_may_have_its_addresses_among_the_additional_fields() -> None:
    more = {"LocalAddress": HERE, "LocalPort": 7000, "RemoteAddress": THERE, "RemotePort": 40000}
    row = _connection(
        **dict.fromkeys(AS_WRITTEN),
        ActionType="FirewallInboundConnectionBlocked",
        AdditionalFields=json.dumps(more),
        Protocol=None,
    )

    assert (row["source_ip"], row["destination_port"], row["protocol"]) == (THERE, 7000, "tcp")


def test_reports_count_what_they_sum_up() -> None:
    row = _connection(
        ActionType="ConnectionSuccessAggregatedReport", AdditionalFields='{"uniqueEventsAggregated": 12}'
    )

    assert row["event_count"] == 12


def test_a_listener_may_be_on_any_address() -> None:
    tables, sound = network(
        _frame(
            {
                "ActionType": "ListeningConnectionCreated",
                "LocalIP": "0.0.0.0",
                "LocalPort": "22.0",
                "RemoteIP": None,
                "InitiatingProcessFolderPath": "/usr/sbin/sshd",
                "InitiatingProcessFileName": "sshd",
                "InitiatingProcessId": 700,
            }
        )
    )

    (row,) = tables["changes"].to_dicts()
    assert sound.all()
    assert (row["kind"], row["destination_ip"], row["port"], row["actor"]) == (
        "listener-opened",
        "0.0.0.0",
        22,
        "/usr/sbin/sshd",
    )


@pytest.mark.parametrize(
    "event", [{"RemotePort": "70000"}, {"RemoteIP": "example.org"}, {"LocalPort": "-1"}, {"LocalPort": "x"}]
)
def test_impossible_ends_make_a_misfit(event: dict[str, Any]) -> None:
    tables, sound = network(_frame(event, {}))

    assert sound.to_list() == [False, True]
    assert tables["connections"]["line"].to_list() == [2]


def test_what_is_no_connection_is_passed_over() -> None:
    tables, sound = network(_frame({"ActionType": "ScriptContent"}, {"ActionType": "DnsConnectionInspected"}))

    assert sound.all()
    assert all(part.is_empty() for part in tables.values())


def test_log_ins_speak_as_windows_and_as_sshd_do() -> None:
    logon = {"ActionType": "LogonSuccess", "LogonType": "RemoteInteractive", "AccountName": "alice"}
    tables, sound = log_ins(
        _frame(
            {**logon, "InitiatingProcessFileName": "svchost.exe"},
            {**logon, "InitiatingProcessFileName": "sshd", "RemotePort": "35044"},
            {**logon, "ActionType": "LogonFailed", "LogonType": "Network", "InitiatingProcessFileName": ""},
            {**logon, "RemoteIP": None, "InitiatingProcessFileName": ""},
            {**logon, "RemoteIP": "nowhere", "InitiatingProcessFileName": ""},
        )
    )

    assert tables["messages"]["message"].to_list() == [
        f"EventID=4624 LogonType=10 IpAddress={THERE} IpPort=22 TargetUserName=alice",
        f"Accepted authentication for alice from {THERE} port 35044 ssh2",
        f"EventID=4625 LogonType=3 IpAddress={THERE} IpPort=22 TargetUserName=alice",
    ]
    assert sound.to_list() == [True, True, True, True, False]


@pytest.mark.parametrize(
    ("names", "table"),
    [
        ("Timestamp,DeviceName,ActionType,RemoteIP,RemotePort", "DeviceNetworkEvents"),
        ("TimeGenerated,ActionType,LocalPort,DeviceId", "DeviceNetworkEvents"),
        ("Timestamp,ActionType,RemoteIP,RegistryKey,ProcessCommandLine", "DeviceEvents"),
        ("Timestamp,DeviceName,ActionType,LogonType,RemoteIP,AccountName", "DeviceLogonEvents"),
    ],
)
def test_a_few_columns_tell_the_device_table(names: str, table: str) -> None:
    export = recognise(names.split(","), [])

    assert export is not None
    assert export.table == table
