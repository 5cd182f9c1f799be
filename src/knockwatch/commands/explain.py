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
        "knockwatch explain 3f9ac2d1 --cases cases.jsonl --format markdown",
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
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown"]),
    default="text",
    metavar="FORMAT",
    show_default=True,
    help="text for a terminal, or markdown for a ticket.",
)
def command(case_id: str, stream: TextIO, form: str) -> None:
    """Explain one case in prose, with its evidence, and say what to do.

    It says what happened, why the score is what it is, what else it could be, and what would settle it; then come
    the response playbook, the investigation guide and the techniques that go with the case, filled with its values.
    ID may be the beginning of an id, as the table shows it.
    """
    from knockwatch.reports.machine import read_cases
    from knockwatch.reports.markdown import write_ticket
    from knockwatch.reports.prose import write_guidance, write_prose

    name = getattr(stream, "name", "-")
    found = {case.id: case for case in read_cases(stream, name)}
    meant = [case for key, case in found.items() if key.startswith(case_id)]
    if len(meant) != 1:
        ids = [case.id for case in meant] or list(found)
        known = ", ".join(ids[:SHOWN]) + (f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else "")
        wanted = f"{case_id!r} begins {len(meant)} ids" if meant else f"no case {case_id!r}"
        raise UsageError(f"{wanted}: the file has {known or 'no case'}", path=name)
    with output():
        if form == "markdown":
            write_ticket(meant[0], sys.stdout)
        else:
            write_prose(meant[0], sys.stdout)
            write_guidance(meant[0], sys.stdout)
