"""OCSF in JSON."""

from __future__ import annotations

import json
from pathlib import Path

from knockwatch.sources import Head
from knockwatch.sources.ocsf import SOURCE
from tests.sources.reading import SAMPLES, read, read_text

EVENTS = SAMPLES / "ocsf" / "events.jsonl"


def test_lines_and_an_array_say_the_same(tmp_path: Path) -> None:
    records = [json.loads(line) for line in EVENTS.read_text().splitlines()]

    lines, array = read(SOURCE, EVENTS), read_text(SOURCE, tmp_path, json.dumps(records, indent=1))
    for table in ("connections", "processes", "messages", "changes"):
        assert array.rows(table) == lines.rows(table)
        assert array.rows(table)


def test_a_cut_line_is_counted(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, EVENTS.read_text()[:-30])

    assert found.misfits["line"].to_list() == [29]


def test_other_json_is_not_claimed() -> None:
    assert SOURCE.confidence(Head(b'{"class_uid": 4001, "when": 1}\n', whole=True)) == 0
