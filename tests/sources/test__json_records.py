from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._json_records import JsonRecords, nested
from tests.sources.reading import read_text

RECORDS = [
    {"flow": {"from": "192.0.2.1", "port": 7000}, "kind": "flow"},
    {"flow.from": "192.0.2.2", "flow.port": "8000", "kind": "flow"},
    {"kind": "flow", "flow": None},
]


class Flows(JsonRecords):
    """A format with two keys."""

    format = Format("flows", "Flows", ("messages",), "documented", "this test")
    keys = ("flow.from", "flow.port")

    def belongs(self, record: Mapping[str, Any]) -> bool:
        return record.get("kind") == "flow"

    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        known = records.filter(pl.col("flow.from").is_not_null())
        bad = records.filter(pl.col("flow.from").is_null()).select("line", pl.lit(None).alias("text"))
        return Batch(
            0,
            {"messages": known.select("line", pl.col("flow.from").alias("host"), message="flow.port")},
            bad,
        )


SHAPES = {
    "lines": "\n".join(map(json.dumps, RECORDS)),
    "array": json.dumps(RECORDS, indent=1),
    "holder": json.dumps({"version": 1, "records": RECORDS}),
    "in a row": "\n".join(json.dumps(record, indent=2) for record in RECORDS),
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in SHAPES.items()])
def test_every_shape_of_a_file_gives_the_same_rows(text: str, tmp_path: Path) -> None:
    found = read_text(Flows(), tmp_path, text)

    assert [(row["line"], row["host"], row["message"]) for row in found.rows("messages")] == [
        (1, "192.0.2.1", "7000"),
        (2, "192.0.2.2", "8000"),
    ]
    assert found.misfits["line"].to_list() == [3]
    assert found.misfits["text"].str.contains("flow").all()
    assert found.records == 3
    assert Flows().confidence(Head(text.encode(), whole=True)) == pytest.approx(0.95)


def test_a_line_that_is_no_object_is_counted(tmp_path: Path) -> None:
    found = read_text(Flows(), tmp_path, f"{SHAPES['lines']}\nrubbish\n[1]\n\n")

    assert found.misfits["text"].to_list()[:2] == ["rubbish", "[1]"]


def test_a_document_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    found = read_text(Flows(), tmp_path, SHAPES["array"][:-60])

    assert found.rows("messages")[0]["host"] == "192.0.2.1"
    assert "breaks at record" in found.problems[0]


def test_a_value_of_another_shape_is_missing() -> None:
    lines = pl.DataFrame({"line": [1, 2], "text": ['{"flow": "text"}', '{"flow": {"from": {"a": 1}}}']})

    assert nested(lines, Flows.keys)["flow.from"].to_list()[0] is None


def test_values_a_reader_cannot_hold_do_not_spoil_the_block() -> None:
    lines = pl.DataFrame({"line": [1, 2], "text": ['{"flow.from": "a\x01"}', '{"flow.from": "b"}']})

    assert nested(lines, Flows.keys)["flow.from"].to_list()[1] == "b"


@pytest.mark.parametrize(
    "spoiler", ["rubbish", "", '{"flow": {"from": "192.0.2.1"', "\ufeff", '{"a": 1}{"a": 2}']
)
def test_one_odd_line_does_not_spoil_its_block(spoiler: str, tmp_path: Path) -> None:
    lines = [json.dumps({"flow": {"from": "192.0.2.1", "port": number}}) for number in range(2000)]
    lines[700] = spoiler
    found = read_text(Flows(), tmp_path, "\r\n".join(lines))

    assert [row["line"] for row in found.rows("messages")] == [*range(1, 701), *range(702, 2001)]
    assert all(row["message"] == str(row["line"] - 1) for row in found.rows("messages"))
    assert found.misfits["text"].to_list() == ([spoiler] if spoiler.strip("\ufeff") else [])
    assert found.records == 2000
