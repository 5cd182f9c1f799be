"""The end of the table: what was read and not understood, what is not shown, and what was missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from knockwatch.reports import LEVELS, Report
from knockwatch.reports.escape import visible
from knockwatch.reports.layout import GUTTER, block
from knockwatch.reports.words import Glyphs, moment, plural, span

FILES_SHOWN = 6
"""Files listed one by one; more are summed up by format."""
EXAMPLES_SHOWN = 3
"""Files whose first line not understood is quoted, and problems told in full."""
EXAMPLE_SHOWN = 56
"""Characters of such a line; binary rubbish must not fill the screen."""

NEEDED: Mapping[str, str] = {
    "connections": "a firewall's log, flow records or a capture: who tried which port, and what became of it",
    "messages": "system logs: what knockd, fwknopd and sshd said",
    "processes": "process creations (Defender, auditd): who ran a knock client, who called the firewall",
    "changes": "the audit log of a Linux host: which process changed its firewall",
}
"""What would fill a table that stayed empty."""


def write_closing(console: Console, report: Report, glyphs: Glyphs) -> None:
    """Print the counts first, then a paragraph for each thing worth knowing."""
    _paragraph(console, "Found", _found(report))
    _paragraph(console, "Not shown", *_not_shown(report))
    if not report.summary["cases"]["alert"]:
        _paragraph(console, "Missing", *_missing(report))
    _paragraph(console, "Read", _read(report, glyphs), *_files(report))
    _paragraph(console, "Not understood", *_not_understood(report, glyphs))
    _paragraph(console, "Looked at", *_window(report))
    _paragraph(console, "Assumed", *_few(_assumed(report)))
    _paragraph(console, "Problems", *_few(_problems(report)))


def brief(report: Report) -> str:
    """Say in one line what was found and read, for standard error beside a format for programs."""
    return "; ".join([_found(report), *_not_shown(report), f"read {_read(report, Glyphs())}"])


def _paragraph(console: Console, label: str, *lines: str) -> None:
    """Print lines beside their label; nothing where there are none."""
    for number, line in enumerate(lines):
        block(console, Text(f"{'' if number else label:<{GUTTER}}", "bold"), Text(line))


def _few(lines: Iterator[str]) -> Iterator[str]:
    """Keep the first lines and count the rest: a folder of rubbish must not push the cases off the screen."""
    told = list(lines)
    yield from told[: EXAMPLES_SHOWN + 1]
    if (left := len(told) - EXAMPLES_SHOWN - 1) > 0:
        yield f"and {left:,} more: --out writes them all to summary.json"


def _found(report: Report) -> str:
    """Count the alerts, and say how severe they are."""
    alerts = report.summary["alerts"]
    counts = [f"{alerts[level]:,} {level}" for level in reversed(LEVELS) if alerts.get(level)]
    found = plural(report.summary["cases"]["alert"], "alert")
    if len(counts) == 1:
        # One number twice in a line would only make a reader compare them.
        level = counts[0].rpartition(" ")[2]
        return f"{found}, {'all ' if sum(alerts.values()) > 1 else ''}{level}"
    return f"{found}: {', '.join(counts)}" if counts else found


def _not_shown(report: Report) -> Iterator[str]:
    """Count what is left out, and say how to see it."""
    hidden = report.hidden
    if leads := hidden.get("lead"):
        yield f"{plural(leads, 'lead')}: add --show-leads"
    if suppressed := hidden.get("suppressed"):
        yield f"{plural(suppressed, 'suppressed case')}: add --show-suppressed"
    if doubtful := hidden.get("confidence"):
        yield f"{plural(doubtful, 'case')} below --min-confidence"


def _missing(report: Report) -> Iterator[str]:
    """Say what evidence would have been needed to find something."""
    empty = [table for table in NEEDED if not report.summary["rows"].get(table)]
    for table in empty:
        yield f"{table}: {NEEDED[table]}"
    if not empty:
        yield "no table stayed empty: the rules had what they read, and no alert came of it"


def _read(report: Report, glyphs: Glyphs) -> str:
    """Count files and lines, and give the span of their times."""
    summary = report.summary
    counts = f"{plural(len(summary['files']), 'file')}, {plural(summary['lines'], 'line')}"
    first, last = moment(summary["first_time"]), moment(summary["last_time"])
    return f"{counts}, {span(first, last, glyphs)} UTC" if first else counts


def _files(report: Report) -> Iterator[str]:
    """List the files with format and lines; where they are many, the formats with their files."""
    files = report.summary["files"]
    if len(files) <= FILES_SHOWN:
        for file in files:
            yield f"{visible(file['path'])}: {_format(file)}, {plural(file['lines'], 'line')}"
        return
    formats: dict[str, list[int]] = {}
    for file in files:
        formats.setdefault(_format(file), []).append(file["lines"])
    for name, lines in sorted(formats.items(), key=lambda entry: -sum(entry[1])):
        yield f"{name}: {plural(len(lines), 'file')}, {plural(sum(lines), 'line')}"


def _format(file: Mapping[str, Any]) -> str:
    """Name a file's format."""
    return str(file["format"]) if file["format"] else "no known format"


def _not_understood(report: Report, glyphs: Glyphs) -> Iterator[str]:
    """Count the lines that no source understood, and quote the first of the worst files."""
    summary = report.summary
    if not summary["not_understood"]:
        return
    yield f"{summary['not_understood']:,} of {plural(summary['lines'], 'line')}"
    worst = sorted(
        (file for file in summary["files"] if file["example"]), key=lambda file: -file["not_understood"]
    )
    for file in worst[:EXAMPLES_SHOWN]:
        example = file["example"]
        yield f"{visible(file['path'])}:{example['line']}, the first of {file['not_understood']:,}:"
        text = visible(str(example["text"]))
        yield f"  {text[:EXAMPLE_SHOWN]}{glyphs.more if len(text) > EXAMPLE_SHOWN else ''}"
    if (left := len(worst) - EXAMPLES_SHOWN) > 0:
        yield f"and {plural(left, 'more file')}: --out writes them all to summary.json"


def _window(report: Report) -> Iterator[str]:
    """Say which time was looked at, where it was not all."""
    since, until = (moment(report.summary["asked"].get(end)) for end in ("since", "until"))
    if since or until:
        words = [f"from {since} UTC" if since else "", f"before {until} UTC" if until else ""]
        yield f"only what happened {' and '.join(filter(None, words))}"


def _assumed(report: Report) -> Iterator[str]:
    """Say what was assumed of times."""
    return _together((file["path"], file["assumed"]) for file in report.summary["files"] if file["assumed"])


def _problems(report: Report) -> Iterator[str]:
    """List what could not be read, whole files first."""
    yield from map(visible, report.summary["problems"])
    files = report.summary["files"]
    yield from _together((file["path"], problem) for file in files for problem in file["problems"])
    # In a file of no known format they say nothing new: it is no text.
    if malformed := [file for file in files if file["malformed_lines"] and file["format"]]:
        lines = plural(sum(file["malformed_lines"] for file in malformed), "line")
        first = visible(malformed[0]["path"])
        yield f"{lines} with bytes that are not UTF-8, read by their codes; the first file is {first}"


def _together(remarks: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Write remarks on files, once for all the files that share one."""
    groups: dict[str, list[str]] = {}
    for path, remark in remarks:
        groups.setdefault(remark, []).append(path)
    for remark, paths in groups.items():
        more = f" and {plural(len(paths) - 1, 'more file')}" if len(paths) > 1 else ""
        yield f"{visible(paths[0])}{more}: {visible(remark)}"
