"""The folder of ``--out``: every case, every finding and the summary, for programs, for people and for later."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from knockwatch.reports import Report
from knockwatch.reports.escape import json_text
from knockwatch.reports.html import write_html
from knockwatch.reports.machine import write_jsonl
from knockwatch.scan import Result


def write_folder(result: Result, summary: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write ``cases.jsonl`` (leads and suppressed cases too), ``findings.parquet``, ``summary.json``, ``report.html``.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    OSError
        If the folder cannot be made or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = ("cases.jsonl", "findings.parquet", "summary.json", "report.html")
    cases, findings, about, report = (folder / name for name in names)
    with cases.open("w", encoding="utf-8", newline="\n") as stream:
        write_jsonl(Report(tuple(result.cases), summary), stream)
    result.findings.write_parquet(findings)
    about.write_text(json_text(summary, indent=2) + "\n", encoding="utf-8", newline="\n")
    write_html(result.cases, summary, report)
    return [cases, findings, about, report]
