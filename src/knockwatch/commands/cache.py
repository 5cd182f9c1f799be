"""`knockwatch cache`: what is kept of evidence between scans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from knockwatch.commands.console import say
from knockwatch.commands.listing import write_json, write_list
from knockwatch.commands.options import config_option, examples, listing_option
from knockwatch.errors import UsageError

if TYPE_CHECKING:
    from knockwatch.cache import Cache


@click.group(epilog=examples("knockwatch cache show", "knockwatch cache clear"))
def command() -> None:
    """Show or remove what is kept of evidence between scans.

    scan, hunt, tune and tables keep what they parsed, compressed, so that the next of them reads only files that are
    new or changed. A file is known by its content, wherever it lies; how it was read counts too.
    """


@command.command(epilog=examples("knockwatch cache show", "knockwatch cache show --format json"))
@config_option
@listing_option
def show(*, config_file: Path | None, form: str) -> None:
    """Say where it is, how much it holds and how much it may."""
    with _opened(config_file) as cache:
        entries = cache.entries()
        held = sum(size for _, size in entries)
        if form == "json":
            told = {"folder": str(cache.folder), "files": len(entries), "bytes": held}
            write_json([told | {"most_bytes": cache.most_bytes}])
            return
        row = (f"{len(entries):,}", f"{held / 1e6:,.1f}", f"{cache.most_bytes / 1e6:,.0f}", str(cache.folder))
        write_list(("files", "MB", "at most", "folder"), [row])


@command.command(epilog=examples("knockwatch cache clear"))
@config_option
def clear(*, config_file: Path | None) -> None:
    """Remove all of it."""
    with _opened(config_file) as cache:
        count = len(cache.entries())
        if not cache.clear():
            raise UsageError("another knockwatch uses it: try again when that has ended", path=cache.folder)
    say(f"Removed what was kept of {count:,} {'file' if count == 1 else 'files'} from {cache.folder}")


@contextmanager
def _opened(config_file: Path | None) -> Iterator[Cache]:
    """Open the configured cache."""
    from knockwatch.cache import Cache, folder_of
    from knockwatch.config import load

    settings = load(config_file).cache
    try:
        cache = Cache(folder_of(settings), settings.megabytes * 1_000_000)
    except OSError as error:
        raise UsageError(f"cannot be used ({error.strerror})", path=error.filename) from error
    try:
        yield cache
    finally:
        cache.close()
