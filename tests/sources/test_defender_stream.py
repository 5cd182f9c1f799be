"""Defender's tables as its streaming API writes them."""

from __future__ import annotations

import json
from pathlib import Path

from knockwatch.sources import microsoft_json_lines
from knockwatch.sources.defender_stream import SOURCE
from tests.sources.reading import SAMPLES, Read, read, read_text

BLOB = SAMPLES / "defender-stream" / "PT1H.json"
TABLES = ("DeviceProcessEvents", "DeviceNetworkEvents", "DeviceEvents", "DeviceLogonEvents")


def _exported(name: str) -> Read:
    return read(microsoft_json_lines.SOURCE, SAMPLES / "microsoft-json-lines" / f"{name}.json")


def test_the_raw_schema_says_what_exports_of_the_tables_say() -> None:
    stream = read(SOURCE, BLOB)

    for table in ("connections", "processes", "messages", "changes"):
        expected = [row for name in TABLES for row in _exported(name).rows(table)]
        got = stream.rows(table)
        assert [{**row, "line": 0} for row in got] == [{**row, "line": 0} for row in expected]


def test_process_events_stand_in_microsofts_own_table_too() -> None:
    rows = read(SOURCE, BLOB).tables["DeviceProcessEvents"]

    assert rows.height == 12
    assert rows["ProcessCommandLine"].str.contains("^knock ").any()


def test_a_message_of_an_event_hub_holds_several_records() -> None:
    found = read(SOURCE, SAMPLES / "defender-stream" / "event-hub.json")

    assert found.records == 6
    assert [row["outcome"] for row in found.rows("connections")] == ["denied"] * 3


def test_records_of_other_tables_are_passed_over(tmp_path: Path) -> None:
    other = {
        "category": "AdvancedHunting-DeviceFileEvents",
        "properties": {"Timestamp": "2026-11-22T12:00:00Z"},
    }
    found = read_text(SOURCE, tmp_path, json.dumps(other) + "\n" + BLOB.read_text().splitlines()[13] + "\n")

    assert found.misfits.is_empty()
    assert len(found.rows("connections")) == 1


def test_broken_and_impossible_records_are_counted(tmp_path: Path) -> None:
    line = BLOB.read_text().splitlines()[13]
    bad = json.loads(line)
    bad["properties"]["RemotePort"] = 70000
    undated = json.loads(line)
    undated["properties"]["Timestamp"] = "yesterday"
    text = "\n".join([line, json.dumps(bad), json.dumps(undated), line[:80], "rubbish"]) + "\n"

    found = read_text(SOURCE, tmp_path, text)
    assert found.misfits["line"].sort().to_list() == [2, 3, 4, 5]
    assert len(found.rows("connections")) == 1
