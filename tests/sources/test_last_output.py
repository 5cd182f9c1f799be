"""What last and lastb print."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from knockwatch.sources.last_output import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

FOLDER = SAMPLES / "last"
LINE = "bui      pts/0        198.51.100.10    Sun Nov 22 11:23 - 11:24  (00:00)"


@pytest.mark.parametrize("name", ["plain.txt", "full.txt", "iso.txt", "host-last.txt"])
def test_log_ins_are_read_however_last_was_asked(name: str) -> None:
    """With -a the source stands last; with -F times have a year."""
    rows = read(SOURCE, FOLDER / name).rows("messages")

    assert [row["message"] for row in rows[:4]] == [
        "admin failed to log in on ssh:notty from 192.0.2.7",
        "root logged in on tty1",
        "root logged in on pts/1 from 2001:db8:c::10",
        "bui logged in on pts/0 from 198.51.100.10",
    ]
    assert rows[4]["message"].startswith("reboot")
    assert {row["time_us"] // 60_000_000 for row in rows[3:4]} == {1_795_346_620 // 60}
    assert {row["program"] for row in rows} == {"last"}


def test_attempts_are_told_from_log_ins() -> None:
    (row,) = read(SOURCE, FOLDER / "lastb.txt").rows("messages")

    assert row["message"] == "admin failed to log in on ssh:notty from 192.0.2.7"


def test_a_time_without_a_year_gets_the_one_in_which_its_day_has_that_name(tmp_path: Path) -> None:
    """The records may begin years before: 22 November was a Sunday in 2026 and in 2020, not between."""
    found = read_text(SOURCE, tmp_path, f"{LINE}\n\nwtmp begins Mon Mar  4 10:00:00 2021\n")

    assert found.rows("messages")[0]["time_us"] == 1_795_346_580_000_000


def test_without_a_last_line_the_file_is_younger_than_what_it_tells(tmp_path: Path) -> None:
    path = tmp_path / "last.txt"
    path.write_text(LINE + "\n")
    written = datetime(2027, 3, 1, tzinfo=UTC).timestamp()
    os.utime(path, (written, written))

    assert read(SOURCE, path).rows("messages")[0]["time_us"] == 1_795_346_580_000_000


@pytest.mark.parametrize(
    "line",
    [
        "bui      pts/0        198.51.100.10    Sun Nov 31 11:23 - 11:24  (00:00)",
        "bui      pts/0        198.51.100.10    Sun Nov 22 25:23 - 11:24  (00:00)",
        "bui      pts/0        198.51",
        "hello",
    ],
)
def test_a_damaged_line_is_counted(tmp_path: Path, line: str) -> None:
    text = (FOLDER / "plain.txt").read_text()

    assert read_text(SOURCE, tmp_path, f"{line}\n{text}").misfits.rows() == [(1, line)]


@pytest.mark.parametrize("text", ["root pts/0 logged in\n", "Nov 22 11:23:40 srv1 sshd[1]: hello\n"])
def test_other_text_is_not_ours(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x"
    path.write_text(text)

    assert SOURCE.confidence(head_of(path)) == 0
