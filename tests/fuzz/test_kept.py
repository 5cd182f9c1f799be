"""Inputs that once made a parser fail are read ever after, by every source."""

from __future__ import annotations

import random

import pytest

from knockwatch.sources import sources
from tests.fuzz.__main__ import KEPT, SLOW_S, fault_of, looped
from tests.fuzz.damage import damaged

FILES = sorted(path for path in KEPT.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_failed_once_is_read(path: object) -> None:
    faults = {source.format.name: fault_of(source, path) for source in (*sources(), *looped())}  # type: ignore[arg-type]

    assert not {name: fault for name, fault in faults.items() if fault is not None}


def test_damage_is_the_same_for_the_same_seed() -> None:
    sample = b"Nov  2 11:23:34 host program[1]: message\n" * 20
    one, other = (damaged(sample, random.Random(7), [sample]) for _ in range(2))

    assert one == other != sample
    assert SLOW_S > 0
