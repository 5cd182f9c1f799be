"""What is compared, how it is run and timed, and how it is told; what evidence is made of is elsewhere.

Contenders run in turn, round by round, so that what else the machine does meets all alike. A ratio is the median of
the rounds' own: how many times as many rows a second knockwatch does. Peak memory is that of the process itself, or of
the one that started it, where that has more: so nothing that is large is imported here.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OURS = "knockwatch"
"""Begins the name of what the others are compared with."""


@dataclass(frozen=True)
class Wanted:
    """What a run was asked for.

    Parameters
    ----------
    folder
        Where evidence is made.
    scale
        Share of the rows that the full bench has.
    seed
        Of the generators.
    runs
        Rounds.
    """

    folder: Path
    scale: float = 1.0
    seed: int = 1
    runs: int = 3

    def rows(self, full: int, least: int = 1_000) -> int:
        """Scale a number of rows."""
        return max(least, int(full * self.scale))


@dataclass(frozen=True)
class Run:
    """What a process took: seconds, seconds of CPU, megabytes at most."""

    seconds: float
    cpu: float
    peak: float


@dataclass(frozen=True)
class Contender:
    """A command, and how many rows it goes through (a slow one gets fewer)."""

    command: Sequence[str]
    rows: int


@dataclass
class Comparison:
    """One row of the bench: its id, what it is about, and what every contender took in each round."""

    id: str
    what: str
    rows: dict[str, int]
    runs: dict[str, list[Run]]
    remarks: list[str] = field(default_factory=list)

    @property
    def ours(self) -> str:
        """The contender that the others are compared with."""
        return next(name for name in self.runs if name.startswith(OURS))

    def ratio(self, name: str, by: str = "seconds") -> float:
        """Give how many times as many rows of a contender ours goes through in a second, of the clock or of CPU."""
        mine, theirs = self.rows[self.ours], self.rows[name]
        pairs = zip(self.runs[name], self.runs[self.ours], strict=True)
        ratios: list[float] = [(getattr(a, by) / theirs) / (getattr(b, by) / mine) for a, b in pairs]
        return statistics.median(ratios)

    def to_json(self) -> dict[str, Any]:
        """Give what is kept of it."""
        contenders = {
            name: {
                "rows": self.rows[name],
                **{
                    by: round(statistics.median(getattr(run, by) for run in runs), 3)
                    for by in ("seconds", "cpu")
                },
                "peak_mb": round(max(run.peak for run in runs)),
                "ratio": round(self.ratio(name), 3),
                "cpu_ratio": round(self.ratio(name, "cpu"), 3),
            }
            for name, runs in self.runs.items()
        }
        return {"id": self.id, "what": self.what, "contenders": contenders, "remarks": self.remarks}


def compare(
    name: str,
    what: str,
    contenders: Mapping[str, Contender],
    wanted: Wanted,
    after: Callable[[], list[str]] | None = None,
) -> Comparison:
    """Run contenders in turn; those whose program is not installed are left out, and told.

    Parameters
    ----------
    after
        Looks, after each round, at what ours has written, and gives remarks; it ends the bench where that is wrong.
    """
    there = {key: one for key, one in contenders.items() if shutil.which(one.command[0])}
    lacking = [f"{key} is not installed" for key in contenders if key not in there]
    made = Comparison(name, what, {key: one.rows for key, one in there.items()}, {key: [] for key in there})
    for _ in range(wanted.runs):
        for key, one in there.items():
            made.runs[key].append(timed(one.command))
        made.remarks = [*lacking, *(after() if after else [])]
    return made


def timed(command: Sequence[str]) -> Run:
    """Run a command."""
    # A file, since grep stops at the first match when it sees that nobody reads.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as said:
        begin = time.perf_counter()
        with subprocess.Popen(list(command), stdin=subprocess.DEVNULL, stdout=output, stderr=said) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begin
        if process.returncode:
            said.seek(0)
            text = said.read().decode("utf-8", "replace")[-2000:]
            sys.exit(f"{' '.join(command)[:2000]} ended with {process.returncode}\n{text}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def python(code: str, *arguments: str | Path) -> list[str]:
    """Give a command of Python's."""
    return [sys.executable, "-c", code, *map(str, arguments)]


def knockwatch(*arguments: str | Path) -> list[str]:
    """Give a command of ours."""
    return [sys.executable, "-m", "knockwatch", *map(str, arguments)]


def scan(*arguments: str | Path) -> list[str]:
    """Give a whole scan that keeps nothing."""
    return knockwatch("scan", "--quiet", "--no-cache", *arguments)


def markdown(comparisons: Sequence[Mapping[str, Any]]) -> str:
    """Write comparisons, as `Comparison.to_json` gives them, as one table."""
    heads = (
        "",
        "command",
        "rows",
        "seconds",
        "CPU s",
        "rows/s",
        "peak MB",
        "knockwatch is … times as fast",
        "by CPU",
    )
    lines = [f"| {' | '.join(heads)} |", f"|---|---|{'---:|' * (len(heads) - 2)}"]
    for one in comparisons:
        title = f"{one['id']}: {one['what']}"
        for name, told in one["contenders"].items():
            speed = told["rows"] / max(told["seconds"], 0.001)
            ratios = (
                ("", "") if name.startswith(OURS) else (f"{told['ratio']:.2f}", f"{told['cpu_ratio']:.2f}")
            )
            cells: tuple[str, ...] = (
                title,
                name,
                f"{told['rows']:,}",
                f"{told['seconds']:.2f}",
                f"{told['cpu']:.2f}",
            )
            cells += (f"{speed:,.0f}", f"{told['peak_mb']:,}", *ratios)
            lines.append(f"| {' | '.join(cells)} |")
            title = ""
        lines += [f"| | *{remark}* |{' |' * (len(heads) - 2)}" for remark in one["remarks"]]
    return "\n".join(lines) + "\n"
