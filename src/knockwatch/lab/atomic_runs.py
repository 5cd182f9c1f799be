"""Runs the atomic tests in the lab with a real runner, and judges whether our rules fire on what observers wrote.

Run as `python -m knockwatch.lab.atomic_runs [--install] [--required] [--runner PYTHON] [--page FILE] [--out DIR]`. It
fails if a test did not do what it shall, or a rule that must fire did not; `--page` writes the table of what was run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from knockwatch.cases import Case
from knockwatch.config import Config
from knockwatch.detections import Finding
from knockwatch.detections.door import TRIED
from knockwatch.engines.embedded import Engine
from knockwatch.errors import KnockwatchError
from knockwatch.ingest import Workspace, ingest
from knockwatch.investigation import Investigation
from knockwatch.lab import LabError, stage
from knockwatch.lab.atomics import FOLDER, Atomic, Expected, expected, techniques
from knockwatch.lab.atomics_page import Played, page
from knockwatch.lab.check import ready, say
from knockwatch.lab.data import load
from knockwatch.lab.journal import STATE, marked, recorded
from knockwatch.lab.network import as_host
from knockwatch.lab.plan import Plan
from knockwatch.lab.play import Player
from knockwatch.lab.sending import Sources

RUNNER = ("atomic-operator==0.9.0", "attrs")
"""The runner, from PyPI; its release does not name all it needs."""
PART_SECONDS = 60
SLACK_SECONDS = 1.0
"""How late a line of a log may come."""
REFUSED = ("q60", "q64")
"""Scans of the doors of the hosts that tests are aimed at."""
APART_SECONDS = 2 * SLACK_SECONDS
"""Between two tests, so that what is found in the time of one is of no other."""


def runner(folder: Path) -> Path:
    """Make an environment with the runner, and give its Python.

    Raises
    ------
    LabError
        If it cannot be fetched.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *RUNNER],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError(f"the runner cannot be fetched: {done.stderr.strip().splitlines()[-1:]}")
    return python


