"""The progress bar of long reading: on standard error, and only where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from knockwatch.reports.escape import visible

if TYPE_CHECKING:
    from knockwatch.evidence import Evidence

EXPANSION = 10
"""How much larger a compressed log is taken to be than its file; real logs lie between 8 and 20."""
NAME_SHOWN = 28


@contextmanager
def reading(arguments: Sequence[str], *, quiet: bool) -> Iterator[Callable[[str, int], None] | None]:
    """Show how far reading is; gives the function to call with a file's name and the bytes just read."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    total = total_bytes(arguments)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=total)
        done = 0

        def advance(name: str, count: int) -> None:
            nonlocal done
            done += count
            label = visible(Path(name).name)[-NAME_SHOWN:]
            if total is not None and done >= total:
                label = "looking for doors"
            bar.update(task, completed=min(done, total or done), description=label)

        yield advance


def total_bytes(arguments: Sequence[str]) -> int | None:
    """Estimate the bytes to read; None where standard input is among them."""
    if "-" in arguments:
        return None
    from knockwatch.evidence import collect

    files, _ = collect(arguments, Path())
    return sum(_bytes(file) for file in files)


def _bytes(file: Evidence) -> int:
    """Estimate the uncompressed bytes of a file."""
    size = file.path.stat().st_size
    return size * EXPANSION if file.compression() else size
