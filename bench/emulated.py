"""Evidence that `knockwatch emulate` makes, and whether a scan of it found every planted door."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from bench.measure import Wanted, knockwatch, timed
from knockwatch.evaluation import evaluate
from knockwatch.reports.machine import read_cases


def emulated(wanted: Wanted, rows: int, form: str, *, shuffled: bool = False) -> Path:
    """Make evidence of one format; gives its corpus."""
    folder = wanted.folder / f"{form}-{rows}{'-shuffled' if shuffled else ''}"
    order = ("--order", "shuffled") if shuffled else ()
    size = ("--rows", str(rows), "--seed", str(wanted.seed))
    timed(knockwatch("emulate", "--quiet", "--format", form, *size, *order, folder))
    return folder


def doors_found(corpus: Path, view: str, out: Path) -> Callable[[], list[str]]:
    """Give what judges the cases that a scan wrote to `out`; an opening of a planted door that is missed ends it."""

    def judged() -> list[str]:
        with (out / "cases.jsonl").open(encoding="utf-8") as stream:
            cases = read_cases(stream, str(out))
        [evaluation] = evaluate([corpus], views=[view], scan=lambda *_: cases)
        [found] = evaluation.views
        counts = found.counts
        if counts["found"] < counts["opened"]:
            sys.exit(f"{corpus.name}: {counts['found']} of {counts['opened']} openings found")
        return [
            f"all {counts['opened']} openings of planted doors found, {len(found.unexplained)} false alerts"
        ]

    return judged
