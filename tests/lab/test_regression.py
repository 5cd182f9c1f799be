"""The regression corpus, every door of the lab used twice, keeps its verdicts; `cut_lab.py --refresh` makes it anew."""

import json
from pathlib import Path

from knockwatch.lab.check import faults
from knockwatch.lab.plan import Plan

MOST_BYTES = 900_000


def test_every_door_is_told_and_nobody_is_blamed(plan: Plan, data: Path) -> None:
    assert list(faults(data / "lab-doors", plan)) == []


def test_the_corpus_holds_every_door_twice(plan: Plan, data: Path) -> None:
    labels = json.loads((data / "lab-doors" / "labels.json").read_text())
    used = [label["door"] for label in labels if label["kind"] in ("knock", "spa")]
    assert all(used.count(name) >= 2 for name in plan.doors)
    assert sum(path.stat().st_size for path in (data / "lab-doors").rglob("*") if path.is_file()) < MOST_BYTES
