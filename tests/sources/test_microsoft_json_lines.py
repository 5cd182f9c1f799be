"""JSON lines."""

import json
from pathlib import Path

import pytest

from knockwatch.sources.microsoft_json_lines import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

ROW = {"TimeGenerated": "2023-08-17T06:52:13Z", "SyslogMessage": "m"}


@pytest.mark.corpus
def test_real_sentinel_syslog_is_read_and_other_tables_are_not_claimed(corpus: Path) -> None:
    files = {file.name: file for file in (corpus / "public" / "otrf" / "unz").rglob("*.json")}
    claimed = {name for name, file in files.items() if SOURCE.confidence(head_of(file))}

    assert claimed == {name for name in files if name.startswith("syslog_")}
    rows = {}
    for name in claimed:
        found = read(SOURCE, files[name])
        assert found.misfits.is_empty()
        rows.update({row["program"]: row for row in found.rows("messages")})
        assert found.records == found.tables["Syslog"].height > 40
    assert rows["auoms"]["host"] == "UBUNTU5"
    assert rows["auoms"]["message"].startswith("type=AUOMS_EXECVE audit(")
    assert rows["sysmon"]["facility"] == "user"
    assert rows["sysmon"]["exported"]


def test_knocks_of_an_exported_syslog_become_connections() -> None:
    found = read(SOURCE, SAMPLES / "microsoft-json-lines" / "Syslog.json")

    row = found.rows("connections")[0]
    assert (row["line"], row["source_ip"], row["destination_port"]) == (1, "198.51.100.10", 7000)
    assert (row["outcome"], row["sensor"], row["exported"]) == ("denied", "srv1", None)
    assert found.rows("messages")[6]["message"] == "198.51.100.10: openSSH: OPEN SESAME"


def test_a_line_that_is_no_object_is_counted(tmp_path: Path) -> None:
    lines = [json.dumps(ROW), "rubbish", '{"cut": ', "", "[1]", json.dumps(ROW), "{}"]
    found = read_text(SOURCE, tmp_path, "\n".join(lines))

    assert sorted(found.misfits["line"]) == [2, 3, 5, 7]
    assert found.tables["Syslog"]["line"].to_list() == [1, 6]
    assert found.records == 6


def test_columns_may_come_late(tmp_path: Path) -> None:
    late = {**ROW, "HostName": "h", "unknown": 1}
    found = read_text(SOURCE, tmp_path, "".join(json.dumps(row) + "\n" for row in [*[ROW] * 100, late]))

    assert found.tables["Syslog"]["HostName"][-1] == "h"
    assert "unknown" not in found.tables["Syslog"].columns


def test_objects_within_keep_their_backslashes(tmp_path: Path) -> None:
    fields = {"Path": 'C:\\Tools\\"knock"', "n": [1, None]}
    row = {
        "Timestamp": "2023-08-17T06:52:13Z",
        "DeviceName": "h",
        "ProcessCommandLine": "c",
        "AdditionalFields": fields,
    }
    found = read_text(
        SOURCE, tmp_path, json.dumps(row) + "\n" + json.dumps({**row, "AdditionalFields": "text"})
    )

    first, second = found.tables["DeviceProcessEvents"]["AdditionalFields"]
    assert json.loads(first) == fields
    assert second == "text"


def test_bytes_that_are_no_utf_8_are_kept_and_counted(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, json.dumps(ROW).encode().replace(b'"m"', b'"m\xff"'))

    assert found.malformed == 1
    assert found.tables["Syslog"]["SyslogMessage"].item() == r"m\xff"


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, "\ufeff" + json.dumps(ROW) + "\n")

    assert found.records == found.tables["Syslog"].height == 1
