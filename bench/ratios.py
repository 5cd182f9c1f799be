"""Whether a run is slower than the committed one: `python -m bench.ratios RESULTS.json [--by cpu]`.

Ratios to public tools in the same run are compared, never seconds: another machine changes both.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.measure import OURS

COMMITTED = Path(__file__).parent / "results.json"
LOSS = 0.25
"""Share of a ratio that may be lost: rounds on one machine differ by some 10 %."""


def regressions(
    committed: Iterable[Mapping[str, Any]], measured: Iterable[Mapping[str, Any]], by: str = "ratio"
) -> Iterator[str]:
    """Say which ratios are lost, and which the run lacks.

    Parameters
    ----------
    committed, measured
        Comparisons, as `bench.measure.Comparison.to_json` gives them.
    by
        ``ratio`` by the clock, ``cpu_ratio`` by CPU time.
    """
    there = {(one["id"], name): told for one in measured for name, told in one["contenders"].items()}
    for one in committed:
        for name, told in one["contenders"].items():
            if name.startswith(OURS):
                continue
            place = f"{one['id']}, {name}"
            now = there.get((one["id"], name))
            if now is None:
                yield f"{place}: was not measured"
            elif now[by] < told[by] * (1 - LOSS):
                yield f"{place}: {now[by]:.2f} times as fast, was {told[by]:.2f}"


def main() -> int:
    """Compare a run with the committed one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, help="what python -m bench --json wrote")
    parser.add_argument("--committed", type=Path, default=COMMITTED)
    parser.add_argument("--by", choices=["clock", "cpu"], default="clock", help="on a busy machine cpu")
    options = parser.parse_args()
    committed, measured = (json.loads(path.read_text()) for path in (options.committed, options.results))
    if committed["scale"] != measured["scale"]:
        print(
            f"the committed run has scale {committed['scale']}, this one {measured['scale']}", file=sys.stderr
        )
        return 2
    by = "ratio" if options.by == "clock" else "cpu_ratio"
    lost = list(regressions(committed["comparisons"], measured["comparisons"], by))
    for sentence in lost:
        print(sentence)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
