"""`knockwatch explain`: one case in prose."""

from __future__ import annotations

import sys
from typing import TextIO

import click

from knockwatch.commands.console import output
from knockwatch.commands.options import examples
from knockwatch.errors import UsageError

SHOWN = 8
"""Ids named when one is ambiguous or not found."""


@click.command(
    epilog=examples(
        "knockwatch explain 3f9ac2d1 --cases results/cases.jsonl",
        "knockwatch scan logs/ --format json | knockwatch explain 3f9ac2d1 --cases -",
    )
)
@click.argument("case_id", metavar="ID")
@click.option(
    "--cases",
    "stream",
    type=click.File("r", encoding="utf-8"),
    required=True,
    metavar="FILE",
    help="What `knockwatch scan` wrote as jsonl or json, or the cases.jsonl of --out.",
)
def command(case_id: str, stream: TextIO) -> None:
    """Explain one case in prose, with its evidence.

    It says what happened, why the score is what it is, what else it could be, and what would settle it. ID may be
    the beginning of an id, as the table shows it.
    """
    from knockwatch.reports.machine import read_cases
    from knockwatch.reports.prose import write_prose

    name = getattr(stream, "name", "-")
    found = {case.id: case for case in read_cases(stream, name)}
    meant = [case for key, case in found.items() if key.startswith(case_id)]
    if len(meant) != 1:
        ids = [case.id for case in meant] or list(found)
        known = ", ".join(ids[:SHOWN]) + (f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else "")
        wanted = f"{case_id!r} begins {len(meant)} ids" if meant else f"no case {case_id!r}"
        raise UsageError(f"{wanted}: the file has {known or 'no case'}", path=name)
    with output():
        write_prose(meant[0], sys.stdout)
