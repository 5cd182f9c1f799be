"""Alerts of Falco."""

import json
from pathlib import Path
from typing import Any

import pytest

from knockwatch.sources.falco import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

SAMPLE = SAMPLES / "falco" / "events.jsonl"
LINES = SAMPLE.read_text().split("\n")


def _alert(line: int, **fields: Any) -> str:
    alert = json.loads(LINES[line - 1])
    alert["output_fields"] |= {key.replace("_", "."): value for key, value in fields.items()}
    return json.dumps(alert)


def test_a_program_started_is_a_process() -> None:
    row = read(SOURCE, SAMPLE).rows("processes")[0]

    assert (row["image"], row["command_line"], row["user"]) == ("/bin/busybox", "sh -lc id", "root")
    assert (row["parent_image"], row["host"], row["time_us"]) == (
        "containerd-shim",
        "srv1",
        1_795_346_614_156_123,
    )


def test_an_alert_that_does_not_name_its_event_tells_of_a_program() -> None:
    (row,) = read(SOURCE, SAMPLES / "falco" / "documented.jsonl").rows("processes")

    assert (row["image"], row["command_line"]) == ("sh", "sh -c clear; (bash || ash || sh)")


def test_a_program_that_opens_a_file_is_not_started_by_it() -> None:
    assert [row["line"] for row in read(SOURCE, SAMPLE).rows("processes")] == [1]


def test_a_connection_is_read_from_the_name_of_its_socket() -> None:
    row = read(SOURCE, SAMPLE).rows("connections")[0]

    assert (row["source_ip"], row["source_port"]) == ("198.51.100.10", 51234)
    assert (row["destination_ip"], row["destination_port"]) == ("203.0.113.10", 7000)
    assert (row["outcome"], row["action"], row["rule"]) == ("refused", "ECONNREFUSED", "Outbound connection")


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"evt_res": "SUCCESS"}, "accepted"),
        ({"evt_res": "EINPROGRESS"}, "unknown"),
        ({"evt_res": "ETIMEDOUT"}, "unanswered"),
        ({"evt_res": "SUCCESS", "fd_l4proto": "udp"}, "unknown"),
        ({"evt_res": None}, "unknown"),
        ({"evt_type": "accept", "evt_res": None}, "accepted"),
    ],
)
def test_the_outcome_is_what_the_call_came_to(tmp_path: Path, fields: dict[str, Any], outcome: str) -> None:
    assert read_text(SOURCE, tmp_path, _alert(3, **fields)).rows("connections")[0]["outcome"] == outcome


def test_an_ipv6_connection_is_read(tmp_path: Path) -> None:
    line = _alert(3, fd_name="2001:db8:c::10:51234->2001:db8:0::1:22")
    row = read_text(SOURCE, tmp_path, line).rows("connections")[0]

    assert (row["source_ip"], row["destination_ip"], row["destination_port"]) == (
        "2001:db8:c::10",
        "2001:db8::1",
        22,
    )


def test_listeners_and_packet_sockets_are_changes() -> None:
    rows = read(SOURCE, SAMPLE).rows("changes")

    assert {(row["kind"], row["port"], row["rule_text"], row["actor"]) for row in rows} == {
        ("listener-opened", 4444, None, "nc"),
        ("socket-opened", None, "socket(AF_PACKET, SOCK_RAW)", "knockd -i eth0"),
    }


def test_an_ordinary_socket_is_no_change(tmp_path: Path) -> None:
    assert read_text(SOURCE, tmp_path, _alert(2, evt_args="domain=2(AF_INET) type=1 proto=0")).tables == {}


@pytest.mark.parametrize(
    "line",
    [
        _alert(3, fd_name="198.51.100.10:51234->203.0.113.10:70000"),
        _alert(4, fd_sip="203.0.113.300"),
        _alert(5, fd_name="0.0.0.0:66000"),
        LINES[0].replace('"time":"2026-11-22T11:23:34.156123456Z"', '"time":"soon"'),
    ],
)
def test_an_impossible_alert_is_counted(tmp_path: Path, line: str) -> None:
    assert read_text(SOURCE, tmp_path, line).misfits.rows() == [(1, line)]


@pytest.mark.parametrize("fields", [None, [], "x", {"proc.cmdline": "<NA>"}])
def test_an_alert_without_fields_tells_nothing(tmp_path: Path, fields: Any) -> None:
    alert = json.loads(LINES[0]) | {"output_fields": fields}

    assert read_text(SOURCE, tmp_path, json.dumps(alert)).tables == {}


def test_other_json_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text('{"rule": "x", "time": "2026-11-22T11:24:00Z"}\n')

    assert SOURCE.confidence(head_of(path)) == 0
