"""How good the detections are on labelled evidence: scans each view of a corpus, alone and together, and judges.

What a view could show is the labels' word; nothing here works it out from our own parsers.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from knockwatch.cases import Case
from knockwatch.config import Config
from knockwatch.errors import KnockwatchError, UsageError
from knockwatch.evaluation.judge import judge
from knockwatch.evaluation.labels import Corpus, CorpusError, View, load
from knockwatch.evaluation.render import render_table
from knockwatch.evaluation.told import TOLERANCE_SECONDS
from knockwatch.evaluation.verdicts import Evaluation, ViewEvaluation
from knockwatch.evidence import Evidence

__all__ = ["TOGETHER", "CorpusError", "Evaluation", "ViewEvaluation", "evaluate", "judge", "render_table"]

TOGETHER = "all together"
"""Name of the view that is every file of a corpus."""

Transform = Callable[[Path, Path], None]
"""Makes, of the corpus in the first folder, a variant in the second, which is empty."""
Scan = Callable[[Sequence[str], Config], Sequence[Case]]
"""Gives the cases of some files."""


def evaluate(
    corpora: Iterable[Path],
    config: Config | None = None,
    *,
    views: Iterable[str] | None = None,
    transform: Transform | None = None,
    scan: Scan | None = None,
) -> list[Evaluation]:
    """Evaluate the detections on corpora.

    Parameters
    ----------
    corpora
        Folders of evidence; those with ``labels.json`` are judged, of others alerts are counted.
    config
        The site's configuration; its `[hosts]` also tell whom a host's name means.
    views
        Names of the views wanted, `TOGETHER` among them if so; None for all.
    transform
        Judge a variant of each corpus instead.
    scan
        What is judged; None for `knockwatch.scan`.

    Raises
    ------
    CorpusError
        If a corpus is none, or its labels do not say what they should.
    UsageError
        If a view is wanted that none of the corpora has.
    """
    settings, wanted = config or Config(), None if views is None else frozenset(views)
    evaluations = []
    known = {TOGETHER}
    for folder in corpora:
        with tempfile.TemporaryDirectory(prefix="knockwatch-evaluate-") as temporary:
            source = folder
            if transform is not None:
                source = Path(temporary) / "variant"
                source.mkdir()
                transform(folder, source)
            corpus = load(source)
            known |= corpus.views.keys()
            found = _views(corpus, settings, wanted, scan or _scan, Path(temporary))
        evaluations.append(Evaluation(folder, corpus.labelled, found))
    if wanted is not None and (missing := wanted - known):
        unknown, there = ", ".join(sorted(missing)), ", ".join(sorted(known))
        raise UsageError(f"there is no view {unknown}: choose from {there}")
    return evaluations


def _views(
    corpus: Corpus, config: Config, wanted: frozenset[str] | None, scan: Scan, temporary: Path
) -> list[ViewEvaluation]:
    """Scan and judge the views of a corpus, and everything together."""
    found = []
    for number, (name, view) in enumerate(corpus.views.items()):
        if wanted is None or name in wanted:
            cases, outcome = _scanned(scan, view_files(corpus, view, temporary / str(number)), config)
            judged = judge(
                corpus,
                cases,
                view=name,
                signal=view.signal,
                entry=view.entry,
                names=config.hosts,
                tolerance=TOLERANCE_SECONDS + view.clock_seconds,
            )
            found.append(replace(judged, **outcome))
    if wanted is None or TOGETHER in wanted:
        cases, outcome = _scanned(scan, corpus.evidence, config)
        offset = max((view.clock_seconds for view in corpus.views.values()), default=0.0)
        tolerance = TOLERANCE_SECONDS + offset
        judged = judge(corpus, cases, view=TOGETHER, names=config.hosts, tolerance=tolerance)
        found.append(replace(judged, **outcome))
    return found


def _scanned(scan: Scan, files: Sequence[Path], config: Config) -> tuple[Sequence[Case], dict[str, Any]]:
    """Scan some files; evidence that cannot be read tells nothing, and the outcome says why."""
    begun = time.perf_counter()
    cases: Sequence[Case] = ()
    problem = None
    if files:
        try:
            cases = scan([str(file) for file in files], config)
        except KnockwatchError as error:
            problem = str(error)
    else:
        problem = "the corpus has no files for this view"
    return cases, {"seconds": time.perf_counter() - begun, "problem": problem}


def view_files(corpus: Corpus, view: View, temporary: Path) -> list[Path]:
    """List the files of a view; where it has some lines of them only, files with those are made in `temporary`."""
    files = sorted({path for pattern in view.files for path in corpus.folder.glob(pattern) if path.is_file()})
    if view.lines is None:
        return files
    pattern = re.compile(view.lines.encode("utf-8"))
    return [_filtered(path, temporary / path.relative_to(corpus.folder), pattern) for path in files]


def _filtered(source: Path, target: Path, pattern: re.Pattern[bytes]) -> Path:
    """Copy the matching lines of a file, with its name and modification time, which dates lines without a year."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Evidence(0, source, str(source)).open() as lines, target.open("wb") as kept:
        kept.writelines(line for line in lines if pattern.search(line))
    shutil.copystat(source, target)
    return target


def _scan(files: Sequence[str], config: Config) -> Sequence[Case]:
    """Scan files as `knockwatch scan` does."""
    from knockwatch.ingest import Workspace
    from knockwatch.scan import scan

    with Workspace.temporary() as workspace:
        return scan(files, workspace, config).cases
