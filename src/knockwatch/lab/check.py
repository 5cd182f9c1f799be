"""The lab from end to end: up, every door twice, scan what the observers wrote, compare with the truth, down.

Run as `python -m knockwatch.lab.check [--install] [--required] [--out DIR]`. With `--install` missing Debian packages
are fetched; where there can be no lab it says so and succeeds, unless `--required` is given. It fails if a door stayed
shut, or if the detections missed a planted knock, its door or its secret, or blamed an innocent.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from knockwatch.errors import KnockwatchError
from knockwatch.evaluation import TOGETHER, evaluate
from knockwatch.lab import LabError, machine, stage
from knockwatch.lab.data import load
from knockwatch.lab.plan import Plan
from knockwatch.lab.play import Player
from knockwatch.lab.variants import at_random

SCENARIO = "quick"


def install() -> None:
    """Fetch what the lab needs with apt-get, without starting any of it.

    Raises
    ------
    LabError
        If there is no apt-get, or it fails.
    """
    machine.widen_path()
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    wanted = machine.packages()
    for command in (["update", "-qq"], ["install", "-qqy", "--no-install-recommends", *wanted]):
        try:
            done = subprocess.run(
                ["apt-get", *command], env=quiet, capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise LabError("the lab's packages cannot be fetched: there is no apt-get") from error
        if done.returncode:
            raise LabError(f"apt-get {command[0]} failed: {done.stderr.strip().splitlines()[-1:]}")


def ready(*, may_install: bool) -> str | None:
    """Make the machine ready for a lab; a sentence says why there can be none.

    Raises
    ------
    LabError
        If packages cannot be fetched.
    """
    machine.widen_path()
    if reason := machine.why_not():
        return reason
    if machine.missing_packages() and may_install:
        install()
    if missing := machine.missing_packages():
        return f"the lab needs packages that are not there: apt-get install {' '.join(missing)}"
    return None


def played(plan: Plan, out: Path, scenarios: Sequence[str]) -> None:
    """Put the lab up, play, and take it down whatever happens."""
    stage.up(plan, out)
    try:
        Player(plan, out, say).play(scenarios)
    finally:
        stage.down()


def faults(out: Path, plan: Plan) -> Iterator[str]:
    """Say what is wrong with a run: doors that never opened, and all that the detections missed or made up."""
    (found,) = evaluate([out], views=[TOGETHER])
    (view,) = found.views
    used = {opened.door_name for opened in view.opened}
    yield from (f"no knock opened {name}" for name in plan.doors if name not in used)
    if view.problem:
        yield view.problem
    yield from (f"{miss.what}: {miss.id} ({miss.title}): {miss.instead}" for miss in view.misses)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check; the status is 0 if all is well or there can be no lab here, else 1."""
    parser = argparse.ArgumentParser(prog="knockwatch.lab.check", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--install", action="store_true", help="fetch missing Debian packages")
    parser.add_argument("--required", action="store_true", help="fail where there can be no lab")
    parser.add_argument("--random", type=int, metavar="SEED", help="a lab made up at random instead")
    parser.add_argument(
        "--out", type=Path, help="keep the evidence in this folder, which is empty or not there"
    )
    chosen = parser.parse_args(arguments)
    begun = time.monotonic()
    try:
        return _check(chosen, begun)
    except KnockwatchError as error:
        say(f"LAB FAILED: {error}")
        return 1


def _check(chosen: argparse.Namespace, begun: float) -> int:
    """Do what the command line says."""
    if reason := ready(may_install=chosen.install):
        say(f"LAB SKIPPED: {reason}")
        return 1 if chosen.required else 0
    plan = load() if chosen.random is None else at_random(load(), chosen.random)
    with tempfile.TemporaryDirectory(prefix="knockwatch-lab-") as temporary:
        out = chosen.out or Path(temporary) / "run"
        say(f"ready after {time.monotonic() - begun:.0f} s")
        played(plan, out, [SCENARIO] if chosen.random is None else [])
        say(f"played after {time.monotonic() - begun:.0f} s")
        wrong = list(faults(out, plan))
    for fault in wrong:
        say(f"  {fault}")
    verdict = "LAB FAILED" if wrong else "LAB OK"
    say(f"{verdict}: {len(plan.doors)} doors, {len(wrong)} faults, {time.monotonic() - begun:.0f} s")
    return 1 if wrong else 0


def say(sentence: str) -> None:
    """Say how far it is."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
