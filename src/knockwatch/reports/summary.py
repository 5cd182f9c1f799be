"""The summary of a scan: what was read and not understood, what was assumed of times, counts, and versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from knockwatch.cases import SCHEMA_VERSION
from knockwatch.reports import LEVELS
from knockwatch.scan import Result
from knockwatch.tables import CANONICAL

LIBRARIES = ("polars", "duckdb", "ibis-framework", "pyarrow", "numpy")
"""Those whose version can change a result."""
BRANCH = "DetectionBranch"
"""The specification's column that names the branch a row comes from."""


def summarise(result: Result, asked: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Sum up a scan as ``summary.json`` has it.

    Parameters
    ----------
    result
        What the scan found.
    asked
        The options that decided it, by name.
    """
    files = result.workspace.summaries
    spans = [(file.first_time, file.last_time) for file in files]
    findings = result.findings
    return {
        "schema_version": SCHEMA_VERSION,
        "versions": {
            "knockwatch": version("knockwatch"),
            **{name: version(name) for name in LIBRARIES},
        },
        "asked": dict(asked or {}),
        "seconds": {part: round(seconds, 3) for part, seconds in result.seconds.items()},
        "lines": sum(file.lines for file in files),
        "not_understood": sum(file.not_understood for file in files),
        "malformed_lines": sum(file.malformed_lines for file in files),
        "first_time": min((first for first, _ in spans if first), default=None),
        "last_time": max((last for _, last in spans if last), default=None),
        "rows": {table: sum(file.rows.get(table, 0) for file in files) for table in CANONICAL},
        "exported_rows": _exported_rows(result),
        "findings": findings.height,
        "branches": dict(sorted(Counter(findings[BRANCH].to_list()).items()))
        if BRANCH in findings.columns
        else {},
        "cases": {
            status: sum(1 for case in result.cases if case.status == status)
            for status in ("alert", "lead", "suppressed")
        },
        "alerts": {
            level: sum(1 for case in result.cases if (case.status, case.severity) == ("alert", level))
            for level in LEVELS
        },
        "files": [asdict(file) for file in files],
        "problems": list(dict.fromkeys([*result.workspace.problems, *result.problems])),
    }


def _exported_rows(result: Result) -> dict[str, int]:
    """Count the rows of exports of Microsoft's own tables."""
    counts: Counter[str] = Counter()
    for file in result.workspace.summaries:
        counts.update({table: rows for table, rows in file.rows.items() if table not in CANONICAL})
    return dict(counts)
