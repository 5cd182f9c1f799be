"""knockd's own log file, and its output."""

from pathlib import Path

import pytest

from knockwatch.sources import detect
from knockwatch.sources.knockd_log import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text


def test_a_stamped_line_is_a_message_of_knockd_without_a_host() -> None:
    row = read(SOURCE, SAMPLES / "knockd-log" / "srv1.log").rows("messages")[4]

    assert row["line"] == 5
    assert row["time"] == "2026-11-22 11:23"
    assert row["time_us"] == 1_795_346_580_000_000
    assert row["program"] == "knockd"
    assert row["host"] is None
    assert row["message"] == "198.51.100.10: openSSH: OPEN SESAME"


def test_blank_lines_are_no_misfits() -> None:
    """Trap 6: knockd.log has minute resolution and blank lines."""
    found = read(SOURCE, SAMPLES / "knockd-log" / "srv3.log")

    assert found.misfits.is_empty()
    assert found.records > len(found.rows("messages")) > 0


def test_a_log_with_its_newest_line_first_is_read_alike(tmp_path: Path) -> None:
    """Trap 6: logs may be newest-first."""
    text = (SAMPLES / "knockd-log" / "srv1.log").read_text()
    backwards = "\n".join(reversed(text.splitlines())) + "\n"

    found = read_text(SOURCE, tmp_path, backwards)

    whole = read(SOURCE, SAMPLES / "knockd-log" / "srv1.log")
    assert [row["message"] for row in found.rows("messages")][::-1] == [
        row["message"] for row in whole.rows("messages")
    ]


def test_a_stage_may_be_written_without_a_blank(tmp_path: Path) -> None:
    path = tmp_path / "knockd.log"
    path.write_text("[2023-09-19 13:00] 192.168.255.2: openSSH: Stage1\n")

    found = detect(head_of(path))

    assert found is not None
    assert found[0] is SOURCE
    assert found[1] > 0.9


def test_lines_without_a_time_and_impossible_times_are_counted(tmp_path: Path) -> None:
    text = "[2026-11-22 11:23] starting up, listening on eth0\n[2026-13-45 11:23] no such day\nno time\n"

    found = read_text(SOURCE, tmp_path, text)

    assert sorted(found.misfits["line"]) == [2, 3]
    assert len(found.rows("messages")) == 1


def test_another_programs_brackets_are_claimed_less_surely(tmp_path: Path) -> None:
    path = tmp_path / "other.log"
    path.write_text("[2026-11-22 11:23] backup finished\n")

    assert SOURCE.confidence(head_of(path)) < 0.5


def test_the_whole_lab_log_is_understood(corpus: Path) -> None:
    found = read(SOURCE, corpus / "lab-a" / "srv1-knockd-a.log")

    assert found.misfits.is_empty()
    assert sum("OPEN SESAME" in row["message"] for row in found.rows("messages")) > 5


def test_what_knockd_prints_is_read_without_times() -> None:
    found = read(SOURCE, SAMPLES / "knockd-log" / "srv1.out")

    assert found.misfits.is_empty()
    assert {row["time_us"] for row in found.rows("messages")} == {None}
    assert found.rows("messages")[4]["message"] == "198.51.100.10: openSSH: OPEN SESAME"


def test_knockd_counts_the_months_of_its_packets_from_zero() -> None:
    """The lab ran on 22 November; ``-D`` says ``2026-10-22``."""
    messages = read(SOURCE, SAMPLES / "knockd-log" / "srv1-debug.out").rows("messages")
    packet = next(row for row in messages if row["message"].startswith("2026-10-22 11:23:42: udp"))

    assert packet["time"] == "2026-11-22 11:23:42"
    assert packet["time_us"] == 1_795_346_622_000_000


def test_output_of_others_is_not_claimed(tmp_path: Path) -> None:
    path = tmp_path / "other.out"
    path.write_text("config: new section: 'options'\nconfig: ready\n" * 3)

    assert SOURCE.confidence(head_of(path)) == 0


@pytest.mark.parametrize("name", ["srv1-knockd-a.out", "srv1-knockd-b.out"])
def test_the_whole_lab_output_is_understood(corpus: Path, name: str) -> None:
    claim = detect(head_of(corpus / "lab-a" / name))
    assert claim is not None
    assert claim[0] is SOURCE
    found = read(SOURCE, corpus / "lab-a" / name)

    assert found.misfits.is_empty()
