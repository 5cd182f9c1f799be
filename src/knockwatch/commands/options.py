"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from knockwatch.errors import UsageError

Command = TypeVar("Command", bound=Callable[..., Any])

HELP_NAMES = ["-h", "--help"]

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"(\d{1,6})([smhdw])")
_MEMORY = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]i?B)", re.IGNORECASE)


def examples(*lines: str) -> str:
    """Write the examples that close a help page."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def moment(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """Read a time, or a duration before now, as microseconds UTC."""
    del context
    if value is None:
        return None
    try:
        if duration := _DURATION.fullmatch(value.strip().lower()):
            when = datetime.now(UTC) - timedelta(**{_UNITS[duration[2]]: int(duration[1])})
        else:
            when = datetime.fromisoformat(value.strip())
            when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
        return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    except (ValueError, OverflowError) as error:
        wanted = "a time as 2026-11-22T11:30 or 2026-11-22T11:30+01:00, or a duration before now as 24h or 7d"
        raise click.BadParameter(f"{value!r} is neither {wanted}.", param=parameter) from error


def memory(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Read an amount of memory."""
    del context
    if value is None:
        return None
    if not (amount := _MEMORY.fullmatch(value.strip())):
        raise click.BadParameter(f"{value!r} is no amount of memory as 512MB or 2GiB.", param=parameter)
    return f"{amount[1]}{amount[2]}"


def table(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Read tables as NAME=SOURCE."""
    del context
    read = []
    for value in values:
        name, _, source = value.partition("=")
        if not name or not source:
            raise click.BadParameter(
                f"{value!r} is no NAME=SOURCE, as connections=lake/*.parquet.", param=parameter
            )
        read.append((name, source))
    return tuple(read)


def check_window(since_us: int | None, until_us: int | None) -> None:
    """Refuse a time that ends before it begins."""
    if since_us is not None and until_us is not None and since_us >= until_us:
        raise UsageError("--since is not before --until: nothing can have happened between them")


def evidence_argument(command: Command) -> Command:
    """Take files, folders, globs or ``-``; that they exist is checked where they are opened."""
    kind = click.Path(allow_dash=True)
    return click.argument("evidence", nargs=-1, required=True, type=kind, metavar="EVIDENCE...")(command)


def engine_options(command: Command) -> Command:
    """Take tables that are read where they are."""
    engine = click.option(
        "--engine",
        metavar="URL",
        help="Where the tables are: spark://HOST:PORT, local[2], clickhouse://…, trino://… and others; else Parquet, "
        "read here.",
    )
    tables = click.option(
        "--table",
        "tables",
        multiple=True,
        callback=table,
        metavar="NAME=SOURCE",
        help="A table: connections, processes, messages, changes or a lake's own name, and the Parquet files, or "
        "the engine's table, that it is. Repeatable.",
    )
    lake = click.option(
        "--lake",
        metavar="NAME",
        help="How tables and columns are called there: ecs, ocsf, sentinel, zeek_clickhouse.",
    )
    return engine(tables(lake(command)))


def config_option(command: Command) -> Command:
    """Take a configuration."""
    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="The site's configuration; else knockwatch.toml here, if there is one.",
    )(command)


def cache_option(command: Command) -> Command:
    """Take the wish to read everything anew; the command gets `cached`."""
    return click.option(
        "--no-cache",
        "cached",
        flag_value=False,
        default=True,
        help="Read everything anew, and keep nothing of it: see knockwatch cache.",
    )(command)


def memory_option(command: Command) -> Command:
    """Take a bound on memory."""
    return click.option(
        "--memory-limit",
        callback=memory,
        metavar="SIZE",
        help="How much memory to use, about, as 2GB; else 80 % of the machine's. Beyond, it uses the disk.",
    )(command)


def window_options(command: Command) -> Command:
    """Take the bounds of the time that is looked at."""
    since = click.option(
        "--since",
        "since_us",
        callback=moment,
        metavar="TIME",
        help="Only what happened from then on: an ISO time (UTC if it names no zone), or 24h, 7d before now.",
    )
    until = click.option(
        "--until", "until_us", callback=moment, metavar="TIME", help="Only what happened before then."
    )
    return since(until(command))


def quiet_option(command: Command) -> Command:
    """Take the wish for silence."""
    text = "Data and errors only: no progress, no closing words."
    return click.option("-q", "--quiet", is_flag=True, help=text)(command)


def listing_option(command: Command) -> Command:
    """Take the format of a list."""
    formats = click.Choice(["table", "json"])
    return click.option(
        "--format", "form", type=formats, metavar="FORMAT", default="table", help="table or json."
    )(command)
