"""Makes the pages of the site that say what the program knows: commands, formats, rules, hunts; it holds no facts.

MkDocs runs it as a hook: a page made here is never written to the disk by hand, so it cannot go out of date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

    from knockwatch.detections import Rule
    from knockwatch.hunting import Hunt
    from knockwatch.sources import Format

ROOT = Path(__file__).parent.parent
WIDTH = 80
"""Columns of a command's help."""
_MOVED = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "LICENSE": "licence.md",
}
_LINK = re.compile(r"(\]\()([^):#]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made; MkDocs calls it when it has listed those that are written."""
    from mkdocs.structure.files import File

    for name, make in PAGES.items():
        files.append(File.generated(config, name, content=make()))
    return files


def commands() -> str:
    """Write the help of every command as the command line gives it."""
    parts = ["# Commands\n\nEvery command says this itself with `--help`.\n"]
    parts += [f"\n{'#' * level} {words}\n\n```text\n{text}\n```\n" for level, words, text in _helps()]
    return "".join(parts)


def formats() -> str:
    """Write the registry of formats, those of files and those inside the messages of others."""
    from knockwatch.sources import sources
    from knockwatch.sources.bodies import bodies

    of_files = [source.format for source in sources()]
    of_messages = [body.format for body in bodies()]
    verified = sum(one.status == "verified" for one in (*of_files, *of_messages))
    heads = ("format", "what it is", "fills", "status", "`line` counts", "reference")

    def rows(told: Iterable[Format]) -> Iterator[tuple[str, ...]]:
        for one in told:
            fills, place = ", ".join(one.fills), _reference(one.reference)
            yield f"`{one.name}`", one.title, fills, one.status, f"{one.numbered}s", place

    return (
        f"# Formats\n\nknockwatch reads {len(of_files) + len(of_messages)} formats, and tells them from the content; "
        f"{verified} are verified on a real sample, the others follow their vendor's published example. Compression "
        "(gzip, bzip2, xz, zstd) and standard input are read too.\n\n## Files\n\n"
        + _table(heads, rows(of_files))
        + "\n## Inside the messages of others\n\nLines of these are found in any syslog, journal or export.\n\n"
        + _table(heads, rows(of_messages))
    )


def rules() -> str:
    """Write what every rule says of itself."""
    from knockwatch.detections import detections

    told = sorted((detection.rule for detection in detections()), key=lambda rule: rule.id)
    head = (
        "# Rules\n\nWhat each detection finds, and what looks the same and is harmless. A finding becomes part of a "
        "case; only a case is an alert ([concepts](concepts.md)). `knockwatch rules show ID` says the same.\n"
    )
    return head + "".join(map(_rule, told))


def hunting() -> str:
    """Write what every hunt says of itself, and its query."""
    from knockwatch.hunting import hunts

    head = (
        "# Hunts\n\nQueries in KQL that run on local evidence (`knockwatch hunt NAME EVIDENCE`) and unchanged in "
        "Microsoft Sentinel and Defender. The numbers of a query are those of the "
        "[configuration](configuration.md).\n"
    )
    return head + "".join(map(_hunt, hunts().values()))


def moved(name: str) -> str:
    """Take a page from the root of the project, with its links as they are in the site."""
    text = (ROOT / name).read_text("utf-8")

    def led(link: re.Match[str]) -> str:
        target = link[2].removeprefix("docs/")
        return link[1] + _MOVED.get(target, target)

    return _LINK.sub(led, text)


def licence() -> str:
    """Write the licence as it is."""
    return f"# Licence\n\n```text\n{(ROOT / 'LICENSE').read_text('utf-8').strip()}\n```\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "index.md": lambda: moved("README.md"),
    "commands.md": commands,
    "formats.md": formats,
    "rules.md": rules,
    "hunts.md": hunting,
    "contributing.md": lambda: moved("CONTRIBUTING.md"),
    "changes.md": lambda: moved("CHANGELOG.md"),
    "licence.md": licence,
}
"""The pages that are made, by their names."""


def _helps() -> Iterator[tuple[int, str, str]]:
    """Give every command, also of groups, with the level of its heading, its words and its help."""
    import click

    from knockwatch.cli import cli

    def told(
        name: str, command: click.Command, parent: click.Context | None
    ) -> Iterator[tuple[int, str, str]]:
        context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH)
        words = context.command_path
        yield 2 if words.count(" ") < 2 else 3, words, command.get_help(context)
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                if found := command.get_command(context, inner):
                    yield from told(inner, found, context)

    yield from told("knockwatch", cli, None)


def _rule(rule: Rule) -> str:
    """Write one rule."""
    facts = [
        ("On its own", f"severity {rule.severity}, confidence {rule.confidence}"),
        ("ATT&CK", ", ".join(map(_technique, rule.attack))),
        ("Data sources", "; ".join(rule.data_sources)),
        ("Tables", _codes(rule.tables)),
        ("Labels", _codes(rule.labels)),
    ]
    return (
        f"\n## {rule.id}\n\n**{rule.title}.** {rule.description}\n\n"
        + "".join(f"- {name}: {said}\n" for name, said in facts if said)
        + "\nWhat looks the same and is harmless:\n\n"
        + "".join(f"- {said}\n" for said in rule.false_positives)
        + "\nReferences: "
        + ", ".join(_reference(said) for said in rule.references)
        + "\n"
    )


def _hunt(hunt: Hunt) -> str:
    """Write one hunt."""
    facts = [
        ("Hypothesis", hunt.hypothesis),
        ("Data", hunt.data),
        ("Reading", hunt.reading),
        ("Lost", hunt.lost),
        ("ATT&CK", ", ".join(map(_technique, hunt.attack))),
        ("Rules", ", ".join(f"[`{rule}`](rules.md#{rule})" for rule in hunt.rules)),
        ("Legs", ", ".join(hunt.legs) or "none"),
    ]
    return (
        f"\n## {hunt.id}\n\n{hunt.title}.\n\n"
        + "".join(f"- **{name}**: {said}\n" for name, said in facts if said)
        + f"\n```kusto\n{hunt.query.strip()}\n```\n"
    )


def _technique(technique: str) -> str:
    """Link a technique."""
    from knockwatch.guidance.related import technique_name

    address = f"https://attack.mitre.org/techniques/{technique.replace('.', '/')}/"
    return f"[{technique}]({address}) {technique_name(technique) or ''}".strip()


def _reference(said: str) -> str:
    """Link what is an address."""
    return f"<{said}>" if said.startswith("https://") and " " not in said else said


def _codes(names: Iterable[str]) -> str:
    """List names."""
    return ", ".join(f"`{name}`" for name in names)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a table."""
    told = [list(heads), *(list(row) for row in rows)]
    told.insert(1, ["---"] * len(told[0]))
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in told)
