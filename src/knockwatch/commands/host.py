"""`knockwatch host`: what on a Linux host could be waiting for a knock."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from knockwatch.commands.console import say
from knockwatch.commands.options import config_option, examples, quiet_option
from knockwatch.commands.scan import MET, is_met, write_report
from knockwatch.reports import FORMATS, LEVELS, Report, select

if TYPE_CHECKING:
    from knockwatch.cases import Status

FACTS = "host-facts.jsonl"


@click.command(
    epilog=examples(
        "sudo knockwatch host",
        "sudo knockwatch host --save collections/",
        "knockwatch host collections/knockwatch-host-srv1-20261122T113000Z",
        "sudo knockwatch host --format jsonl --alerts-only --fail-on high",
    )
)
@click.argument(
    "folder",
    required=False,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="[FOLDER]",
)
@click.option(
    "--save",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep what was gathered in a folder there, to be scanned anywhere.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default="table",
    metavar="FORMAT",
    show_default=True,
    help="How cases are written, as for scan.",
)
@config_option
@click.option("--alerts-only", is_flag=True, help="Leave out leads: what waits, but hides from nobody.")
@click.option("--show-suppressed", is_flag=True, help="Show what the configuration explains.")
@click.option(
    "--fail-on",
    type=click.Choice(LEVELS),
    metavar="LEVEL",
    help="Exit with status 3 if an alert is at least low, medium, high or critical.",
)
@quiet_option
def command(
    *,
    folder: Path | None,
    save: Path | None,
    form: str,
    config_file: Path | None,
    alerts_only: bool,
    show_suppressed: bool,
    fail_on: str | None,
    quiet: bool,
) -> None:
    """Find what on this Linux host could be waiting for a knock.

    Firewall rules are read as a state machine, knock daemons by their configuration, packet sockets by their filters
    and owners; listeners, XDP and tc programs and files that implants leave are looked at too. FOLDER is a
    collection made elsewhere: by this command with --save, by UAC or Velociraptor, or by hand.

    It reads only, takes a minute and a half at most, and needs root to see all; what it could not see it says. It
    sees the network namespace it runs in. The kernel may load modules to answer ss and nft, as it does for anyone.
    """
    from knockwatch.config import load
    from knockwatch.ingest import Workspace
    from knockwatch.reports.summary import summarise
    from knockwatch.scan import scan

    config = load(config_file)
    with _evidence(folder, save) as (evidence, unseen), Workspace.temporary() as workspace:
        result = scan([str(evidence)], workspace, config)
        summary = summarise(result, {"evidence": [str(evidence)], "config": str(config_file or "") or None})
    statuses: dict[Status, bool] = {"alert": True, "lead": not alerts_only, "suppressed": show_suppressed}
    cases, hidden = select(result.cases, [status for status, shown in statuses.items() if shown], "low")
    write_report(Report(cases, summary, hidden, quiet), form)
    if not quiet:
        for sentence in unseen:
            say(f"Not seen: {sentence}")
        if save:
            say(f"Kept what was gathered in {evidence}")
    if fail_on and is_met(cases, fail_on):
        raise click.exceptions.Exit(MET)


@contextmanager
def _evidence(folder: Path | None, save: Path | None) -> Iterator[tuple[Path, list[str]]]:
    """Give the folder to scan and what it cannot tell: the one named, or one gathered now, removed if not kept."""
    if folder is not None:
        yield folder, [said for facts in sorted(folder.rglob(FACTS)) for said in _unseen(facts)]
        return
    from knockwatch.collection import collect

    if save is not None:
        gathered = collect(save)
        yield gathered.folder, gathered.unseen
        return
    with tempfile.TemporaryDirectory(prefix="knockwatch-") as temporary:
        gathered = collect(Path(temporary))
        # Cases quote files by their names; of a folder that is gone the last part tells all there is.
        with chdir(temporary):
            yield Path(gathered.folder.name), gathered.unseen


def _unseen(facts: Path) -> list[str]:
    """Read from a collection what its gathering could not see."""
    from knockwatch.hoststate.facts import unseen

    with facts.open(encoding="utf-8", errors="backslashreplace") as lines:
        return unseen(lines.readline())
