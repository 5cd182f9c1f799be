"""The bench: what it compares, and that a loss against the committed run fails."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from bench import ratios
from bench.__main__ import run
from bench.emulated import doors_found, emulated
from bench.measure import Comparison, Contender, Run, Wanted, compare, markdown, python, timed

SLOW = "import time; time.sleep(0.2)"


def results(**changes: float) -> dict[str, Any]:
    """A run of one comparison with two others."""
    told = {"rows": 10, "seconds": 1.0, "cpu": 1.0, "peak_mb": 9}
    contenders = {name: {**told, "ratio": 8.0, "cpu_ratio": 8.0} for name in ("grep", "awk")}
    for name, ratio in changes.items():
        contenders[name]["ratio"] = ratio
    ours = {**told, "ratio": 1.0, "cpu_ratio": 1.0}
    one = {"id": "a", "what": "text", "contenders": {**contenders, "knockwatch scan": ours}, "remarks": []}
    return {"scale": 1.0, "comparisons": [one]}


def checked(monkeypatch: pytest.MonkeyPatch, folder: Path, now: dict[str, Any], *options: str) -> int:
    """The exit status of the check against a committed run."""
    committed, measured = folder / "committed.json", folder / "measured.json"
    committed.write_text(json.dumps(results()))
    measured.write_text(json.dumps(now))
    arguments = ["ratios", str(measured), "--committed", str(committed), *options]
    monkeypatch.setattr(sys, "argv", arguments)
    return ratios.main()


@pytest.mark.parametrize(
    ("now", "status"),
    [(results(), 0), (results(grep=6.1), 0), (results(grep=5.9), 1), (results(grep=80.0), 0)],
    ids=["the same", "within a quarter", "past a quarter", "faster"],
)
def test_a_loss_past_a_quarter_fails_and_names_the_row(
    now: dict[str, Any],
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert checked(monkeypatch, tmp_path, now) == status
    assert capsys.readouterr().out == ("a, grep: 5.90 times as fast, was 8.00\n" if status else "")


def test_on_a_busy_machine_cpu_time_may_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(monkeypatch, tmp_path, results(grep=1.0), "--by", "cpu") == 0


def test_what_was_not_measured_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = results()
    del now["comparisons"][0]["contenders"]["awk"]
    assert checked(monkeypatch, tmp_path, now) == 1


def test_runs_of_another_scale_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(monkeypatch, tmp_path, {**results(), "scale": 0.02}) == 2


def test_a_ratio_is_the_median_of_the_rounds_per_row() -> None:
    slow = [Run(4.0, 1.0, 1.0), Run(8.0, 1.0, 1.0), Run(100.0, 1.0, 1.0)]
    ours = [Run(2.0, 2.0, 1.0)] * 3
    made = Comparison(
        "a", "text", {"psad": 5, "knockwatch scan": 50}, {"psad": slow, "knockwatch scan": ours}
    )
    assert made.ratio("psad") == pytest.approx(40)
    assert made.ratio("psad", "cpu") == pytest.approx(5)


def test_contenders_run_in_turn_and_what_is_not_installed_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    note = "import sys; open(sys.argv[1], 'a').write(sys.argv[2])"
    contenders = {
        "other": Contender(python(note, log, "o"), 1),
        "no such program": Contender(["no-such-program"], 1),
        "knockwatch": Contender(python(note, log, "k"), 1),
    }
    made = compare("x", "turns", contenders, Wanted(tmp_path, runs=3), lambda: ["looked at"])
    assert log.read_text() == "okokok"
    assert made.remarks == ["no such program is not installed", "looked at"]
    assert "| x: turns | other | 1 |" in markdown([made.to_json()])


def test_a_command_that_fails_ends_the_bench_with_its_words() -> None:
    with pytest.raises(SystemExit, match="no such luck"):
        timed(python("raise ValueError('no such luck')"))


def test_time_passes_where_a_command_only_waits() -> None:
    took = timed(python(SLOW))
    assert took.seconds > took.cpu
    assert took.peak > 1


@pytest.mark.parametrize("part", ["b", "e"])
def test_a_part_runs_at_a_tiny_scale_and_finds_every_door(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.security_log.SIZES", (1_000_000,))
    told = run([part], 0.0001, 7, 1, tmp_path)
    assert all(one["contenders"]["knockwatch scan"]["seconds"] > 0 for one in told)
    assert all(len(one["contenders"]) == (4 if part == "b" else 3) for one in told)
    if part == "b":
        assert [one["id"] for one in told] == ["b1t", "b1s"]
        assert all(one["remarks"][0].startswith("all ") for one in told)
    assert not list(tmp_path.iterdir())


def test_a_missed_door_ends_the_bench(tmp_path: Path) -> None:
    wanted = Wanted(tmp_path, seed=7)
    corpus = emulated(wanted, 10_000, "common-security-log")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cases.jsonl").touch()
    with pytest.raises(SystemExit, match=r"0 of [1-9]"):
        doors_found(corpus, "common-security-log", tmp_path / "out")()
