"""Falcon's events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from knockwatch.sources.crowdstrike_fdr import SOURCE
from tests.sources.reading import SAMPLES, Read, read, read_text

EVENT: dict[str, Any] = {
    "event_simpleName": "NetworkConnectIP4",
    "aid": "4d92d2adf9009775a446ce0fe2689915",
    "timestamp": "1795348801000",
    "ContextTimeStamp": "1795348800.123",
    "LocalAddressIP4": "203.0.113.10",
    "LocalPort": "50000",
    "RemoteAddressIP4": "198.51.100.7",
    "RemotePort": "22",
    "Protocol": "6",
    "ConnectionDirection": "0",
}


def _read(folder: Path, *events: dict[str, Any]) -> Read:
    return read_text(SOURCE, folder, "".join(json.dumps(event) + "\n" for event in events))


@pytest.mark.parametrize(
    ("fields", "source", "outcome"),
    [
        ({}, "203.0.113.10", "unknown"),
        ({"ConnectionDirection": "1"}, "198.51.100.7", "unknown"),
        ({"event_simpleName": "NetworkReceiveAcceptIP4"}, "198.51.100.7", "accepted"),
        ({"event_simpleName": "NetworkReceiveAcceptIP4", "Protocol": "17"}, "198.51.100.7", "unknown"),
    ],
)
def test_an_event_says_who_began(tmp_path: Path, fields: dict[str, Any], source: str, outcome: str) -> None:
    (row,) = _read(tmp_path, {**EVENT, **fields}).rows("connections")

    assert (row["source_ip"], row["outcome"]) == (source, outcome)
    assert row["time_us"] == 1_795_348_800_123_000
    assert row["sensor"] == EVENT["aid"], "older sensors name no host"


def test_ipv6_and_logscales_name_of_the_event(tmp_path: Path) -> None:
    event = {
        **{
            name: value
            for name, value in EVENT.items()
            if not name.endswith("IP4") and "simpleName" not in name
        },
        "#event_simpleName": "NetworkConnectIP6",
        "LocalAddressIP6": "2001:DB8:0::10",
        "RemoteAddressIP6": "2001:db8::7",
    }

    (row,) = _read(tmp_path, event).rows("connections")
    assert (row["source_ip"], row["destination_ip"]) == ("2001:db8::10", "2001:db8::7")


def test_programs_started_have_the_systems_number() -> None:
    rows = read(SOURCE, SAMPLES / "crowdstrike-fdr" / "data.json").rows("processes")
    knock = next(row for row in rows if row["image"] == "/usr/bin/knock")

    assert knock["command_line"] == "knock -d 300 203.0.113.10 7000:tcp 8000:tcp 9000:tcp"
    assert (knock["pid"], knock["host"], knock["user"]) == (9172, "admin", "root")


def test_listeners_and_raw_sockets_are_changes() -> None:
    rows = read(SOURCE, SAMPLES / "crowdstrike-fdr" / "data.json").rows("changes")

    assert [(row["kind"], row["actor"], row["port"]) for row in rows] == [
        ("listener-opened", "sshd", 22),
        ("socket-opened", "knockd", None),
    ]


def test_a_log_on_at_windows_is_windows_event(tmp_path: Path) -> None:
    event = {
        **EVENT,
        "event_simpleName": "UserLogon",
        "event_platform": "Win",
        "LogonType": "10",
        "UserName": "al",
    }

    (row,) = _read(tmp_path, event).rows("messages")
    assert row["message"] == "EventID=4624 LogonType=10 IpAddress=198.51.100.7 TargetUserName=al"


def test_other_events_are_passed_over_and_impossible_ones_counted(tmp_path: Path) -> None:
    found = _read(
        tmp_path,
        EVENT,
        {**EVENT, "event_simpleName": "DnsRequest"},
        {**EVENT, "RemotePort": "70000"},
        {**EVENT, "RemoteAddressIP4": "nowhere"},
        {**EVENT, "timestamp": "x", "ContextTimeStamp": ""},
        {"aidmaster": "x"},
    )

    assert found.misfits["line"].sort().to_list() == [3, 4, 5, 6]
    assert len(found.rows("connections")) == 1
