"""(e) Process events: DeviceProcessEvents as Parquet, beside plain extracts of what tells a knock client."""

from __future__ import annotations

from collections.abc import Iterator

from bench.emulated import emulated
from bench.measure import Comparison, Contender, Wanted, compare, python, scan

FORM = "device-process-events"
ROWS = 10_000_000

POLARS = """
import sys, polars as pl
line = pl.col("ProcessCommandLine").str.to_lowercase()
told = line.str.contains(r"knockd\\.conf|--knock|-knock|(?:^|[\\s/])(?:knock|fwknop|hping3|nping)\\b")
print(pl.scan_parquet(sys.argv[1]).filter(told).select(pl.len()).collect(engine="streaming"))
"""
DUCKDB = """
import sys, duckdb
print(duckdb.sql('''
    SELECT count(*) FROM read_parquet(?) WHERE regexp_matches(lower(ProcessCommandLine),
        'knockd\\\\.conf|--knock|-knock|(?:^|[\\\\s/])(?:knock|fwknop|hping3|nping)\\\\b')
    ''', params=[sys.argv[1]]).fetchall())
"""


def comparisons(wanted: Wanted) -> Iterator[Comparison]:
    """Compare at one size."""
    rows = wanted.rows(ROWS, 10_000)
    corpus = emulated(wanted, rows, FORM)
    files = corpus / FORM / "*.parquet"
    contenders = {
        "plain Polars, one pattern": Contender(python(POLARS, files), rows),
        "plain DuckDB, one pattern": Contender(python(DUCKDB, files), rows),
        "knockwatch scan": Contender(scan(corpus / FORM), rows),
    }
    yield compare("e", "DeviceProcessEvents", contenders, wanted)
