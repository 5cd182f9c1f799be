"""The whole bench, or some of it: `python -m bench [--only a,c] [--scale 0.02] [--seed N] [--runs 3] [--json FILE]`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.measure import Wanted, markdown

PARTS = {
    "n": "noise",
    "a": "netfilter",
    "b": "security_log",
    "c": "packets",
    "d": "json_flows",
    "e": "processes",
    "f": "growth",
}
"""Parts and their modules, each with `comparisons(wanted)`."""
KEPT = ("PYTHONPYCACHEPREFIX", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
"""Variables that say where compiled files and queries are kept."""


def run(
    names: Sequence[str], scale: float, seed: int, runs: int, folder: Path | None
) -> list[dict[str, Any]]:
    """Run some parts; each has its evidence in a folder of its own, removed before the next begins."""
    told = []
    with tempfile.TemporaryDirectory(prefix="knockwatch-bench-kept-", dir=folder) as kept:
        # As after the first use of a program: what is compiled is kept, but in no folder of the user's.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ |= {name: f"{kept}/{name.lower()}" for name in KEPT}
        for name in names:
            part = importlib.import_module(f"bench.{PARTS[name]}")
            with tempfile.TemporaryDirectory(prefix="knockwatch-bench-", dir=folder) as temporary:
                for comparison in part.comparisons(Wanted(Path(temporary), scale, seed, runs)):
                    told.append(comparison.to_json())
                    print(markdown(told[-1:]), flush=True, file=sys.stderr)
    return told


def main() -> None:
    """Run what is asked for, and print one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}, between commas")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full numbers of rows")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write it there, for bench.ratios")
    parser.add_argument(
        "--folder", type=Path, help="where evidence is made meanwhile; else the temporary folder"
    )
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"no part {', '.join(unknown)}")
    told = run(names, options.scale, options.seed, options.runs, options.folder)
    libraries = ("knockwatch", "polars", "duckdb", "duckdb-kql")
    whole = {
        "scale": options.scale,
        "seed": options.seed,
        "runs": options.runs,
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in libraries},
        "comparisons": told,
    }
    if options.json:
        options.json.write_text(json.dumps(whole, indent=1) + "\n")
    print(
        f"{os.cpu_count()} cores, medians of {options.runs} rounds, scale {options.scale:g}, seed {options.seed}\n"
    )
    print(markdown(told))


if __name__ == "__main__":
    main()