class Runs:
    """Runs tests in a lab that is up."""

    def __init__(self, plan: Plan, out: Path, python: Path, tell: Callable[[str], None]) -> None:
        self.plan, self.out, self.python, self.tell = plan, out, python, tell
        self.sources = Sources(plan, set())

    def play(self, technique: str, test: Atomic, want: Expected) -> Played:
        """Run one test: what it needs, its command, its cleanup; the host's rules are saved before that."""
        inputs = self._inputs(want)
        start = time.time()
        faults = [
            f"is not there: {one['command']}"
            for one in self._run(test, want, "prepare", inputs)
            if one["return_code"]
        ]
        if not faults:
            (done,) = self._run(test, want, "command", inputs)
            faults = list(_faults(done, want))
        end = time.time()
        saved = self._save_rules(want) if want.rule_set else ""
        self._run(test, want, "cleanup", inputs)
        self.tell(f"  {test.name}: {'; '.join(faults) or 'ran'}")
        time.sleep(APART_SECONDS)
        target = self.plan.hosts[want.at].address(4) if want.at else ""
        return Played(technique, test, start, end, tuple(faults), saved=saved, target=target)

    def _inputs(self, want: Expected) -> dict[str, str | int]:
        """Fill a test's inputs in; a client acts from an address of its own."""
        host = self.plan.hosts[want.by]
        source = self.sources.take(host, 4) if host.role == "client" else host.address(4)
        target = self.plan.hosts[want.at].address(4) if want.at else ""
        filled = {"target": target, "source": source}
        return {
            name: value.format(**filled) if isinstance(value, str) else value
            for name, value in want.inputs.items()
        }

    def _run(
        self, test: Atomic, want: Expected, part: str, inputs: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Run a part of a test as a host of the lab, in its network and nowhere else."""
        script = Path(__file__).with_name("fixtures") / "atomic.py"
        result = STATE / "atomic.json"
        result.unlink(missing_ok=True)
        words = [str(self.python), str(script), str(FOLDER), test.guid, part, json.dumps(inputs), str(result)]
        done = subprocess.run(
            recorded(f"atomic-{part}", as_host(want.by, words)),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PART_SECONDS,
            check=False,
            env=marked(),
        )
        if not result.exists():
            raise LabError(f"the runner failed at {test.name}: {done.stderr.strip().splitlines()[-1:]}")
        told: list[dict[str, Any]] = json.loads(result.read_text())
        return told

    def _save_rules(self, want: Expected) -> str:
        """Save the rules of a host, as whoever collects evidence there does; gives the file's name."""
        name = f"{want.by}-iptables-save.txt"
        done = subprocess.run(
            as_host(want.by, ["iptables-save"]), capture_output=True, text=True, check=False, env=marked()
        )
        (self.out / name).write_text(done.stdout)
        return name


def _faults(done: Mapping[str, Any], want: Expected) -> Iterator[str]:
    """Say what is wrong with how a command ended."""
    if done["return_code"]:
        yield f"ended with status {done['return_code']}: {done['output']}"
    elif want.says not in (done["output"] or ""):
        yield f"did not say {want.says!r}: {done['output']}"


def judged(played: Sequence[Played], out: Path, wanted: Mapping[str, Expected]) -> list[Played]:
    """Scan what the observers wrote, and tell of each test which rules fired in its time."""
    config = Config()
    with Workspace.temporary() as workspace:
        ingest([str(out)], config.evidence, workspace)
        with Engine(workspace) as engine:
            investigation = Investigation(workspace, engine)
            findings = investigation.findings(config.thresholds)
            cases = investigation.cases(findings, config)
        files = [str(one.path) for one in workspace.evidence]
    result = []
    for one in played:
        want = wanted[one.test.guid]
        told = {finding.rule for finding in findings if _of(finding, one, want, files)}
        fired = {rule: _made_of(rule, one, cases) for rule in want.rules if rule in told}
        missing = [rule for rule in want.rules if rule not in fired]
        faults = (*one.faults, *(f"{rule} did not fire" for rule in missing))
        result.append(replace(one, faults=faults, fired=fired))
    return result


def _of(finding: Finding, played: Played, want: Expected, files: Sequence[str]) -> bool:
    """Tell whether evidence of a finding is from the time of a test, or from the rules saved then.

    A try at a door without its signal is none of what a test must show, nor is anything at another host.
    """
    elsewhere = played.target and finding.destination not in {None, played.target}
    if finding.label == TRIED or elsewhere or want.notes.get(finding.rule, "") not in finding.note:
        return False
    if played.saved:
        return any(files[pointer.file].endswith(played.saved) for pointer in finding.pointers)
    times = [pointer.time_us / 1e6 for pointer in finding.pointers if pointer.time_us is not None]
    return any(played.start <= moment <= played.end + SLACK_SECONDS for moment in times)


def _made_of(rule: str, played: Played, cases: Sequence[Case]) -> str:
    """Tell what the cases make of a rule in the time of a test: alert, or lead."""
    start, end = _text(played.start - SLACK_SECONDS), _text(played.end + SLACK_SECONDS)
    statuses = [
        case.status
        for case in cases
        if rule in case.rules
        and (played.saved or ((case.first_seen or "") <= end and (case.last_seen or "") >= start))
    ]
    return "alert" if "alert" in statuses else "lead"


def _text(moment: float) -> str:
    """Write a time as cases do."""
    return datetime.fromtimestamp(moment, UTC).isoformat()


def run(out: Path, python: Path, tell: Callable[[str], None]) -> list[Played]:
    """Put the lab up, run every test that it has a host for, take it down, and judge.

    Raises
    ------
    LabError
        If the machine can have no lab, or the runner fails.
    """
    known, plan = techniques(), load()
    wanted = expected(known)
    stage.up(plan, out)
    try:
        if not (out / "audit").is_dir():
            raise LabError(
                "the rules about processes cannot be judged: auditd is missing, or another one runs"
            )
        # A door is told by whom it refuses: somebody who knows no secret.
        Player(plan, out, tell).play(REFUSED)
        runs, played = Runs(plan, out, python, tell), []
        for technique in known:
            tests = [test for test in technique.atomic_tests if wanted[test.guid].by]
            played += [runs.play(technique.attack_technique, test, wanted[test.guid]) for test in tests]
    finally:
        stage.down()
    return judged(played, out, wanted)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them; the status is 0 if all is well or there can be no lab here, else 1."""
    parser = argparse.ArgumentParser(
        prog="knockwatch.lab.atomic_runs", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--install", action="store_true", help="fetch missing Debian packages")
    parser.add_argument("--required", action="store_true", help="fail where there can be no lab")
    parser.add_argument("--runner", type=Path, help="folder of the runner's environment, made where missing")
    parser.add_argument("--page", type=Path, help="write the table of what was run to this file")
    parser.add_argument("--out", type=Path, help="keep the evidence in this folder, empty or not there")
    chosen = parser.parse_args(arguments)
    begun = time.monotonic()
    try:
        if reason := ready(may_install=chosen.install):
            say(f"ATOMIC TESTS SKIPPED: {reason}")
            return 1 if chosen.required else 0
        with tempfile.TemporaryDirectory(prefix="knockwatch-lab-") as temporary:
            python = runner(chosen.runner or Path(temporary) / "runner")
            played = run(chosen.out or Path(temporary) / "run", python, say)
    except KnockwatchError as error:
        say(f"ATOMIC TESTS FAILED: {error}")
        return 1
    wrong = [f"{one.test.name}: {fault}" for one in played for fault in one.faults]
    for line in wrong:
        say(f"  {line}")
    if chosen.page:
        chosen.page.write_text(page(techniques(), played), "utf-8")
    verdict = "ATOMIC TESTS FAILED" if wrong else "ATOMIC TESTS OK"
    say(f"{verdict}: {len(played)} run, {len(wrong)} faults, {time.monotonic() - begun:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
