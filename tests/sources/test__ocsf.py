"""What events of OCSF say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from knockwatch.sources.ocsf import SOURCE
from tests.sources.reading import SAMPLES, Read, read, read_text

NETWORK: dict[str, Any] = {
    "class_uid": 4001,
    "activity_id": 6,
    "time": 1795348800123,
    "metadata": {"product": {"name": "x", "vendor_name": "y"}},
    "src_endpoint": {"ip": "198.51.100.7", "port": 40000},
    "dst_endpoint": {"ip": "203.0.113.10", "port": 7000},
    "connection_info": {"protocol_num": 6},
}


def _read(folder: Path, *events: dict[str, Any]) -> Read:
    return read_text(SOURCE, folder, "".join(json.dumps(event) + "\n" for event in events))


@pytest.mark.parametrize(
    ("fields", "outcome", "action"),
    [
        ({"activity_id": 1}, "accepted", "Open"),
        ({"activity_id": 1, "status_id": 2}, "unanswered", "Open"),
        ({"activity_id": 4}, "unanswered", "Fail"),
        ({"activity_id": 5}, "refused", "Refuse"),
        ({"activity_id": 5, "disposition_id": 2}, "denied", "Blocked"),
        ({"action_id": 2}, "denied", "Denied"),
        ({"disposition": "Dropped"}, "denied", "Dropped"),
        ({"disposition_id": 25}, "refused", "Rejected"),
        ({"action": "Allowed"}, "accepted", "Allowed"),
        ({"traffic": {"packets_in": 0, "packets_out": 3}}, "unanswered", "Traffic"),
        ({"traffic": {"packets_in": 1, "bytes_in": 40}}, "refused", "Traffic"),
        ({"traffic": {"packets_in": 9, "bytes_in": 4000}}, "accepted", "Traffic"),
        ({}, "unknown", "Traffic"),
        ({"activity_id": 1, "connection_info": {"protocol_num": 17}}, "unknown", "Open"),
    ],
)
def test_controls_counts_and_activities_say_what_became_of_it(
    tmp_path: Path, fields: dict[str, Any], outcome: str, action: str
) -> None:
    (row,) = _read(tmp_path, {**NETWORK, **fields}).rows("connections")

    assert (row["outcome"], row["action"]) == (outcome, action)
    assert row["time_us"] == 1_795_348_800_123_000


def test_what_a_control_let_pass_is_no_answer(tmp_path: Path) -> None:
    passed, answered = _read(
        tmp_path,
        {**NETWORK, "disposition_id": 1},
        {**NETWORK, "disposition_id": 1, "traffic": {"packets_in": 9, "bytes_in": 4000}},
    ).rows("connections")

    assert passed["forwarded"] is True
    assert answered["forwarded"] is None


def test_both_directions_of_a_vpc_flow_are_one_connection(tmp_path: Path) -> None:
    flow = {
        **NETWORK,
        "metadata": {"product": {"name": "Amazon VPC", "vendor_name": "AWS"}},
        "disposition_id": 1,
        "start_time": 1795348800000,
        "end_time": 1795348860000,
    }
    there = {
        **flow,
        "connection_info": {"protocol_num": 6, "tcp_flags": 3},
        "traffic": {"packets": 9, "bytes": 900},
    }
    back = {
        **flow,
        "src_endpoint": flow["dst_endpoint"],
        "dst_endpoint": flow["src_endpoint"],
        "connection_info": {"protocol_num": 6, "tcp_flags": 19},
        "traffic": {"packets": 8, "bytes": 4000},
    }

    (row,) = _read(tmp_path, back, there).rows("connections")
    assert (row["source_ip"], row["destination_port"], row["outcome"]) == ("198.51.100.7", 7000, "accepted")
    assert (row["packets_sent"], row["packets_received"]) == (9, 8)


def test_the_published_flow_was_denied() -> None:
    found = read(SOURCE, SAMPLES / "ocsf" / "documented.jsonl")

    (row,) = found.rows("connections")
    assert (row["source_ip"], row["destination_port"], row["outcome"]) == ("1.2.3.4", 39938, "denied")
    (process,) = found.rows("processes")
    assert process["command_line"].startswith("reg  save")
    assert (process["user"], process["parent_image"]) == ("Administrator", "C:\\Windows\\System32\\cmd.exe")
    assert not found.rows("messages"), "a service's log-on comes from no other host"


def test_events_of_other_classes_and_activities_are_passed_over(tmp_path: Path) -> None:
    found = _read(tmp_path, {**NETWORK, "class_uid": 4003}, {**NETWORK, "class_uid": 1007, "activity_id": 2})

    assert not found.tables
    assert found.misfits.is_empty()


@pytest.mark.parametrize(
    "fields",
    [
        {"time": None},
        {"time": "soon"},
        {"class_uid": None},
        {"dst_endpoint": {"ip": "203.0.113.10", "port": 70000}},
        {"src_endpoint": {"ip": "somewhere", "port": 1}},
    ],
)
def test_impossible_events_are_counted(tmp_path: Path, fields: dict[str, Any]) -> None:
    found = _read(tmp_path, NETWORK, {**NETWORK, **fields})

    assert found.misfits["line"].to_list() == [2]
    assert len(found.rows("connections")) == 1
