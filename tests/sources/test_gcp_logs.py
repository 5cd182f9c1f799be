"""Google Cloud's flow and firewall logs."""

import json
from pathlib import Path
from typing import Any

from knockwatch.sources.gcp_logs import SOURCE
from tests.sources.reading import SAMPLES, read, read_text

SAMPLE = SAMPLES / "gcp-logs" / "entries.jsonl"


def _entries() -> list[dict[str, Any]]:
    return [json.loads(line) for line in SAMPLE.read_text().splitlines()]


def _by_line() -> list[dict[str, Any]]:
    return sorted(read(SOURCE, SAMPLE).rows("connections"), key=lambda row: row["line"])


def test_both_directions_of_a_flow_are_one_row() -> None:
    """Decimal ports, and the answer's record the earlier one: flows are sampled."""
    row = _by_line()[0]

    assert (row["source_ip"], row["source_port"], row["destination_port"]) == ("198.51.100.75", 49444, 3389)
    assert (row["packets_sent"], row["packets_received"], row["outcome"]) == (4, 6, "accepted")
    assert (row["sensor"], row["product"]) == ("vm-instance-01", "VPC Flow Logs")


def test_what_a_rule_lets_pass_is_no_answer() -> None:
    denied, allowed = _by_line()[1:]

    assert (denied["outcome"], denied["forwarded"], denied["action"]) == ("denied", None, "DENIED")
    assert (allowed["outcome"], allowed["forwarded"], allowed["action"]) == ("accepted", True, "ALLOWED")
    assert (denied["rule"], denied["sensor"]) == ("network:example-net/firewall:rule-a", "VM1")
    assert denied["time_us"] == 1_704_191_445_123_456


def test_silence_in_a_sample_is_unknown_and_a_round_trip_an_answer(tmp_path: Path) -> None:
    entry = _entries()[0]
    measured = read_text(SOURCE, tmp_path, json.dumps([entry])).rows("connections")
    del entry["jsonPayload"]["rtt_msec"]
    silent = read_text(SOURCE, tmp_path, json.dumps([entry])).rows("connections")

    assert [row["outcome"] for row in (*measured, *silent)] == ["accepted", "unknown"]


def test_entries_of_other_logs_are_passed_over_and_strange_ones_counted(tmp_path: Path) -> None:
    entries = _entries()
    broken = json.loads(json.dumps(entries[2]).replace("10.10.0.99", "10.10.0"))
    audit = {"logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity", "protoPayload": {}}
    text = "\n".join(json.dumps(entry) for entry in (entries[3], broken, audit, {"a": 1}))
    found = read_text(SOURCE, tmp_path, text)

    assert found.misfits["line"].to_list() == [2, 4]
    assert len(found.rows("connections")) == 1
