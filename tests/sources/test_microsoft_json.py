"""JSON documents."""

import json
from pathlib import Path
from typing import Any

import pytest

from knockwatch.sources import Head, _json_documents
from knockwatch.sources.microsoft_json import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

ROWS: list[dict[str, Any]] = [
    {"TimeGenerated": "2023-08-17T06:52:13Z", "SyslogMessage": f"m{number}", "Computer": "h"}
    for number in range(3)
]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=4),
        "\ufeff" + json.dumps(ROWS),
        json.dumps({"value": ROWS}),
        json.dumps({"Stats": {"n": [1]}, "Schema": [{"Name": "TimeGenerated"}], "Results": ROWS}, indent=1),
        json.dumps({"schema": [], "results": ROWS}),
        "\n".join(json.dumps(row, indent=2) for row in ROWS),
        json.dumps(ROWS[:2]) + "\n" + json.dumps(ROWS[2:]),
    ],
)
def test_records_are_found_wherever_a_document_holds_them(tmp_path: Path, text: str) -> None:
    found = read_text(SOURCE, tmp_path, text)

    assert SOURCE.confidence(Head(text.encode(), whole=True)) == 1.0
    assert found.tables["Syslog"]["SyslogMessage"].to_list() == ["m0", "m1", "m2"]
    assert [row["line"] for row in found.rows("messages")] == [1, 2, 3]
    assert not found.problems


@pytest.mark.corpus
def test_trap_4_numbers_in_text_columns_become_text(corpus: Path) -> None:
    """Trap 4: the portal's JSON has numbers where the table has text, and the other way round."""
    found = read(SOURCE, corpus / "public" / "azure-sentinel" / "CEF_Fortigate.json")

    row = found.tables["CommonSecurityLog"].row(0, named=True)
    assert (row["DeviceEventClassID"], row["Protocol"], row["DestinationPort"]) == ("28704", "6", 3389)
    assert found.rows("connections")[0]["protocol"] == "tcp"


def test_defender_s_answers_are_read() -> None:
    found = read(SOURCE, SAMPLES / "microsoft-json" / "DeviceProcessEvents.json")

    row = found.tables["DeviceProcessEvents"].row(0, named=True)
    assert json.loads(row["AdditionalFields"])["ProcessCurrentWorkingDirectory"] == "/opt/knocklab"
    assert "/usr/bin/knock" in [row["image"] for row in found.rows("processes")]


def test_what_follows_a_fault_is_said_to_be_lost(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, json.dumps(ROWS)[:-20])

    assert found.tables["Syslog"].height == 2
    assert found.misfits["line"].to_list() == [3]
    assert len(found.problems) == 1
    assert "breaks at record 3" in found.problems[0]


def test_a_record_that_is_no_object_is_counted(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, json.dumps([ROWS[0], 7, None, [1], ROWS[1], {}]))

    assert found.misfits["line"].to_list() == [6, 2, 3, 4]
    assert found.tables["Syslog"]["line"].to_list() == [1, 5]
    assert found.records == 6


def test_a_crafted_record_does_not_fill_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_json_documents, "MAX_RECORD", 1 << 18)
    long = {**ROWS[0], "SyslogMessage": "x" * (1 << 20)}
    found = read_text(SOURCE, tmp_path, json.dumps([ROWS[0], long, ROWS[1]]))

    assert found.tables["Syslog"].height == 1
    assert "longer than" in found.problems[0]


@pytest.mark.parametrize(
    "value", ["[" * 5000 + "]" * 5000, "1e9999", '"\\ud800"', "123456789012345678901234567890"]
)
def test_hostile_values_cost_their_column_at_most(tmp_path: Path, value: str) -> None:
    row = f'{{"TimeGenerated": "2023-08-17T06:52:13Z", "SyslogMessage": "m", "ProcessID": {value}}}'
    found = read_text(SOURCE, tmp_path, f"[{row}, {json.dumps(ROWS[1])}]")

    assert found.tables["Syslog"]["SyslogMessage"].to_list() == ["m", "m1"]
    assert found.tables["Syslog"]["ProcessID"].to_list() == [None, None]


def test_bytes_that_are_no_utf_8_do_not_stop_it(tmp_path: Path) -> None:
    text = json.dumps(ROWS).encode().replace(b"m1", b"m\xff")
    found = read_text(SOURCE, tmp_path, text)

    assert found.tables["Syslog"]["SyslogMessage"].to_list() == ["m0", "m\ufffd", "m2"]
    assert found.malformed == 1


@pytest.mark.parametrize("text", ["", "[", "[]", "{}", "[1,2]", '{"a": [}', '{"value": "x"}', "\x00\x01"])
def test_other_documents_are_not_claimed(text: str) -> None:
    assert SOURCE.confidence(Head(text.encode(), whole=True)) == 0.0


@pytest.mark.corpus
def test_json_lines_are_left_to_their_own_reader(corpus: Path) -> None:
    files = sorted((corpus / "public" / "otrf" / "unz").rglob("*.json"))

    assert files
    assert {SOURCE.confidence(head_of(file)) for file in files} == {0.0}
