"""The HTML report: one file that shows every case in a browser, opened from disk, without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from knockwatch.cases import Case


def write_html(cases: Sequence[Case], summary: Mapping[str, Any] | None, file: Path) -> None:
    """Write the report.

    Parameters
    ----------
    cases
        All cases, most urgent first; leads and suppressed cases are shown on request.
    summary
        What was read, as in ``summary.json``; None where nothing tells.
    file
        Where to write it; evidence that still stands on this disk is linked from there.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    from knockwatch.reports.html.island import island
    from knockwatch.reports.html.page import page

    folder = file.absolute().parent
    file.write_text(page(island(cases, summary, folder)), encoding="utf-8", newline="\n")
