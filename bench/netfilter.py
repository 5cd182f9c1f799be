"""(a) netfilter text, beside psad, ripgrep and a plain Polars extract of four fields.

psad takes hours for what the others do in seconds, so it gets fewer lines; ratios are of lines a second.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from bench.emulated import doors_found, emulated
from bench.measure import Comparison, Contender, Wanted, compare, python, scan

FORM = "netfilter"
SIZES = (2_000_000, 20_000_000)
PSAD_LINES = 20_000
PLAIN_POLARS = (
    "import sys, polars as pl;"
    "t = pl.scan_csv(sys.argv[1], has_header=False, separator='\\x01', quote_char=None, new_columns=['t']);"
    "x = [pl.col('t').str.extract(f' {k}=(\\\\S+)').alias(k) for k in ('SRC', 'DST', 'SPT', 'DPT')];"
    "print(t.select(x).collect(engine='streaming').height)"
)


def comparisons(wanted: Wanted) -> Iterator[Comparison]:
    """Compare at each size; every planted door must be found."""
    for full in SIZES:
        rows = wanted.rows(full, 10_000)
        corpus, out = emulated(wanted, rows, FORM), wanted.folder / "out"
        log = corpus / FORM / "*.log"
        few = _first(min((corpus / FORM).glob("*.log")), wanted.folder / "psad.log", min(PSAD_LINES, rows))
        # psad(8): -A analyses a file's packets, and asks nobody else.
        psad = ["psad", "-A", "-m", str(few), "--no-rdns", "--no-whois"]
        contenders = {
            "psad -A": Contender(psad, min(PSAD_LINES, rows)),
            "rg -c DPT=": Contender(["rg", "--no-filename", "-c", "DPT=", str(corpus / FORM)], rows),
            "plain Polars, 4 fields": Contender(python(PLAIN_POLARS, log), rows),
            "knockwatch scan": Contender(scan("--out", out, corpus / FORM), rows),
        }
        name = f"a{full // 1_000_000}"
        yield compare(name, "netfilter text", contenders, wanted, doors_found(corpus, FORM, out))


def _first(log: Path, target: Path, count: int) -> Path:
    """Copy the first lines of a log."""
    with log.open() as lines, target.open("w") as few:
        few.writelines(itertools.islice(lines, count))
    return target
