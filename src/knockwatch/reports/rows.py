"""Rows of any columns, as a query gives them: a table for people, JSON, JSON Lines and CSV for programs."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from knockwatch.commands.console import output
from knockwatch.reports.escape import cell, json_text, visible

_SHOWN_MOST = 200
"""Characters of one value that a table shows; the other formats have all."""


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], form: str) -> None:
    """Write rows on standard output.

    Parameters
    ----------
    columns, rows
        Names, and values in their order.
    form
        ``table``, ``json``, ``jsonl`` or ``csv``.
    """
    with output():
        match form:
            case "json":
                listed = [_object(columns, row) for row in rows]
                sys.stdout.write(json_text(listed, indent=2) + "\n")
            case "jsonl":
                sys.stdout.writelines(json_text(_object(columns, row)) + "\n" for row in rows)
            case "csv":
                writer = csv.writer(sys.stdout, lineterminator="\n")
                writer.writerow([cell(name) for name in columns])
                writer.writerows([[cell(_text(value)) for value in row] for row in rows])
            case _:
                _table(columns, list(rows))


def write_text(text: str) -> None:
    """Write a query's text; nothing in it acts on a terminal."""
    with output():
        sys.stdout.writelines(f"{visible(line)}\n" for line in text.rstrip("\n").split("\n"))


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Draw a table where it fits the width, else write each row as a list of names and values."""
    from rich.text import Text

    from knockwatch.reports.layout import block, put, wide_console_for

    console = wide_console_for(sys.stdout)
    texts = [[_shown(value) for value in row] for row in rows]
    widths = [max(map(len, [name, *(row[at] for row in texts)])) for at, name in enumerate(columns)]
    if not texts:
        return
    if sum(widths) + 2 * len(widths) <= console.width:
        for line, style in [(columns, "bold"), *((row, "") for row in texts)]:
            spaced = "  ".join(f"{value:<{width}}" for value, width in zip(line, widths, strict=True))
            put(console, Text(spaced.rstrip(), style))
        return
    gutter = max(map(len, columns)) + 2
    for number, row in enumerate(texts):
        put(console, *[""] * bool(number))
        for name, value in zip(columns, row, strict=True):
            if value:
                block(console, Text(f"{name:<{gutter}}", "bold"), Text(value))


def _object(columns: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    """Make one row an object."""
    return {name: _plain(value) for name, value in zip(columns, row, strict=True)}


def _plain(value: Any) -> Any:
    """Give a value as JSON has it: times with their zone, durations in seconds."""
    match value:
        case datetime():
            plain: Any = value.isoformat() + ("Z" if value.tzinfo is None else "")
        case timedelta():
            plain = value.total_seconds()
        case list() | tuple():
            plain = [_plain(member) for member in value]
        case dict():
            plain = {str(name): _plain(member) for name, member in value.items()}
        case None | bool() | int() | str():
            plain = value
        case float():
            plain = value if math.isfinite(value) else None
        case _:
            plain = str(value)
    return plain


def _text(value: Any) -> str:
    """Write a value in one cell."""
    plain = _plain(value)
    match plain:
        case None:
            return ""
        case bool():
            return str(plain).lower()
        case str():
            return plain
        case list() | dict():
            return json.dumps(plain, ensure_ascii=False)
        case _:
            return str(plain)


def _shown(value: Any) -> str:
    """Write a value for people: in one line, and not endless."""
    text = visible(_text(value))
    return text if len(text) <= _SHOWN_MOST else f"{text[: _SHOWN_MOST - 1]}…"
