"""What was read, as an HTML report shows it: counts, files, and which time each table and format covers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from knockwatch.reports.moments import microseconds

Shown = Callable[[str], str]

SPANS_DRAWN = 400
"""Spans drawn of one row: a gap of less than one such part of the whole time is no gap that an eye sees."""
VIEWS: Mapping[str, str] = {
    "connections": "CommonSecurityLog",
    "processes": "DeviceProcessEvents",
    "messages": "Syslog",
    "changes": "",
}
"""The canonical tables and the Microsoft view that each becomes."""


@dataclass(frozen=True)
class _File:
    """One file of ``summary.json``; keys that are not shown are passed over."""

    path: str
    format: str | None = None
    compression: str | None = None
    lines: int = 0
    not_understood: int = 0
    malformed_lines: int = 0
    example: dict[str, int | str] | None = None
    rows: dict[str, int] = field(default_factory=dict)
    first_time: str | None = None
    last_time: str | None = None
    assumed: str | None = None
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Summary:
    """What of ``summary.json`` is shown."""

    lines: int = 0
    not_understood: int = 0
    malformed_lines: int = 0
    first_time: str | None = None
    last_time: str | None = None
    asked: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    files: list[_File] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def reading(summary: Mapping[str, Any], shown: Shown) -> dict[str, Any]:
    """Give the summary of a scan as the page draws it.

    Parameters
    ----------
    summary
        As in ``summary.json``.
    shown
        What makes a text safe to show.

    Raises
    ------
    pydantic.ValidationError
        If it is no such summary.
    """
    from pydantic import TypeAdapter

    told = TypeAdapter(_Summary).validate_python(dict(summary))
    return {
        "lines": told.lines,
        "not_understood": told.not_understood,
        "malformed": told.malformed_lines,
        "first": microseconds(told.first_time),
        "last": microseconds(told.last_time),
        "rows": {shown(name): rows for name, rows in told.rows.items()},
        "asked": {shown(key): shown(_words(value)) for key, value in told.asked.items() if value},
        "version": shown(told.versions.get("knockwatch", "")),
        "files": [_file(file, shown) for file in told.files],
        "problems": [shown(problem) for problem in told.problems],
        "tables": _coverage(_by_table(told.files), shown),
        "formats": _coverage(_by_format(told.files), shown),
    }


def _words(value: Any) -> str:
    """Write what an option was given."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _file(file: _File, shown: Shown) -> dict[str, Any]:
    """Write one file; what is empty is left out."""
    example = file.example or {}
    told = {
        "path": shown(file.path),
        "format": shown(file.format or ""),
        "compression": shown(file.compression or ""),
        "lines": file.lines,
        "not_understood": file.not_understood,
        "malformed": file.malformed_lines,
        "example": [example.get("line"), shown(str(example.get("text", "")))] if example else None,
        "rows": {shown(name): rows for name, rows in file.rows.items() if rows},
        "first": microseconds(file.first_time),
        "last": microseconds(file.last_time),
        "assumed": shown(file.assumed or ""),
        "problems": [shown(problem) for problem in file.problems],
    }
    return {key: value for key, value in told.items() if value not in (None, "", [], {})}


Sight = tuple[str, int, int | None, int | None]
"""What a file gives one row of the picture: the row, how many rows or lines, and from when to when."""


def _by_table(files: Iterable[_File]) -> list[Sight]:
    """List what each file gives the tables; those without anything have a row too, to be seen empty."""
    sights: list[Sight] = [(_view(table), 0, None, None) for table in VIEWS]
    for file in files:
        first, last = microseconds(file.first_time), microseconds(file.last_time)
        sights += [(_view(table), rows, first, last) for table, rows in file.rows.items() if rows]
    return sights


def _view(table: str) -> str:
    """Name a table with the view that it becomes."""
    view = VIEWS.get(table)
    return f"{table} · {view}" if view else table


def _by_format(files: Iterable[_File]) -> list[Sight]:
    """List what each file gives its format."""
    return [
        (file.format, file.lines, microseconds(file.first_time), microseconds(file.last_time))
        for file in files
        if file.format
    ]


def _coverage(sights: Iterable[Sight], shown: Shown) -> list[dict[str, Any]]:
    """Draw together what is known of each row: its name, count, and spans without their gaps."""
    counts: dict[str, int] = {}
    spans: dict[str, list[tuple[int, int]]] = {}
    for name, count, first, last in sights:
        counts[name] = counts.get(name, 0) + count
        if first is not None and last is not None:
            spans.setdefault(name, []).append((first, max(first, last)))
    every = [moment for some in spans.values() for span in some for moment in span]
    gap = (max(every) - min(every)) // SPANS_DRAWN if every else 0
    return [
        {"name": shown(name), "count": count, "spans": _joined(spans.get(name, []), gap)}
        for name, count in counts.items()
    ]


def _joined(spans: Iterable[tuple[int, int]], gap: int) -> list[list[int]]:
    """Join spans that touch, or between which there is less than a gap."""
    joined: list[list[int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + gap:
            joined[-1][1] = max(joined[-1][1], last)
        else:
            joined.append([first, last])
    return joined
