"""Exports of AuditLog_CL."""

from pathlib import Path

import pytest

from knockwatch.sources.audit_log_cl import SOURCE
from knockwatch.sources.auditd import SOURCE as AUDITD
from tests.sources.reading import SAMPLES, head_of, read, read_text

FOLDER = SAMPLES / "audit-log-cl"
LINES = (FOLDER / "rows.jsonl").read_text().split("\n")


@pytest.mark.parametrize("name", ["rows.jsonl", "portal.csv"])
def test_the_lines_are_read_as_in_the_log_they_come_from(tmp_path: Path, name: str) -> None:
    import json

    log = "\n".join(json.loads(line)["RawData"] for line in LINES if line)
    expected = read_text(AUDITD, tmp_path, log)
    found = read(SOURCE, FOLDER / name)

    for table in ("processes", "changes"):
        kept = [column for column in found.tables[table].columns if column not in ("line", "host")]
        assert found.tables[table].select(kept).equals(expected.tables[table].select(kept))
    assert found.misfits.is_empty()


def test_the_host_is_the_computer_that_sent_the_line() -> None:
    assert {row["host"] for row in read(SOURCE, FOLDER / "rows.jsonl").rows("changes")} == {"srv1"}


def test_the_time_is_the_records_not_that_of_its_arrival() -> None:
    """Trap 2: TimeGenerated is the time of ingestion."""
    row = read(SOURCE, FOLDER / "portal.csv").rows("processes")[0]

    assert row["time_us"] == 1_795_346_614_156_000


@pytest.mark.parametrize(
    "row", ['{"RawData": null}', '{"RawData": "hello", "Computer": "srv1"}', "no json", "[1]"]
)
def test_a_row_without_a_record_is_counted(tmp_path: Path, row: str) -> None:
    found = read_text(SOURCE, tmp_path, "\n".join([*LINES[:-1], row]))

    assert found.misfits.rows() == [(len(LINES), row)]


def test_a_record_of_the_table_that_is_damaged_is_counted(tmp_path: Path) -> None:
    text = (FOLDER / "portal.csv").read_text() + "a,b\r\n"

    assert read_text(SOURCE, tmp_path, text).misfits.height == 1


def test_a_document_is_read_like_lines(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, "[" + ",\n".join(line for line in LINES if line) + "]")

    assert len(found.rows("changes")) == len(read(SOURCE, FOLDER / "rows.jsonl").rows("changes"))


def test_rows_of_another_table_are_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("TimeGenerated,RawData\n2026-11-22,hello\n")

    assert SOURCE.confidence(head_of(path)) == 0
