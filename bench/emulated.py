"""Evidence that `knockwatch emulate` makes, and whether a scan of it found every planted door."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.measure import Wanted, knockwatch, timed


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
        # Elsewhere: what a process took at most counts from the one that started it.
        with ProcessPoolExecutor(max_workers=1) as aside:
            opened, found, unexplained = aside.submit(_judged, corpus, view, out).result()
        if not opened or found < opened:
            sys.exit(f"{corpus.name}: {found} of {opened} openings found")
        told = f"all {opened} openings of planted doors found, {unexplained} alerts about nothing planted"
        return [told, parts(out)]

    return judged


def parts(out: Path) -> str:
    """Tell what parts of the last scan took: parsing and rules grow with the rows, cases with what is found."""
    summary = json.loads((out / "summary.json").read_text())
    rows = sum(file["lines"] for file in summary["files"])
    evidence, rules, cases = (summary["seconds"][part] for part in ("evidence", "rules", "cases"))
    speed = rows / (evidence + rules)
    return f"parsing {evidence:.1f} s and rules {rules:.1f} s, {speed:,.0f} rows/s; cases {cases:.1f} s"


def _judged(corpus: Path, view: str, out: Path) -> tuple[int, int, int]:
    """Count the openings, those found, and the alerts that nothing planted explains."""
    from knockwatch.evaluation import evaluate
    from knockwatch.reports.machine import read_cases

    with (out / "cases.jsonl").open(encoding="utf-8") as stream:
        cases = read_cases(stream, str(out))
    [evaluation] = evaluate([corpus], views=[view], scan=lambda *_: cases)
    [found] = evaluation.views
    counts = found.counts
    return counts["opened"], counts["found"], len(found.unexplained) + len(found.false_alerts)
