"""`knockwatch emulate` makes a corpus, says what it made, and says in a sentence what is wrong."""

from pathlib import Path

from click.testing import CliRunner

from knockwatch.cli import cli
from knockwatch.errors import KnockwatchError


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["emulate", *arguments])
    return result.exit_code, result.output


def test_it_says_what_it_made_and_how_to_judge_it(tmp_path: Path) -> None:
    status, said = run(
        "--rows", "5000", "--days", "1", "--doors", "2", "--format", "netfilter", str(tmp_path / "out")
    )
    assert status == 0
    assert "Wrote 5,000 rows to" in said
    assert "2 doors" in said
    assert f"knockwatch evaluate {tmp_path / 'out'}" in said
    assert len((tmp_path / "out" / "netfilter" / "00000.log").read_text().splitlines()) == 5000


def test_quiet_it_says_nothing(tmp_path: Path) -> None:
    assert run("-q", "--rows", "5000", "--days", "1", "--doors", "1", str(tmp_path / "out")) == (0, "")


def test_a_full_folder_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    status, said = run(str(tmp_path))
    assert status == KnockwatchError.exit_status
    assert "is not empty: name another folder" in said


def test_an_unknown_format_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    status, said = run("--format", "telex", str(tmp_path / "out"))
    assert status == 2
    assert "netfilter" in said


def test_too_short_a_time_names_the_option_to_change(tmp_path: Path) -> None:
    status, said = run("--days", "0.05", str(tmp_path / "out"))
    assert status == KnockwatchError.exit_status
    assert "--days" in said
