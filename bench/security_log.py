"""(b) CommonSecurityLog as Parquet, in order of time and shuffled, beside the specification's query.

That query runs as KQL through duckdb-kql and as hand-written SQL of DuckDB's; a bare scan of the columns that it needs
tells what cannot be saved.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.emulated import doors_found, emulated
from bench.measure import Comparison, Contender, Wanted, compare, python, scan

FORM = "common-security-log"
SIZES = (20_000_000, 100_000_000)
MEMORY = "2GB"

KQL = """
import csv, sys
from importlib.resources import files
import duckdb_kql
content = files("knockwatch.content")
con = duckdb_kql.connect()
for name in ("Syslog", "DeviceProcessEvents"):
    rows = csv.DictReader((content / "schemas" / f"{name}.tsv").read_text("utf-8").splitlines(), delimiter="\\t")
    kinds = {"datetime": "TIMESTAMP", "int": "INTEGER", "long": "BIGINT", "bool": "BOOLEAN"}
    columns = ", ".join(f'"{row["column"]}" {kinds.get(row["type"], "VARCHAR")}' for row in rows)
    con.execute(f"CREATE TABLE {name} ({columns})")
con.read_parquet(sys.argv[1]).create_view("CommonSecurityLog")
query = (content / "specification.kql").read_text("utf-8").replace("ago(24h)", "datetime(2000-01-01)")
print(len(duckdb_kql.kql(con, query).to_arrow_table()))
"""
SQL = """
import sys, duckdb
print(len(duckdb.sql('''
    SELECT date_trunc('minute', TimeGenerated) AS m, SourceIP, DeviceName, DeviceProduct, min(TimeGenerated) AS first,
        max(TimeGenerated) AS last, count(*) AS packets, count(DISTINCT DestinationPort) AS ports,
        list(DISTINCT DestinationPort) AS sequence
    FROM read_parquet(?)
    WHERE lower(DeviceAction) IN ('deny', 'drop', 'block', 'reject') AND SourceIP <> '' AND DestinationPort IS NOT NULL
    GROUP BY ALL
    HAVING ports BETWEEN 3 AND 8 AND packets BETWEEN 3 AND 12 AND date_diff('second', first, last) BETWEEN 1 AND 30
    ''', params=[sys.argv[1]]).fetchall()))
"""
BARE = """
import sys, duckdb
print(duckdb.sql('''
    SELECT max(TimeGenerated), max(SourceIP), max(DestinationIP), max(DestinationPort), max(Protocol),
        max(DeviceAction), max(DeviceName) FROM read_parquet(?)
    ''', params=[sys.argv[1]]).fetchall())
"""


def comparisons(wanted: Wanted) -> Iterator[Comparison]:
    """Compare at each size, in order of time and shuffled."""
    for full in SIZES:
        for shuffled in (False, True):
            yield compared(wanted, wanted.rows(full, 10_000), f"b{full // 1_000_000}", shuffled=shuffled)


def compared(wanted: Wanted, rows: int, name: str, *, shuffled: bool) -> Comparison:
    """Compare at one size; every planted door must be found."""
    corpus = emulated(wanted, rows, FORM, shuffled=shuffled)
    files, out = corpus / FORM / "*.parquet", wanted.folder / "out"
    contenders = {
        "specification, duckdb-kql": Contender(python(KQL, files), rows),
        "specification, DuckDB SQL": Contender(python(SQL, files), rows),
        "bare scan of its columns": Contender(python(BARE, files), rows),
        "knockwatch scan": Contender(scan("--memory-limit", MEMORY, "--out", out, corpus / FORM), rows),
    }
    order = "shuffled" if shuffled else "in order of time"
    return compare(
        f"{name}{'s' if shuffled else 't'}",
        f"CommonSecurityLog, {order}",
        contenders,
        wanted,
        doors_found(corpus, FORM, out),
    )
