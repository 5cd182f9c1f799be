"""`knockwatch sources`: the formats of evidence that can be read."""

from __future__ import annotations

from dataclasses import asdict

import click

from knockwatch.commands.listing import write_json, write_line, write_list
from knockwatch.commands.options import examples, listing_option


@click.group(epilog=examples("knockwatch sources list"))
def command() -> None:
    """List the formats that can be read."""


@command.command("list", epilog=examples("knockwatch sources list", "knockwatch sources list --format json"))
@listing_option
def list_sources(form: str) -> None:
    """List the formats of files, then those that come inside the messages of others.

    A format is verified on a real sample, or documented: read as its vendor's published example has it.
    """
    from knockwatch.sources import sources
    from knockwatch.sources.bodies import bodies

    entries = [("files", entry.format) for entry in sources()] + [
        ("messages", body.format) for body in bodies()
    ]
    if form == "json":
        write_json([{"in": within, **asdict(entry)} for within, entry in entries])
        return
    rows = [
        (entry.name, within, entry.status, f"{entry.title}; fills {', '.join(entry.fills)}")
        for within, entry in entries
    ]
    write_list(("format", "in", "status", "what it is, and the tables it fills"), rows)
    verified = sum(entry.status == "verified" for _, entry in entries)
    write_line(f"{len(entries)} formats: {verified} verified, {len(entries) - verified} documented")
