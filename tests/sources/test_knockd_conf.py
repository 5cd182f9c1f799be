"""knockd.conf as a file."""

from pathlib import Path

from knockwatch.sources import Head
from knockwatch.sources.knockd_conf import SOURCE
from tests.sources.reading import SAMPLES, read, read_text


def test_every_section_is_a_door_but_the_options() -> None:
    rows = read(SOURCE, SAMPLES / "knockd-conf" / "knockd-a.conf").rows("changes")

    assert {row["name"] for row in rows} == {"openSSH", "patientSSH"}
    assert {row["actor"] for row in rows} == {"knockd"}


def test_a_line_before_any_section_is_counted(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, "lost = 1\n[d]\nsequence = 1,2\n")

    assert found.misfits["line"].to_list() == [1]


def test_an_ini_file_of_another_program_is_not_claimed() -> None:
    assert SOURCE.confidence(Head(b"[unit]\nname = x\n", whole=True)) == 0
