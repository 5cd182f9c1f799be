"""Lists and descriptions of what knockwatch knows: rules and formats."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from knockwatch.commands.console import output


def write_list(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write rows below headings; the last column wraps."""
    from rich.text import Text

    from knockwatch.reports.layout import block, console_for, put

    console = console_for(sys.stdout)
    widths = [max(len(row[at]) for row in [headings, *rows]) + 2 for at in range(len(headings) - 1)]
    with output():
        put(console, Text(_cells(headings, widths) + headings[-1], "bold"))
        for row in rows:
            block(console, Text(_cells(row, widths)), Text(row[-1]))


def write_entry(title: str, fields: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Write a title, then names with their values, one a line; names without a value are left out."""
    from rich.text import Text

    from knockwatch.reports.layout import block, console_for, put

    console = console_for(sys.stdout)
    width = max(len(name) for name, _ in fields) + 2
    with output():
        put(console, Text(title, "bold"), "")
        for name, values in fields:
            for number, value in enumerate(values):
                block(console, Text(f"{'' if number else name:<{width}}", "bold"), Text(value))


def write_line(text: str) -> None:
    """Write a line that sums a list up."""
    from rich.text import Text

    from knockwatch.reports.layout import console_for, put

    with output():
        put(console_for(sys.stdout), Text(text))


def write_json(value: Any) -> None:
    """Write a list for programs."""
    from knockwatch.reports.escape import json_text

    with output():
        sys.stdout.write(json_text(value, indent=2) + "\n")


def _cells(row: Sequence[str], widths: Sequence[int]) -> str:
    """Pad all cells but the last."""
    return "".join(f"{value:<{width}}" for value, width in zip(row, widths, strict=False))
