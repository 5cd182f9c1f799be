"""The main job, for whoever calls it: evidence in, cases out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from knockwatch.cases import Case
from knockwatch.config import Config
from knockwatch.ingest import Progress, Workspace

RuleSet = Literal["all", "seed"]


@dataclass
class Result:
    """What a scan found.

    Parameters
    ----------
    cases
        Alerts, leads and suppressed cases, most urgent first.
    findings
        Every finding before cases; with the rule set ``seed`` the specification's union with its exact columns.
    workspace
        Tables and file summaries of what was read; still open.
    """

    cases: list[Case]
    findings: pl.DataFrame
    workspace: Workspace
    problems: list[str] = field(default_factory=list)


def scan(
    arguments: Iterable[str],
    workspace: Workspace,
    config: Config | None = None,
    *,
    rules: RuleSet = "all",
    since_us: int | None = None,
    until_us: int | None = None,
    memory_limit: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Read evidence, run the detections, build the cases.

    Parameters
    ----------
    arguments
        Files, folders, globs or ``-``.
    workspace
        Where tables are kept meanwhile; the caller closes it.
    config
        The site's configuration; None for the defaults.
    rules
        ``all`` for everything we know, ``seed`` for the specification to the letter.
    since_us, until_us
        Only what happened from, and before, these times (microseconds UTC).
    memory_limit
        Bound on the engine's memory, as ``2GB``.
    progress
        Called with a file's name and the bytes read since the last call.

    Raises
    ------
    EvidenceError
        If nothing could be read.
    """
    raise NotImplementedError
