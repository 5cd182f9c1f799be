"""Events of Tetragon."""

import json
from pathlib import Path
from typing import Any

import pytest

from knockwatch.sources.tetragon import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

SAMPLE = SAMPLES / "tetragon" / "events.jsonl"
LINES = SAMPLE.read_text().split("\n")


def _changed(line: int, old: str, new: str) -> str:
    assert old in LINES[line - 1]
    return LINES[line - 1].replace(old, new)


def test_a_program_started_is_a_process() -> None:
    row = read(SOURCE, SAMPLE).rows("processes")[0]

    assert row["command_line"] == "/usr/sbin/knockd -v -i eth0 -c /run/kl/knockd-a.conf"
    assert (row["host"], row["pid"], row["parent_image"]) == ("srv1", 8870, "/bin/bash")
    assert row["time_us"] == 1_795_346_614_156_123


def test_a_connection_asked_for_is_not_yet_answered() -> None:
    row = read(SOURCE, SAMPLE).rows("connections")[0]

    assert (row["source_ip"], row["source_port"]) == ("198.51.100.10", 51234)
    assert (row["destination_ip"], row["destination_port"], row["protocol"]) == ("203.0.113.10", 22, "tcp")
    assert (row["outcome"], row["action"]) == ("unknown", None)


def test_a_connection_taken_is_told_by_the_socket_that_came_of_it() -> None:
    """What was called is the listener, which knows no peer."""
    row = read(SOURCE, SAMPLE).rows("connections")[1]

    assert (row["source_ip"], row["source_port"], row["destination_ip"]) == (
        "198.51.100.10",
        51234,
        "203.0.113.10",
    )
    assert (row["destination_port"], row["outcome"], row["sensor"]) == (22, "accepted", "srv1")


def test_what_tetragon_forbade_is_denied(tmp_path: Path) -> None:
    line = _changed(2, '"action":"KPROBE_ACTION_POST"', '"action":"KPROBE_ACTION_OVERRIDE"')
    row = read_text(SOURCE, tmp_path, line).rows("connections")[0]

    assert (row["outcome"], row["action"]) == ("denied", "KPROBE_ACTION_OVERRIDE")


def test_listeners_are_changes() -> None:
    rows = read(SOURCE, SAMPLE).rows("changes")

    assert [(row["kind"], row["port"], row["protocol"], row["actor"]) for row in rows] == [
        ("listener-opened", 4444, "tcp", "/usr/bin/nc"),
        ("listener-opened", 8080, None, "/usr/bin/nc"),
    ]


@pytest.mark.parametrize("name", ["__x64_security_socket_bind", "security_socket_bind"])
def test_a_function_is_known_with_its_machines_prefix(tmp_path: Path, name: str) -> None:
    assert read_text(SOURCE, tmp_path, _changed(5, "socket_bind", name)).rows("changes")[0]["port"] == 8080


def test_a_client_that_binds_any_port_is_no_listener(tmp_path: Path) -> None:
    assert read_text(SOURCE, tmp_path, _changed(5, '"port":8080', '"port":0')).tables == {}


def test_events_of_old_versions_are_read() -> None:
    found = read(SOURCE, SAMPLES / "tetragon" / "documented.json")
    (connection,), (change,) = found.rows("connections"), found.rows("changes")

    assert (connection["destination_ip"], connection["destination_port"]) == ("142.250.180.196", 80)
    assert (connection["protocol"], connection["source_ip"]) == ("tcp", "10.88.0.7")
    assert (change["port"], change["actor_parent"], change["protocol"]) == (9080, "/bin/sh", "tcp")


@pytest.mark.parametrize(
    ("line", "old", "new"),
    [
        (2, '"dport":22', '"dport":70000'),
        (2, '"daddr":"203.0.113.10"', '"daddr":"203.0.113"'),
        (4, '"sport":4444', '"sport":"x"'),
        (1, '"time":"2026-11-22T11:23:34.156123456Z"}', '"time":"soon"}'),
    ],
)
def test_an_impossible_event_is_counted(tmp_path: Path, line: int, old: str, new: str) -> None:
    text = _changed(line, old, new)
    found = read_text(SOURCE, tmp_path, text)

    assert found.misfits.rows() == [(1, text)]
    assert found.tables == {}


@pytest.mark.parametrize("value", [None, [], "x", [1], [{"sock_arg": 1}]])
def test_odd_arguments_tell_nothing(tmp_path: Path, value: Any) -> None:
    event = json.loads(LINES[1])
    event["process_kprobe"]["args"] = value

    assert read_text(SOURCE, tmp_path, json.dumps(event)).tables == {}


def test_other_json_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text('{"node_name": "x", "time": "2026-11-22T11:24:00Z"}\n')

    assert SOURCE.confidence(head_of(path)) == 0
