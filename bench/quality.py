"""Print how good the detections are on labelled evidence: `python bench/quality.py CORPUS… [--variant NAME]`.

The same table as `knockwatch evaluate`, per view and together, with every miss; with `--variant` of a corpus that the
tests make from a lab run (`all`: of each of them in turn, after the run itself).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from knockwatch.config import load
from knockwatch.errors import KnockwatchError
from knockwatch.evaluation import Evaluation, evaluate, render_table

# The variants are part of the tests, which are no installed package.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.variants import VARIANTS


def main() -> int:
    """Evaluate the corpora named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", nargs="+", type=Path, metavar="CORPUS", help="folder of labelled evidence")
    parser.add_argument("--view", action="append", help="only this view; may be given again")
    parser.add_argument("--config", type=Path, help="knockwatch.toml")
    parser.add_argument("--variant", choices=["all", *VARIANTS], help="judge this variant instead")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    options = parser.parse_args()
    names = [None, *VARIANTS] if options.variant == "all" else [options.variant]
    told = []
    try:
        for name in names:
            found = _evaluated(options, name)
            told += [{"variant": name, **evaluation.to_json()} for evaluation in found]
            if not options.json:
                print(f"\n== {name}" if name else "", flush=True)
                render_table(Console(width=None if sys.stdout.isatty() else 120), found)
    except KnockwatchError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    if options.json:
        print(json.dumps(told, indent=1))
    return 0


def _evaluated(options: argparse.Namespace, variant: str | None) -> list[Evaluation]:
    """Evaluate the corpora, or a variant of each."""
    transform = VARIANTS[variant] if variant else None
    return evaluate(options.corpora, load(options.config), views=options.view, transform=transform)


if __name__ == "__main__":
    sys.exit(main())
