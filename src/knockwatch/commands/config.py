"""`knockwatch config`: writing and checking a configuration."""

from __future__ import annotations

from pathlib import Path

import click

from knockwatch.commands.console import say
from knockwatch.commands.options import examples
from knockwatch.errors import ConfigError, UsageError

FILE = click.Path(path_type=Path, dir_okay=False)
DEFAULT = Path("knockwatch.toml")


@click.group(epilog=examples("knockwatch config init", "knockwatch config check"))
def command() -> None:
    """Write or check the site's configuration, knockwatch.toml."""


@command.command(epilog=examples("knockwatch config init", "knockwatch config init --force site.toml"))
@click.argument("file", type=FILE, default=DEFAULT)
@click.option("--force", is_flag=True, help="Replace the file if there is one.")
def init(*, file: Path, force: bool) -> None:
    """Write a configuration that explains every key and changes nothing."""
    from knockwatch.config import template

    try:
        with file.open("w" if force else "x", encoding="utf-8", newline="\n") as stream:
            stream.write(template())
    except FileExistsError as error:
        raise UsageError("is there already: --force replaces it", path=file) from error
    say(f"Wrote {file}: fill in [context] first, then `knockwatch config check`")


@command.command(epilog=examples("knockwatch config check", "knockwatch config check site.toml"))
@click.argument("file", type=FILE, default=DEFAULT)
def check(file: Path) -> None:
    """Check a configuration; exit status 2 and the key if it is wrong."""
    from knockwatch.config import load

    if not file.exists():
        raise ConfigError("is not there: `knockwatch config init` writes one", path=file)
    load(file)
    say(f"{file}: is valid")
