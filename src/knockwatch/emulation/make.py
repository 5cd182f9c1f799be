"""Making emulated evidence: the stream, through a writer, into a folder, with its ground truth."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from knockwatch.emulation import EmulationError, Order
from knockwatch.emulation.background import Background
from knockwatch.emulation.estate import Estate
from knockwatch.emulation.planted import Planted, Site, plant
from knockwatch.emulation.rates import rates
from knockwatch.emulation.slices import slices
from knockwatch.emulation.stream import Rows
from knockwatch.emulation.truth import write
from knockwatch.emulation.writers import File, Writer, writers

LEAST_ROWS, MOST_ROWS = 1_000, 3_000_000_000
SLICES_PER_FILE = 4
README = "README.md"
_MARK = "# Emulated evidence"
"""Begins the README of a folder that emulation made, so that `--force` takes nothing else away."""


def make(
    order: Order,
    names: list[str],
    folder: Path,
    *,
    force: bool = False,
    told: Callable[[int], None] | None = None,
) -> Planted:
    """Write emulated evidence in some formats.

    Parameters
    ----------
    order
        What is wanted.
    names
        Formats, by their writers' names.
    folder
        Where it goes: the evidence of each format in a folder of its name, the ground truth beside.
    force
        Replace what an earlier emulation left in the folder.
    told
        Called with the number of rows just written.

    Raises
    ------
    EmulationError
        If the folder holds something else, or the order cannot be filled.
    """
    if not LEAST_ROWS <= order.rows <= MOST_ROWS:
        raise EmulationError(f"--rows is {order.rows:,}: ask for {LEAST_ROWS:,} to {MOST_ROWS:,}")
    chosen = [writers()[name] for name in names]
    base = rates()
    estate = Estate.of(order, base)
    planted = plant(order, base, estate)
    _prepare(folder, force=force)
    site = Site(estate, planted)
    _write(order, chosen, folder, site, Background(order, base, estate), told or (lambda _: None))
    _describe(folder, order, chosen)
    write(folder, order, site, chosen)
    return planted


def _write(
    order: Order,
    chosen: list[Writer],
    folder: Path,
    site: Site,
    background: Background,
    told: Callable[[int], None],
) -> None:
    """Write the stream, some slices a file; one slice is written while the next is made."""
    for writer in chosen:
        (folder / writer.name).mkdir()
    with ExitStack() as last, ThreadPoolExecutor(1) as pool:
        files: list[File] = []
        writing: Future[None] | None = None
        for number, rows in enumerate(slices(order, background, site.planted.rows, folder)):
            if writing is not None:
                writing.result()
            if number % SLICES_PER_FILE == 0:
                last.close()
                name = f"{number // SLICES_PER_FILE:05}"
                files = [w.open(folder / w.name / f"{name}{w.suffix}", site) for w in chosen]
                for file in files:
                    last.callback(file.close)
            writing = pool.submit(_add, files, rows, told)
        if writing is not None:
            writing.result()


def _add(files: list[File], rows: Rows, told: Callable[[int], None]) -> None:
    """Add a slice to files."""
    for file in files:
        file.write(rows)
    told(len(rows))


def _prepare(folder: Path, *, force: bool) -> None:
    """Make the folder, empty."""
    if folder.exists() and not folder.is_dir():
        raise EmulationError("is no folder: name one for the evidence", path=folder)
    if folder.is_dir() and any(folder.iterdir()):
        if not force:
            raise EmulationError(
                "is not empty: name another folder, or replace what is there with --force", path=folder
            )
        if not _is_ours(folder):
            raise EmulationError(
                "holds what no emulation made, which --force does not remove: name another folder",
                path=folder,
            )
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / README).write_text(f"{_MARK}\n", "utf-8")


def _is_ours(folder: Path) -> bool:
    """Tell whether an emulation made a folder."""
    try:
        return (folder / README).read_text("utf-8").startswith(_MARK)
    except (OSError, ValueError):
        return False


def _describe(folder: Path, order: Order, chosen: list[Writer]) -> None:
    """Say in the folder what it is."""
    titles = "".join(
        f"- `{writer.name}/`: {writer.title}{f'; it lacks {writer.lacks}' if writer.lacks else ''}\n"
        for writer in chosen
    )
    (folder / README).write_text(
        f"{_MARK}\n\nSynthetic, made by `knockwatch emulate`: no packet of it was ever sent.\n\n{titles}\n"
        f"{order.rows:,} rows, {order.days:g} days, {order.doors} doors, seed {order.seed}, background "
        f"{order.background}, {'shuffled' if order.shuffled else 'in order of time'}. `labels.json`, `doors.json` and "
        "`views.json` say what is true: `knockwatch evaluate` reads them.\n",
        "utf-8",
    )
