from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from knockwatch.sources import Head
from knockwatch.sources.zeek_conn import SOURCE as TEXT
from knockwatch.sources.zeek_conn_json import SOURCE
from tests.sources.reading import SAMPLES, read, read_text

RECORD = {
    "ts": 1700000000.123456,
    "uid": "C1",
    "id.orig_h": "192.0.2.1",
    "id.orig_p": 40000,
    "id.resp_h": "203.0.113.10",
    "id.resp_p": 22,
    "proto": "tcp",
    "conn_state": "REJ",
    "history": "Sr",
    "orig_pkts": 1,
    "orig_ip_bytes": 60,
    "resp_pkts": 1,
    "resp_ip_bytes": 40,
}


def test_both_writers_of_zeek_say_the_same() -> None:
    text = read(TEXT, SAMPLES / "zeek-conn" / "conn.log").rows("connections")
    lines = read(SOURCE, SAMPLES / "zeek-conn-json" / "conn.log").rows("connections")

    for one, other in zip(text, lines, strict=True):
        assert {**one, "line": 0, "time": ""} == {**other, "line": 0, "time": ""}


def _as_nested(line: str) -> str:
    """Write a record as Tenzir does: `id.orig_h` as an object `id` that holds `orig_h`."""
    nested: dict[str, Any] = {}
    for key, value in json.loads(line).items():
        *outer, last = key.split(".")
        place = nested
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = value
    return json.dumps(nested)


def test_nested_records_say_the_same(tmp_path: Path) -> None:
    path = SAMPLES / "zeek-conn-json" / "conn.log"
    lines = [_as_nested(line) for line in path.read_text().splitlines()]
    text = "\n".join(lines)

    assert '"id": {"orig_h"' in text
    assert SOURCE.confidence(Head(text.encode(), whole=True)) > 0.9
    assert (
        read_text(SOURCE, tmp_path, text)
        .tables["connections"]
        .equals(read(SOURCE, path).tables["connections"])
    )


def test_nested_records_among_zeek_s_other_logs_are_found(tmp_path: Path) -> None:
    files = {"_path": "files", "ts": 1, "id": "F1", "fuid": "F1"}
    dns = {"_path": "dns", "ts": 1, "id": {"orig_h": "192.0.2.1"}, "query": "example.org"}
    lines = [json.dumps(files), json.dumps(dns), _as_nested(json.dumps(RECORD)), json.dumps(RECORD)]
    found = read_text(SOURCE, tmp_path, "\n".join(lines))

    assert [row["line"] for row in found.rows("connections")] == [3, 4]
    assert not found.misfits.height


@pytest.mark.parametrize(
    "ts", [1700000000.123456, 1700000000123.456, "2023-11-14T22:13:20.123456Z", "1700000000.123456"]
)
def test_every_spelling_of_a_time(ts: object, tmp_path: Path) -> None:
    """LogAscii::json_timestamps: seconds, milliseconds, ISO 8601."""
    (row,) = read_text(SOURCE, tmp_path, json.dumps({**RECORD, "ts": ts}) + "\n").rows("connections")

    assert row["time_us"] == 1_700_000_000_123_456


def test_a_stream_of_all_logs_is_read_for_its_connections(tmp_path: Path) -> None:
    other = {"_path": "dns", "ts": 1, "id.orig_h": "192.0.2.1", "query": "example.org"}
    named = {"_path": "conn", "_system_name": "sensor-1", **RECORD}
    found = read_text(SOURCE, tmp_path, "\n".join(map(json.dumps, (named, other, RECORD, {"a": 1}))))

    assert [(row["line"], row["sensor"]) for row in found.rows("connections")] == [(1, "sensor-1"), (3, None)]
    assert found.misfits["line"].to_list() == [4]


@pytest.mark.parametrize(
    ("key", "value"),
    [("id.resp_p", 70000), ("id.orig_h", "nobody"), ("ts", None), ("proto", None), ("id.resp_p", "http")],
)
def test_an_impossible_value_makes_a_misfit(key: str, value: object, tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, json.dumps({**RECORD, key: value}) + "\n" + json.dumps(RECORD))

    assert [row["line"] for row in found.rows("connections")] == [2]
    assert found.misfits["line"].to_list() == [1]


def test_other_logs_of_zeek_are_not_claimed() -> None:
    dns = {"ts": 1.0, "uid": "C1", "id.orig_h": "192.0.2.1", "query": "example.org"}

    assert SOURCE.confidence(Head(json.dumps(dns).encode(), whole=True)) == 0


def test_a_real_log(corpus: Path) -> None:
    found = read(SOURCE, corpus / "public" / "zat" / "data" / "json" / "conn.log")
    outcomes = [(row["protocol"], row["outcome"]) for row in found.rows("connections")]

    assert found.misfits.is_empty()
    assert {pair: outcomes.count(pair) for pair in set(outcomes)} == {
        ("tcp", "accepted"): 20,
        ("tcp", "unknown"): 4,
        ("udp", "accepted"): 26,
    }
