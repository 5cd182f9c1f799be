"""`knockwatch tables`: the normalised tables of evidence as Parquet."""

from __future__ import annotations

from pathlib import Path

import click

from knockwatch.commands.console import say
from knockwatch.commands.options import (
    cache_option,
    check_window,
    config_option,
    evidence_argument,
    examples,
    memory_option,
    quiet_option,
    window_options,
)
from knockwatch.commands.progress import reading


@click.command(
    epilog=examples(
        "knockwatch tables /var/log --to tables/",
        "duckdb -c \"from 'tables/connections.parquet' limit 5\"",
    )
)
@evidence_argument
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder to write NAME.parquet to.",
)
@config_option
@window_options
@cache_option
@memory_option
@quiet_option
def command(
    *,
    evidence: tuple[str, ...],
    folder: Path,
    config_file: Path | None,
    since_us: int | None,
    until_us: int | None,
    cached: bool,
    memory_limit: str | None,
    quiet: bool,
) -> None:
    """Write the tables that evidence makes, as Parquet.

    They are connections, processes, messages and changes, and Microsoft's Syslog, CommonSecurityLog and
    DeviceProcessEvents as views on them, with their exact columns.
    """
    from knockwatch.cache import Cache
    from knockwatch.config import load
    from knockwatch.ingest import Workspace, ingest
    from knockwatch.views import export

    check_window(since_us, until_us)
    config = load(config_file)
    with Workspace.temporary(Cache.of(config.cache) if cached else None) as workspace:
        with reading(evidence, quiet=quiet) as progress:
            ingest(evidence, config.evidence, workspace, progress)
        written = export(workspace, folder, memory_limit=memory_limit, since_us=since_us, until_us=until_us)
        problems = [*workspace.problems, *(f"{f.path}: {p}" for f in workspace.summaries for p in f.problems)]
    for problem in problems:
        say(problem)
    if not quiet:
        for path in written:
            say(f"{_rows(path):>12,}  {path}")


def _rows(path: Path) -> int:
    """Count the rows of a Parquet file from its footer."""
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)
