"""A lab that is killed at any moment leaves a machine that `lab down` restores; it starts nothing outside itself."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from knockwatch.lab import LabError, journal, observers, stage
from knockwatch.lab.journal import JOURNAL, STATE, TAKEN, entries, inhabitants
from knockwatch.lab.network import inside
from knockwatch.lab.plan import Plan
from tests.lab.machine_state import machine_state

PATIENCE_SECONDS = 120
KNOCKWATCH = [sys.executable, "-m", "knockwatch"]


def _lines() -> int:
    """Count the journal's lines."""
    try:
        return len(JOURNAL.read_bytes().splitlines())
    except OSError:
        return 0


def _killed_when(command: list[str], reached: Callable[[], bool]) -> bool:
    """Start a command, and kill it and nothing else as soon as something is so; tells whether it came to that."""
    process = subprocess.Popen(
        [*KNOCKWATCH, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    end = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < end:
        if reached():
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return True
    process.kill()
    process.wait()
    return False


@pytest.mark.parametrize("line", [1, 4, 15, 21, 22, 24, 30, 36, 50])
def test_up_that_is_killed_is_undone(line: int, lab_machine: None, tmp_path: Path) -> None:
    """The journal's lines are the moments: namespaces, the kernel setting, audit, observers, UFW, daemons."""
    before = machine_state()
    assert _killed_when(["lab", "up", "--out", str(tmp_path / "run")], lambda: _lines() >= line)
    stage.down()
    assert machine_state() == before


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_play_that_is_killed_is_undone(seed: int, lab_machine: None, plan: Plan, tmp_path: Path) -> None:
    """Every command that is played writes a line: the kill comes in the midst of one, at random."""
    before = machine_state()
    stage.up(plan, tmp_path / "run")
    wanted = _lines() + random.Random(seed).randint(1, 12)
    assert _killed_when(["lab", "play", "noise" if seed == 3 else "quick"], lambda: _lines() >= wanted)
    stage.down()
    assert machine_state() == before
    assert not STATE.exists()


def test_a_lab_leads_nowhere(lab_machine: None, plan: Plan, tmp_path: Path) -> None:
    """No host has a route to an address that is not the lab's, nor a resolver; and no link leads to the machine."""
    stage.up(plan, tmp_path / "run")
    for host in plan.hosts:
        for address in ("192.0.2.2", "8.8.8.8", "10.0.0.1"):
            found = subprocess.run(
                inside(host, ["ip", "route", "get", address]), capture_output=True, check=False
            )
            assert found.returncode != 0, (host, address)
        resolver = subprocess.run(
            inside(host, ["cat", "/etc/resolv.conf"]), capture_output=True, text=True, check=True
        )
        assert resolver.stdout == "# no resolver\n"
        assert inhabitants(f"kw-{host}") or host in ("admin", "attacker", "scanner")
    with pytest.raises(LabError, match="a lab is up"):
        stage.up(plan, tmp_path / "other")
    assert stage.down()
    assert not stage.down()


def test_what_cannot_be_started_is_undone_at_once(
    lab_machine: None, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = machine_state()
    (tmp_path / "bin").mkdir()
    broken = tmp_path / "bin" / "ulogd"
    broken.write_text("#!/bin/sh\necho it is broken >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(LabError, match=r"ulogd did not start: .*it is broken"):
        stage.up(plan, tmp_path / "run")
    assert machine_state() == before


def test_an_auditd_that_has_to_be_killed_leaves_no_pid_file(
    lab_machine: None, plan: Plan, tmp_path: Path
) -> None:
    """It passes over a signal that comes too early, as when `up` is killed right after it was started."""
    before = machine_state()
    stage.up(plan, tmp_path / "run")
    audit = [entry for entry in entries() if entry.get("name") == "auditd"]
    if not audit:
        pytest.skip("auditd is not installed, or another one runs")
    assert observers.PID_FILE.read_text().strip() == str(audit[0]["pid"])
    assert "knock_tool" in journal.run(["auditctl", "-l"])
    os.kill(audit[0]["pid"], signal.SIGKILL)
    stage.down()
    assert machine_state() == before


@pytest.mark.parametrize(
    ("before", "since", "after"),
    [
        (None, "{dead}", None),
        ("{stale}", "{dead}", "{stale}"),
        ("{stale}", None, "{stale}"),
        (None, "{alive}", "{alive}"),
        (None, "no number", None),
        (None, None, None),
    ],
)
def test_only_the_labs_own_pid_file_is_undone(
    before: str | None, since: str | None, after: str | None, tmp_path: Path
) -> None:
    """The system's own auditd may have left one, or have been started meanwhile."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    pids = {"dead": ended.pid, "stale": 4194304, "alive": os.getpid()}
    filled = [text and text.format(**pids) for text in (before, since, after)]
    path = tmp_path / "auditd.pid"
    if filled[1] is not None:
        path.write_text(filled[1])
    journal._restore_pid_file({"undo": "pid file", "path": str(path), "text": filled[0]})
    assert (path.read_text() if path.exists() else None) == filled[2]


def test_a_down_that_is_killed_is_finished_by_the_next(lab_machine: None, plan: Plan, tmp_path: Path) -> None:
    before = machine_state()
    stage.up(plan, tmp_path / "run")
    assert _killed_when(["lab", "down"], TAKEN.exists)
    assert stage.down()
    assert machine_state() == before


def test_a_running_play_ends_with_the_lab(lab_machine: None, plan: Plan, tmp_path: Path) -> None:
    before = machine_state()
    stage.up(plan, tmp_path / "run")
    begun = _lines()
    playing = subprocess.Popen([*KNOCKWATCH, "lab", "play", "noise"], stderr=subprocess.DEVNULL)
    while _lines() < begun + 6:
        assert playing.poll() is None
    stage.down()
    assert playing.wait(timeout=PATIENCE_SECONDS) != 0
    assert machine_state() == before
