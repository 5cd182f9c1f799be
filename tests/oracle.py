"""duckdb-kql as an oracle for the specification: it runs KQL over the Parquet views; it is not Kusto.

Known differences to Kusto, none of which the specification's results depend on, but for the first:

- what a branch of a union lacks is null here; Kusto shows its strings empty;
- `dcount` is exact here and an estimate in Kusto, which agrees for the few ports of a run;
- `make_set(…, 10)` ignores its bound here; runs of more than eight ports are left out before it could matter;
- regular expressions fold ``ſ`` to ``s`` and the Kelvin sign to ``k``, ordinal comparison does not;
- DuckDB keeps microseconds, Kusto ticks of 100 ns.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb_kql

from knockwatch.engines.embedded import Engine
from knockwatch.ingest import EXPORTED, Workspace
from knockwatch.specification import specification_union
from knockwatch.views import views

Rows = Counter[tuple[tuple[str, Any], ...]]


def all_evidence(kql: str) -> str:
    """Widen a query's last 24 hours to all evidence; nothing else of it is touched."""
    return kql.replace("ago(24h)", "datetime(1970-01-01)")


def oracle_rows(folder: Path, kql: str) -> Rows:
    """Run KQL over the views that `export` wrote."""
    connection = duckdb_kql.connect()
    for view in EXPORTED:
        connection.read_parquet(str(folder / f"{view}.parquet")).create_view(view)
    result = duckdb_kql.kql(connection, all_evidence(kql))
    return multiset(result.columns, result.fetchall())


def our_rows(workspace: Workspace) -> Rows:
    """Run the union of the branches."""
    with Engine(workspace) as engine:
        table = engine.execute(specification_union(views(engine.tables())))
    return multiset(table.columns, table.iter_rows())


def multiset(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Rows:
    """Count rows, with the ports of a set in order."""
    counted: Rows = Counter()
    for row in rows:
        named = dict(zip(columns, row, strict=True))
        ports = named["PortSequence"]
        if ports is not None:
            named["PortSequence"] = tuple(sorted(json.loads(ports) if isinstance(ports, str) else ports))
        counted[tuple(named.items())] += 1
    return counted


def branches(rows: Rows) -> Counter[str]:
    """Count rows by their branch's label."""
    labels: Counter[str] = Counter()
    for row, count in rows.items():
        labels[dict(row)["DetectionBranch"]] += count
    return labels
