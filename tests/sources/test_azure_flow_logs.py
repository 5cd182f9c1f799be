"""Azure flow logs."""

import json
from pathlib import Path
from typing import Any

import pytest

from knockwatch.sources.azure_flow_logs import SOURCE
from tests.sources.reading import SAMPLES, read, read_text

VENDOR = SAMPLES / "azure-flow-logs"


def _security(*tuples: str) -> dict[str, Any]:
    group = {"mac": "000D3AF87856", "flowTuples": list(tuples)}
    flows = [{"rule": "r", "flows": [group]}]
    return {"category": "NetworkSecurityGroupFlowEvent", "properties": {"Version": 2, "flows": flows}}


def _network(*tuples: str) -> dict[str, Any]:
    flows = [{"aclID": "a", "flowGroups": [{"rule": "r", "flowTuples": list(tuples)}]}]
    return {"category": "FlowLogFlowEvent", "macAddress": "00224871C205", "flowRecords": {"flows": flows}}


def _rows(folder: Path, *records: dict[str, Any]) -> list[dict[str, Any]]:
    found = read_text(SOURCE, folder, json.dumps({"records": list(records)}))
    assert found.misfits.is_empty()
    return found.rows("connections")


def test_version_1_says_only_what_a_rule_decided() -> None:
    rows = sorted(
        read(SOURCE, VENDOR / "nsg-version1.json").rows("connections"), key=lambda row: row["time_us"]
    )

    assert [(row["source_ip"], row["outcome"], row["forwarded"], row["action"]) for row in rows] == [
        ("192.0.2.17", "accepted", True, "Allow"),
        ("203.0.113.34", "accepted", True, "Allow"),
        ("192.0.2.95", "denied", None, "Deny"),
        ("198.51.100.194", "denied", None, "Deny"),
    ]
    assert (rows[0]["rule"], rows[0]["sensor"]) == ("UserRule_default-allow-rdp", "000D3AF8801A")
    assert (rows[3]["protocol"], rows[3]["destination_port"], rows[3]["line"]) == ("udp", 1732, 2)


def test_version_2_says_what_came_back() -> None:
    rows = {row["source_port"]: row for row in read(SOURCE, VENDOR / "nsg-version2.json").rows("connections")}

    assert (rows[59831]["outcome"], rows[59831]["forwarded"]) == ("accepted", True)
    assert (rows[59929]["outcome"], rows[59929]["forwarded"]) == ("accepted", None)
    assert (rows[59929]["packets_sent"], rows[59929]["bytes_received"]) == (15, 7054)
    assert rows[28746]["outcome"] == "denied"


def test_begin_and_end_of_a_flow_are_one_row() -> None:
    rows = read(SOURCE, VENDOR / "vnet.json").rows("connections")
    opened = next(row for row in rows if row["source_port"] == 36776)

    assert len(rows) == 7
    assert (opened["time_us"], opened["packets_sent"], opened["outcome"]) == (
        1_663_146_017_343_000,
        22,
        "accepted",
    )
    assert sum(row["outcome"] == "denied" for row in rows) == 4


def test_counts_of_continuing_flows_add_up(tmp_path: Path) -> None:
    """The vendor's example of a calculation, for both kinds of logs."""
    ends = "203.0.113.105,10.0.0.5,35370,443"
    (row,) = _rows(
        tmp_path,
        _security(
            f"1708978215,{ends},T,I,A,B,,,,",
            f"1708978215,{ends},T,I,A,C,1021,588096,8005,4610880",
            f"1708978215,{ends},T,I,A,E,52,29952,47,27072",
        ),
    )
    (same,) = _rows(
        tmp_path,
        _network(
            f"1708978215000,{ends},6,I,B,NX,0,0,0,0",
            f"1708978215000,{ends},6,I,C,NX,1021,588096,8005,4610880",
            f"1708978215000,{ends},6,I,E,NX,52,29952,47,27072",
        ),
    )

    assert row["packets_sent"] + row["packets_received"] == 9125
    assert row["bytes_sent"] + row["bytes_received"] == 5_256_000
    assert {**same, "sensor": None, "time": None} == {**row, "sensor": None, "time": None}


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        ("1,74,0,0", "unanswered"),
        ("1,74,1,54", "refused"),
        ("1,74,1,74", "accepted"),
        ("3,705,4,4569", "accepted"),
    ],
)
def test_a_flow_that_ended_is_judged_by_its_counts(tmp_path: Path, end: str, outcome: str) -> None:
    ends = "1663146003599,198.51.100.10,10.0.0.6,23956,7000,6,I"
    (row,) = _rows(tmp_path, _network(f"{ends},B,NX,0,0,0,0", f"{ends},E,NX,{end}"))

    assert (row["outcome"], row["source_ip"]) == (outcome, "198.51.100.10")


def test_udp_is_unanswered_only_once_it_ended(tmp_path: Path) -> None:
    ends = "1663146003599,198.51.100.10,10.0.0.6,23956,62201,17,I"
    (begun,) = _rows(tmp_path, _network(f"{ends},B,NX,0,0,0,0"))
    (ended,) = _rows(tmp_path, _network(f"{ends},B,NX,0,0,0,0", f"{ends},E,NX,1,267,0,0"))

    assert (begun["outcome"], begun["forwarded"]) == ("accepted", True)
    assert (ended["outcome"], ended["forwarded"]) == ("unanswered", None)


def test_records_one_a_line_are_read(tmp_path: Path) -> None:
    lines = [json.dumps(json.loads((VENDOR / "nsg-version2.json").read_text())["records"][0])] * 2
    found = read_text(SOURCE, tmp_path, "\n".join(lines))

    assert found.misfits.is_empty()
    assert len(found.rows("connections")) == 7


@pytest.mark.parametrize(
    "bad",
    [
        _security("1542110402,192.0.2.999,10.5.16.4,28746,443,U,I,D,B,,,,"),
        _security("1542110402,192.0.2.1,10.5.16.4,28746,70000,U,I,D,B,,,,"),
        _security("1542110402,192.0.2.1"),
        _security("1542110402,192.0.2.1,10.5.16.4,28746,443,U,I,X,B,,,,"),
        {"category": "FlowLogFlowEvent"},
    ],
)
def test_a_record_with_a_tuple_that_makes_no_sense_is_counted(tmp_path: Path, bad: dict[str, Any]) -> None:
    good = _security("1542110402,192.0.2.190,10.5.16.4,28746,443,U,I,D,B,,,,")
    found = read_text(SOURCE, tmp_path, json.dumps({"records": [good, bad]}))

    assert found.misfits["line"].to_list() == [2]
    assert len(found.rows("connections")) == 1
