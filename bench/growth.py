"""(f) Growth: CommonSecurityLog of 1, 2, 4 and 8 times the rows, time and peak memory, beside a bare scan of each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from bench.emulated import doors_found, emulated
from bench.measure import Comparison, Contender, Wanted, compare, python, scan
from bench.security_log import BARE, FORM, MEMORY

BASE = 2_500_000
TIMES = (1, 2, 4, 8)


def comparisons(wanted: Wanted) -> Iterator[Comparison]:
    """Compare at each size, and say how time and memory grew from the one before."""
    before: Comparison | None = None
    for times in TIMES:
        rows = wanted.rows(BASE, 10_000) * times
        corpus, out = emulated(wanted, rows, FORM), wanted.folder / "out"
        contenders = {
            "bare scan of its columns": Contender(python(BARE, corpus / FORM / "*.parquet"), rows),
            "knockwatch scan": Contender(scan("--memory-limit", MEMORY, "--out", out, corpus / FORM), rows),
        }
        title = f"CommonSecurityLog, {times} x the rows"
        made = compare(f"f{times}", title, contenders, wanted, doors_found(corpus, FORM, out))
        if before:
            now, then = (one.to_json()["contenders"][one.ours] for one in (made, before))
            made.remarks.append(
                f"twice the rows took {now['seconds'] / then['seconds']:.2f} times as long and "
                f"{now['peak_mb'] / then['peak_mb']:.2f} times the memory"
            )
        before = made
        shutil.rmtree(corpus)
        yield made
