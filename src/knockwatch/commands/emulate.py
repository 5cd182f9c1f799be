"""`knockwatch emulate`: labelled synthetic evidence of any size."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from knockwatch.commands.console import say
from knockwatch.commands.options import examples, moment, quiet_option

if TYPE_CHECKING:
    from knockwatch.emulation.planted import Planted

ROWS_PER_DOOR = 500_000
LEAST_DOORS, MOST_DOORS = 6, 200


def _formats() -> list[str]:
    """List the writers; their package is not loaded, so that help is quick."""
    folder = Path(__file__).parent.parent / "emulation" / "writers"
    found = (module.name for module in pkgutil.iter_modules([str(folder)]))
    return [name.replace("_", "-") for name in found if not name.startswith("_")]


@click.command(
    epilog=examples(
        "knockwatch emulate --rows 100000 emulated",
        "knockwatch evaluate emulated",
        "knockwatch emulate --format netfilter --rows 20000000 --seed 7 big",
        "knockwatch emulate --background spoofed --order shuffled worst",
    )
)
@click.argument("folder", type=click.Path(path_type=Path), metavar="OUT_DIR")
@click.option(
    "--format",
    "names",
    type=click.Choice(_formats()),
    multiple=True,
    default=("common-security-log",),
    show_default=True,
    metavar="FORMAT",
    help=f"One of {', '.join(_formats())}; may be repeated, for the same events as each would tell them.",
)
@click.option(
    "--rows", type=int, default=100_000, show_default=True, help="Rows in all, planted ones included."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=1,
    show_default=True,
    help="The same seed makes the same bytes.",
)
@click.option(
    "--order",
    type=click.Choice(["time", "shuffled"]),
    default="time",
    show_default=True,
    help="The order of the rows.",
)
@click.option(
    "--background",
    type=click.Choice(["internet", "spoofed"]),
    default="internet",
    show_default=True,
    help="What surrounds the knocks: as measured, or every row from a source of its own.",
)
@click.option(
    "--days",
    type=click.FloatRange(0.05, 3650),
    default=3.0,
    show_default=True,
    help="Time that the rows span.",
)
@click.option(
    "--doors",
    type=click.IntRange(0, 20_000),
    help="Doors that are planted; else one for 500,000 rows, 6 to 200.",
)
@click.option("--start", "start_us", callback=moment, metavar="TIME", help="When it begins; else 2026-11-16.")
@click.option("--force", is_flag=True, help="Replace what an earlier emulation left in OUT_DIR.")
@quiet_option
def command(
    *,
    folder: Path,
    names: tuple[str, ...],
    rows: int,
    seed: int,
    order: str,
    background: str,
    days: float,
    doors: int | None,
    start_us: int | None,
    force: bool,
    quiet: bool,
) -> None:
    """Make labelled synthetic evidence of any size.

    Doors are planted among background with measured base rates: several users enter each, strangers fail, scanners
    find it shut. The labels in OUT_DIR say what is true, for `knockwatch evaluate`. Memory does not grow with the rows.
    """
    from knockwatch.emulation import START, Order
    from knockwatch.emulation.make import make

    wanted = Order(
        rows=rows,
        seed=seed,
        days=days,
        doors=min(max(rows // ROWS_PER_DOOR, LEAST_DOORS), MOST_DOORS) if doors is None else doors,
        background="spoofed" if background == "spoofed" else "internet",
        shuffled=order == "shuffled",
        start=START if start_us is None else datetime.fromtimestamp(start_us // 1_000_000, UTC),
    )
    with _progress(rows, quiet=quiet) as told:
        planted = make(wanted, list(dict.fromkeys(names)), folder, force=force, told=told)
    if not quiet:
        _close(folder, rows, planted)


def _close(folder: Path, rows: int, planted: Planted) -> None:
    """Say what was made."""
    kinds = [label["kind"] for label in planted.labels]
    say(
        f"Wrote {rows:,} rows to {folder}: {len(planted.plan.doors)} doors, {kinds.count('knock')} knocks that open "
        f"one, {kinds.count('failed')} that fail"
    )
    say(f"Judge what is found in it: knockwatch evaluate {folder}")


@contextmanager
def _progress(rows: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show how many rows are written, on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("writing", total=rows)
        yield lambda count: bar.update(task, advance=count)
