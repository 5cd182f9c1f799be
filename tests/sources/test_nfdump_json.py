"""nfdump's JSON."""

import json
from pathlib import Path

from knockwatch.sources import nfdump_csv
from knockwatch.sources.nfdump_json import SOURCE
from tests.sources.reading import SAMPLES, read, read_text

LAB = SAMPLES / "nfdump-json"
OLD = {
    "type": "FLOW",
    "t_first": "2026-11-22T11:23:39.7",
    "t_last": "2026-11-22T11:23:39.71",
    "proto": 6,
    "src4_addr": "198.51.100.10",
    "dst4_addr": "203.0.113.10",
    "src_port": 48700,
    "dst_port": 9000,
    "fwd_status": 0,
    "tcp_flags": "......S.",
    "in_packets": 1,
    "in_bytes": 60,
    "label": "<none>",
}


def test_a_knock_and_its_entry_are_read() -> None:
    rows = read(SOURCE, LAB / "a1.json").rows("connections")

    assert [(row["destination_port"], row["outcome"], row["time_us"] % 10**9) for row in rows] == [
        (9000, "unanswered", 619_310_000),
        (8000, "unanswered", 619_010_000),
        (7000, "unanswered", 618_709_000),
        (22, "accepted", 620_134_000),
    ]


def test_it_says_what_the_csv_says_but_for_finer_times() -> None:
    columns = ("source_ip", "destination_ip", "destination_port", "icmp_type", "outcome", "payload_length")
    csv = read(nfdump_csv.SOURCE, SAMPLES / "nfdump-csv" / "i4.csv").rows("connections")
    rows = read(SOURCE, LAB / "i4.json").rows("connections")

    assert [[row[name] for name in columns] for row in rows] == [
        [row[name] for name in columns] for row in csv
    ]


def test_the_milliseconds_of_version_1_6_lack_their_zeros(tmp_path: Path) -> None:
    row = read_text(SOURCE, tmp_path, json.dumps([OLD])).rows("connections")[0]

    assert row["time_us"] == 1_795_346_619_007_000


def test_one_object_a_line_is_read(tmp_path: Path) -> None:
    denied = {**OLD, "event": "DENIED", "src_port": 48701}
    found = read_text(SOURCE, tmp_path, json.dumps(OLD) + "\n" + json.dumps(denied) + "\n")

    assert [(row["line"], row["outcome"], row["action"]) for row in found.rows("connections")] == [
        (1, "unanswered", None),
        (2, "denied", "DENIED"),
    ]


def test_a_record_that_makes_no_sense_is_counted(tmp_path: Path) -> None:
    bad = [{**OLD, "dst_port": 70000}, {**OLD, "src4_addr": "none"}, OLD]
    found = read_text(SOURCE, tmp_path, json.dumps(bad))

    assert found.misfits["line"].to_list() == [1, 2]
    assert len(found.rows("connections")) == 1
