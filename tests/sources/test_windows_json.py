"""Windows events as JSON: lines, documents, and others' data."""

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from knockwatch.sources import Head
from knockwatch.sources.windows_json import SOURCE
from tests.sources.reading import SAMPLES, Read, head_of, read, read_text

FOLDER = SAMPLES / "windows-json"
SECURITY = "Microsoft-Windows-Security-Auditing"
A: dict[str, Any] = {
    "EventTime": "2026-11-22T11:23:40Z",
    "Hostname": "SRV1",
    "EventID": 4624,
    "SourceName": SECURITY,
    "LogonType": "3",
    "IpAddress": "198.51.100.7",
    "TargetUserName": "älice",
}
B = {**A, "TargetUserName": "bob"}


def users(found: Read) -> list[str]:
    return [row["message"].rpartition("=")[2] for row in found.rows("messages")]


def lines(*records: Any) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(lines(A, B), id="lines"),
        pytest.param(json.dumps([A, B], indent=2), id="array"),
        pytest.param(json.dumps({"value": [A, B]}), id="an API's"),
        pytest.param(json.dumps(A, indent=1) + "\n" + json.dumps(B, indent=1), id="objects in a row"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_events_are_found_in_lines_and_documents(tmp_path: Path, text: str, encoding: str) -> None:
    data = text.encode(encoding)
    found = read_text(SOURCE, tmp_path, data)
    assert users(found) == ["älice", "bob"]
    assert [row["line"] for row in found.rows("messages")] == [1, 2]
    assert found.misfits.is_empty()
    assert SOURCE.confidence(Head(data, whole=True)) == 0.98


def test_windows_powershells_own_json_is_read() -> None:
    found = read(SOURCE, FOLDER / "ConvertTo-Json.json")
    [process] = found.rows("processes")
    assert (process["image"], process["parent_image"], process["pid"], process["parent_pid"]) == (
        r"C:\Windows\System32\rundll32.exe",
        r"C:\Windows\explorer.exe",
        700,
        3700,
    )
    assert process["time_us"] == 1447295092377000


def test_what_the_parser_writes_of_a_log_reads_as_the_log_does() -> None:
    from knockwatch.sources.windows_evtx import SOURCE as EVTX

    written = read(SOURCE, FOLDER / "evtx_dump.jsonl")
    log = read(EVTX, SAMPLES / "windows-evtx" / "Security_short_selected.evtx.gz")
    assert {table: rows.to_dicts() for table, rows in written.tables.items()} == {
        table: rows.to_dicts() for table, rows in log.tables.items()
    }


@pytest.mark.parametrize(
    ("bad", "misfits"),
    [
        (lines(A)[:-9] + "\n", 1),
        ("no JSON\n", 1),
        ('{"a": 1}\n', 1),
        ("[1, 2]\n", 1),
        ("\n", 0),
        (lines({**A, "EventID": 4634}), 0),
        (lines({**A, "IpAddress": {"deep": [[[1]]]}}), 0),
    ],
)
def test_one_bad_line_spoils_no_other(tmp_path: Path, bad: str, misfits: int) -> None:
    found = read_text(SOURCE, tmp_path, lines(A) + bad + lines(B))
    assert users(found)[0] == "älice"
    assert users(found)[-1] == "bob"
    assert found.misfits["line"].to_list() == [2] * misfits
    assert found.records == 3


def test_a_document_that_breaks_is_read_up_to_there(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, json.dumps([A, B], indent=1)[:-30])
    assert users(found) == ["älice"]
    assert found.misfits.height == 1
    assert "breaks at record 2" in found.problems[0]


def test_otrfs_data_sets_are_read(corpus: Path, tmp_path: Path) -> None:
    """Trap 9: Sysmon's UtcTime may be hours off; the time of the event counts."""
    read_of: dict[str, int] = {}
    for packed in sorted((corpus / "public" / "otrf").rglob("windows/**/host/*.zip")):
        with ZipFile(packed) as archive:
            [path] = [
                Path(archive.extract(name, tmp_path)) for name in archive.namelist() if name.endswith(".json")
            ]
        assert SOURCE.confidence(head_of(path)) > 0.9
        found = read(SOURCE, path)
        assert found.misfits.is_empty()
        for table, rows in found.tables.items():
            read_of[table] = read_of.get(table, 0) + rows.height
            assert rows["time_us"].is_between(1600000000000000, 1610000000000000).all()
    assert read_of == {"processes": 46, "connections": 475, "messages": 77}


def test_a_failed_remote_service_control_is_denied_at_the_domain_controller(
    corpus: Path, tmp_path: Path
) -> None:
    name = "empire_find_localadmin_smb_svcctl_OpenSCManager.zip"
    [packed] = (corpus / "public" / "otrf").rglob(f"host/{name}")
    with ZipFile(packed) as archive:
        path = Path(archive.extract(archive.namelist()[0], tmp_path))
    denied = [row for row in read(SOURCE, path).rows("connections") if row["outcome"] == "denied"]
    assert {
        (row["source_ip"], row["destination_ip"], row["destination_port"], row["sensor"]) for row in denied
    } == {("172.18.39.5", "172.18.38.5", 49683, "MORDORDC.theshire.local")}
    # NXLog's time is local: the collector's own says that it is four hours behind UTC.
    assert {(row["time"], row["time_us"]) for row in denied} >= {("2020-09-22 02:16:07", 1600755367000000)}


@pytest.mark.parametrize("table", ["securityauditing", "sysmon"])
def test_sentinels_tables_of_windows_events_are_read(corpus: Path, table: str) -> None:
    name = f"{table}_log4shell_cve2021_44228_java_serialized_object"
    [path] = (corpus / "public" / "otrf" / "unz" / name).glob("*.json")
    found = read(SOURCE, path)
    assert found.misfits.is_empty()
    visits = [row for row in found.rows("connections") if row["outcome"] == "accepted"]
    assert {(row["source_ip"], row["destination_ip"], row["destination_port"]) for row in visits} == {
        ("192.168.3.5", "192.168.2.5", 8080)
    }
    assert len(found.rows("processes")) == 2
