"""What `knockwatch tune` shows, asks and writes; what it measures is in tests/tuning."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from knockwatch.cli import cli
from knockwatch.config import load

Tune = Callable[..., Result]


@pytest.fixture
def tune(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path) -> Tune:
    """Run the command on a health check and a scan, without its trials of thresholds."""
    monkeypatch.setattr("knockwatch.tuning.trials", lambda *_: iter(()))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["tune", str(data / "tuning"), *arguments])

    return run


def test_nothing_is_written_unless_asked_for(tune: Tune, tmp_path: Path) -> None:
    done = tune()
    assert done.exit_code == 0, done.output
    assert "Nothing was written" in done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert not list(tmp_path.iterdir())


def test_write_adds_the_monitor_and_asks_about_the_scanner(tune: Tune) -> None:
    done = tune("--write")
    assert "Wrote monitors 198.51.100.60 to knockwatch.toml." in done.stderr
    assert "Not written, but asked: scanners 198.51.100.131." in done.stderr
    context = load(None).context
    assert (context.monitors, context.scanners) == (("198.51.100.60",), ())


def test_a_confirmed_scanner_is_written_and_asked_about_no_more(tune: Tune) -> None:
    Path("site.toml").touch()
    assert tune("--write", "--confirm", "198.51.100.131", "--config", "site.toml").exit_code == 0
    assert load(Path("site.toml")).context.scanners == ("198.51.100.131",)
    again = json.loads(tune("--format", "json", "--config", "site.toml").stdout)
    assert again["proposals"] == []
    assert again["now"]["leads"] == 0


def test_confirming_what_nobody_proposed_writes_nothing(tune: Tune, tmp_path: Path) -> None:
    done = tune("--write", "--confirm", "192.0.2.1")
    assert done.exit_code == 2
    assert "nothing proposes 192.0.2.1" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [("--confirm", "a"), ("--cases", "cases.jsonl", "--labels", ".")])
def test_options_that_contradict_each_other_are_refused(tune: Tune, arguments: tuple[str, ...]) -> None:
    Path("cases.jsonl").write_text("")
    assert tune(*arguments).exit_code == 2


def test_json_has_what_the_table_says(tune: Tune) -> None:
    told = json.loads(tune("--format", "json").stdout)
    assert told["evidence"]["days"] is None
    assert told["now"]["alerts_a_day"] is None
    assert [(one["key"], one["entry"], bool(one["question"])) for one in told["proposals"]] == [
        ("context.monitors", "198.51.100.60", False),
        ("context.scanners", "198.51.100.131", True),
    ]
    assert told["proposals"][1]["change"]["known_lost"] == []


def test_known_cases_that_are_not_told_are_named(tune: Tune) -> None:
    case = {
        "id": "abcdef0123456789",
        "kind": "door",
        "status": "alert",
        "destination": "192.0.2.1",
        "door": "tcp/22",
    }
    Path("cases.jsonl").write_text(json.dumps(case) + "\n")
    assert "1 case from cases; not told now: abcdef01" in " ".join(
        tune("--cases", "cases.jsonl").stdout.split()
    )
