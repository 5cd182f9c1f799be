"""`knockwatch report`: the HTML report of cases that a scan has written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from knockwatch.commands.console import say
from knockwatch.commands.options import examples, quiet_option
from knockwatch.errors import EvidenceError

if TYPE_CHECKING:
    from knockwatch.cases import Case

CASES, SUMMARY = "cases.jsonl", "summary.json"


@click.command(
    epilog=examples(
        "knockwatch report results/ --to report.html",
        "knockwatch report results/cases.jsonl --to report.html",
        "knockwatch scan logs/ --format json | knockwatch report - --to report.html",
    )
)
@click.argument("cases", type=click.Path(allow_dash=True), metavar="CASES")
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="The HTML file to write.",
)
@quiet_option
def command(*, cases: str, to: Path, quiet: bool) -> None:
    """Write cases as one HTML file, for a browser.

    CASES is the folder of `scan --out`, its cases.jsonl, or what `scan --format jsonl` or json wrote. The file needs
    no network and no server. What was read is shown where CASES tells it: a folder and json do.
    """
    from pydantic import ValidationError

    from knockwatch.reports.html import write_html

    if cases != "-" and Path(cases).is_dir():
        found, _ = _told(str(Path(cases) / CASES))
        about = Path(cases) / SUMMARY
        summary = _summary(about)
    else:
        found, summary = _told(cases)
        about = Path(cases)
    try:
        write_html(found, summary, to)
    except ValidationError as error:
        wanted = "holds no summary of a scan: give what `knockwatch scan` wrote"
        raise EvidenceError(wanted, path=str(about)) from error
    if not quiet:
        say(f"Wrote {to}")


def _told(name: str) -> tuple[list[Case], dict[str, Any] | None]:
    """Read cases, and the summary where it stands beside them in one object."""
    import io

    from knockwatch.reports.machine import read_cases

    try:
        with click.open_file(name, encoding="utf-8") as stream:
            text = stream.read()
    except UnicodeDecodeError as error:
        raise EvidenceError("is no text: give what `knockwatch scan` wrote", path=name) from error
    found = read_cases(io.StringIO(text), name)
    try:
        whole = json.loads(text)
    except ValueError:
        return found, None
    summary = whole.get("summary")
    return found, summary if isinstance(summary, dict) else None


def _summary(file: Path) -> dict[str, Any] | None:
    """Read the summary of a scan; None where there is none."""
    if not file.is_file():
        return None
    try:
        summary = json.loads(file.read_text("utf-8"))
    except ValueError:
        summary = None
    if not isinstance(summary, dict):
        raise EvidenceError("is no summary of a scan: scan again with --out", path=str(file))
    return summary
