"""Fixtures of the lab's tests: a machine that can have a lab, one test at a time; else they are skipped, loudly."""

from __future__ import annotations

import fcntl
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from knockwatch.lab import machine, stage
from knockwatch.lab.data import load
from knockwatch.lab.journal import STATE, TAKEN
from knockwatch.lab.plan import Plan


@pytest.fixture(scope="session")
def plan() -> Plan:
    """The lab that is shipped."""
    return load()


@pytest.fixture
def lab_machine() -> Iterator[None]:
    """A machine that can have a lab and has none; there is one lab at a time, whoever tests."""
    machine.widen_path()
    reason = machine.why_not()
    if reason is None and (missing := machine.missing_packages()):
        reason = f"the lab needs packages that are not there: apt-get install {' '.join(missing)}"
    if reason is not None:
        warnings.warn(f"a test of the real lab was skipped: {reason}", stacklevel=1)
        pytest.skip(reason)
    with (Path(tempfile.gettempdir()) / "knockwatch-lab-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if STATE.exists() or TAKEN.exists():
            warnings.warn("tests of the real lab were skipped: a lab is up", stacklevel=1)
            pytest.skip("a lab is up: knockwatch lab down")
        try:
            yield
        finally:
            stage.down()
