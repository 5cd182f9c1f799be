"""What programs are given can be read back."""

from __future__ import annotations

import csv
import io
import json

import pytest

from knockwatch.errors import EvidenceError
from knockwatch.ingest import Workspace
from knockwatch.reports import FORMATS, Report, select, writer
from knockwatch.reports.machine import read_cases
from knockwatch.reports.summary import summarise
from tests.reports.made import client, door, lead, result, suppressed

CASES = (door(), client(), lead(), suppressed())
HOSTILE = "=HYPERLINK(1)\x1b[2J\u202e\nnext"


def written(form: str, *cases: object) -> str:
    """Write cases in a format."""
    stream = io.StringIO()
    writer(form)(Report(cases, {"lines": 7}), stream)  # type: ignore[arg-type]
    return stream.getvalue()


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_cases_read_back_equal(form: str) -> None:
    assert read_cases(io.StringIO(written(form, *CASES)), "-") == list(CASES)


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_one_hostile_case_reads_back_equal(form: str) -> None:
    case = door(explanation=[HOSTILE], host=HOSTILE)
    text = written(form, case)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert read_cases(io.StringIO(text), "-") == [case]


def test_json_holds_cases_and_summary() -> None:
    whole = json.loads(written("json", *CASES))
    assert list(whole) == ["cases", "summary"]
    assert whole["cases"][0] == door().to_json() | {
        "attempts": whole["cases"][0]["attempts"],
        "entries": whole["cases"][0]["entries"],
        "evidence": whole["cases"][0]["evidence"],
    }
    assert whole["summary"] == {"lines": 7}


def test_jsonl_is_one_case_a_line() -> None:
    lines = written("jsonl", *CASES).splitlines()
    assert [json.loads(line)["id"] for line in lines] == [case.id for case in CASES]


def test_csv_is_one_case_a_row() -> None:
    rows = list(csv.DictReader(io.StringIO(written("csv", *CASES))))
    assert [row["id"] for row in rows] == [case.id for case in CASES]
    assert rows[0]["sequence"] == "tcp/7000 udp/8000 tcp/9000"
    assert rows[0]["entries"] == "1"
    assert rows[1]["door"] == ""
    assert rows[2]["order_known"] == "false"


def test_csv_cells_are_neutralised() -> None:
    text = written("csv", door(host=HOSTILE, explanation=["@SUM(1)"], sources=["+1"], door="-1"))
    row = next(csv.DictReader(io.StringIO(text)))
    assert row["host"] == r"'=HYPERLINK(1)\x1b[2J\u202e\nnext"
    assert (row["explanation"], row["sources"], row["door"]) == ("'@SUM(1)", "'+1", "'-1")
    assert len(text.splitlines()) == 2


NO_CASES = ["nonsense", "[1, 2]", '{"id": 1}', '{"cases": [{}]}', '{"a":' * 100_000]


@pytest.mark.parametrize("text", NO_CASES, ids=range(len(NO_CASES)))
def test_what_is_no_case_is_one_sentence(text: str) -> None:
    with pytest.raises(EvidenceError, match=r"cases\.jsonl.*is no case"):
        read_cases(io.StringIO(text), "cases.jsonl")


def test_the_line_that_is_no_case_is_named() -> None:
    with pytest.raises(EvidenceError, match=r"cases\.jsonl:2: "):
        read_cases(io.StringIO(written("jsonl", door()) + "{}\n"), "cases.jsonl")


def test_fields_of_a_later_version_are_passed_over() -> None:
    line = json.dumps(door().to_json() | {"schema_version": "1.9", "mood": "gloomy"})
    assert read_cases(io.StringIO(line), "-") == [door()]


def test_no_cases_are_no_error() -> None:
    assert read_cases(io.StringIO(""), "-") == []


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_can_be_loaded(form: str) -> None:
    assert callable(writer(form))


def test_selection_counts_what_it_leaves_out() -> None:
    cases, hidden = select(CASES, {"alert"}, "high")
    assert [case.id for case in cases] == [door().id]
    assert hidden == {"confidence": 1, "lead": 1, "suppressed": 1}


def test_the_summary_says_what_was_read(workspace: Workspace) -> None:
    summary = summarise(result(workspace, *CASES), {"rules": "all"})
    assert (summary["lines"], summary["not_understood"], summary["malformed_lines"]) == (12341, 4, 1)
    assert summary["rows"] == {"connections": 7900, "processes": 0, "messages": 8117, "changes": 0}
    assert summary["cases"] == {"alert": 2, "lead": 1, "suppressed": 1}
    assert summary["files"][0]["example"] == {"line": 17, "text": "this is no syslog \x1b[31mat all"}
    assert summary["files"][0]["assumed"].startswith("year 2026")
    assert {"knockwatch", "polars", "duckdb"} <= set(summary["versions"])
    json.dumps(summary)
