"""`knockwatch rules export`: the detections for a SIEM, and what each keeps and loses there."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from knockwatch.commands.console import say
from knockwatch.commands.listing import write_json, write_list
from knockwatch.commands.options import config_option, examples, listing_option, quiet_option
from knockwatch.errors import UsageError

if TYPE_CHECKING:
    from knockwatch.exports import Exported, Target

COVERAGE = "coverage.csv"
_LEFT_OUT = "All of it: the target has no export of this detection."
_COLUMNS = ("rule", "name", "form", "made", "legs", "lost", "proof", "files")


@click.command(
    "export",
    epilog=examples(
        "knockwatch rules export --list",
        "knockwatch rules export --to sentinel --out sentinel/",
    ),
)
@click.option("--to", "target", metavar="TARGET", help="For which product; --list names them.")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder to write to.",
)
@click.option("--list", "listed", is_flag=True, help="List the targets.")
@config_option
@listing_option
@quiet_option
def export(
    *,
    target: str | None,
    folder: Path | None,
    listed: bool,
    config_file: Path | None,
    form: str,
    quiet: bool,
) -> None:
    """Write the detections for a SIEM, with the site's thresholds and context in them.

    Says for each rule which legs of a case the export joins and what is lost; `coverage.csv` beside the files says it
    again, with how it was proven.
    """
    from knockwatch.exports import targets

    known = targets()
    if listed:
        _list(known, form)
        return
    chosen, to = _chosen(target, folder, known)
    exported = _write(chosen, to, config_file)
    if form == "json":
        write_json([_row(one, to) for one in exported])
    elif not quiet:
        rows = [(one.rule, one.name, one.form, ", ".join(one.legs) or "none") for one in exported]
        write_list(("rule", "export", "form", "legs"), rows)
    if not quiet:
        say(f"{len({file for one in exported for file in one.files})} files and {COVERAGE} in {to}.")


def _chosen(target: str | None, folder: Path | None, known: Mapping[str, Target]) -> tuple[Target, Path]:
    """Find the target that was asked for."""
    if target is None or folder is None:
        raise UsageError("say --to TARGET and --out DIR; `knockwatch rules export --list` names the targets")
    if target not in known:
        close = difflib.get_close_matches(target, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
        raise UsageError(f"no target {target!r}: {hint}")
    return known[target], folder


def _write(target: Target, folder: Path, config_file: Path | None) -> Sequence[Exported]:
    """Write a target's files, and what they keep and lose."""
    from knockwatch.config import load
    from knockwatch.detections import detections
    from knockwatch.exports import Exported

    config = load(config_file)
    folder.mkdir(parents=True, exist_ok=True)
    rules = {detection.rule.id: detection.rule for detection in detections()}
    written = list(target.write(folder, rules, config))
    left = sorted(rules.keys() - {one.rule for one in written})
    written += [Exported(rule, "", "none", "none", (), _LEFT_OUT, "neither", ()) for rule in left]
    exported = sorted(written, key=lambda one: (one.rule, one.name))
    with (folder / COVERAGE).open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(_COLUMNS)
        rows.writerows(list(_row(one, folder).values()) for one in exported)
    return exported


def _row(one: Exported, folder: Path) -> dict[str, str]:
    """Give one line of the coverage."""
    return {
        "rule": one.rule,
        "name": one.name,
        "form": one.form,
        "made": one.made,
        "legs": " ".join(one.legs),
        "lost": one.lost,
        "proof": one.proof,
        "files": " ".join(file.relative_to(folder).as_posix() for file in one.files),
    }


def _list(known: Mapping[str, Target], form: str) -> None:
    """List the targets."""
    if form == "json":
        write_json([{"name": target.name, "title": target.title} for target in known.values()])
        return
    write_list(("target", "writes"), [(target.name, target.title) for target in known.values()])
