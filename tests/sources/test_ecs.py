"""Events in Elastic's common schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from knockwatch.sources import Head, syslog
from knockwatch.sources.ecs import SOURCE
from tests.sources.reading import SAMPLES, read, read_text

NOON = "2026-11-22T12:00:00.000Z"


def test_lines_that_filebeat_took_say_what_the_log_says(tmp_path: Path) -> None:
    events = read(SOURCE, SAMPLES / "ecs" / "filebeat.ndjson")
    whole = [
        json.loads(line)["message"]
        for line in (SAMPLES / "ecs" / "filebeat.ndjson").read_text().splitlines()
        if "kernel:" in line
    ]
    log = read_text(syslog.SOURCE, tmp_path, "\n".join(whole) + "\n")

    assert [{**row, "line": 0} for row in events.rows("connections")] == [
        {**row, "line": 0} for row in log.rows("connections")
    ]
    assert "198.51.100.10: openSSH: OPEN SESAME" in [row["message"] for row in events.rows("messages")]


def test_hits_of_a_search_are_events() -> None:
    rows = read(SOURCE, SAMPLES / "ecs" / "hits.json").rows("connections")

    assert [(row["destination_port"], row["outcome"]) for row in rows[:4]] == [
        (7000, "denied"),
        (8000, "denied"),
        (9000, "denied"),
        (22, "accepted"),
    ]


def test_hits_may_be_lines_and_may_hold_backslashes(tmp_path: Path) -> None:
    process = {"executable": "C:\\Windows\\System32\\cmd.exe", "command_line": 'cmd /c "dir C:\\x"', "pid": 7}
    event = {"@timestamp": NOON, "event": {"category": ["process"], "type": ["start"]}, "process": process}
    hits = [json.dumps({"_index": "logs", "_source": event})] * 2

    rows = read_text(SOURCE, tmp_path, "\n".join(hits) + "\n").rows("processes")
    assert [row["command_line"] for row in rows] == ['cmd /c "dir C:\\x"'] * 2
    assert rows[0]["image"] == "C:\\Windows\\System32\\cmd.exe"


def test_packetbeats_published_flow_is_a_connection_from_its_beginning() -> None:
    (row,) = read(SOURCE, SAMPLES / "ecs" / "documented.json").rows("connections")

    assert (row["source_ip"], row["destination_port"], row["outcome"]) == ("10.0.2.15", 443, "accepted")
    assert row["time"] == "2018-11-30T01:16:41.679Z"
    assert (row["packets_sent"], row["packets_received"]) == (12, 16)


def test_auditbeats_arguments_make_a_command_line(tmp_path: Path) -> None:
    event = {
        "@timestamp": NOON,
        "event.category": "process",
        "event.action": "executed",
        "event.type": "start",
        "process.args": ["uname", "-a"],
        "process.executable": "/bin/uname",
        "process.ppid": 10027,
        "user.id": "1001",
    }

    (row,) = read_text(SOURCE, tmp_path, json.dumps(event) + "\n").rows("processes")
    assert (row["command_line"], row["parent_pid"], row["user"]) == ("uname -a", 10027, "1001")


@pytest.mark.parametrize("action", ["fork", "end", "existing_process"])
def test_what_is_no_start_of_a_program_is_passed_over(tmp_path: Path, action: str) -> None:
    event = {
        "@timestamp": NOON,
        "event": {"category": ["process"], "type": ["start"], "action": action},
        "process": {"command_line": "x"},
    }

    found = read_text(SOURCE, tmp_path, json.dumps(event) + "\n")
    assert not found.rows("processes")
    assert found.misfits.is_empty()


def test_a_log_in_that_fields_alone_tell_of_is_a_message() -> None:
    rows = read(SOURCE, SAMPLES / "ecs" / "elastic-defend.ndjson").rows("messages")

    assert rows[0]["program"] == "sshd"
    assert rows[0]["message"] == "Accepted authentication for root from 198.51.100.10 port 35044 ssh2"


@pytest.mark.parametrize(
    "record",
    [
        {"@timestamp": NOON, "winlog": {"event_id": 4624}, "event": {"kind": "event"}},
        {"@timestamp": NOON, "message": "just a line"},
        {"timestamp": NOON, "event_type": "flow", "src_ip": "192.0.2.7"},
    ],
)
def test_other_formats_are_not_claimed(record: dict[str, Any]) -> None:
    assert SOURCE.confidence(Head(json.dumps(record).encode() + b"\n", whole=True)) == 0


def test_impossible_and_broken_events_are_counted(tmp_path: Path) -> None:
    good = {
        "@timestamp": NOON,
        "event": {"category": ["network"]},
        "destination": {"ip": "203.0.113.10", "port": 22},
    }
    bad = [
        {**good, "@timestamp": "noon"},
        {**good, "destination": {"ip": "203.0.113.10", "port": 70000}},
        {**good, "destination": {"ip": "nowhere", "port": 22}},
    ]
    text = "\n".join([json.dumps(good), *map(json.dumps, bad), json.dumps(good)[:40]]) + "\n"

    found = read_text(SOURCE, tmp_path, text)
    assert found.misfits["line"].sort().to_list() == [2, 3, 4, 5]
    assert len(found.rows("connections")) == 1
