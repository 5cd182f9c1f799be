"""fwknopd's foreground output."""

from pathlib import Path

from knockwatch.sources.fwknopd_output import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

SAMPLE = SAMPLES / "fwknopd-output" / "srv1.out"


def test_every_line_is_a_message_of_fwknopd_without_a_time() -> None:
    found = read(SOURCE, SAMPLE)

    rows = found.rows("messages")
    assert len(rows) == found.records == len(SAMPLE.read_text().splitlines())
    assert {row["program"] for row in rows} == {"fwknopd"}
    assert {row["time_us"] for row in rows} == {None}
    assert rows[9]["message"].startswith(
        "Added access rule to FWKNOP_INPUT for 198.51.100.33 -> 0.0.0.0/0 tcp/22"
    )
    assert rows[9]["line"] == 10


def test_blank_lines_are_passed_over(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, "Starting fwknopd\n\n\nGot SIGTERM. Exiting...\n")

    assert [row["line"] for row in found.rows("messages")] == [1, 4]
    assert found.misfits.is_empty()


def test_a_text_about_fwknopd_is_not_its_output(tmp_path: Path) -> None:
    path = tmp_path / "README"
    path.write_text(
        "fwknop stands for FireWall KNock OPerator.\nIt is started so:\n\n  Starting fwknopd\n" * 3
    )

    assert SOURCE.confidence(head_of(path)) == 0


def test_a_syslog_with_fwknopds_lines_is_not_its_output() -> None:
    assert SOURCE.confidence(head_of(SAMPLES / "syslog" / "iso.log")) == 0
