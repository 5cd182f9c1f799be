"""The page of the atomic tests: what each is, what must fire, and what became of it in the lab; nothing is run here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from knockwatch.lab.atomics import Atomic, Expected, Technique, expected


@dataclass(frozen=True)
class Played:
    """What became of a test: when it was run, what it said, and the rules that fired, with what cases make of each.

    Parameters
    ----------
    faults
        What was not as it should be, in sentences.
    saved
        The file of the rules that were saved, if they were.
    target
        The address of the host that it was aimed at, if it was at one.
    """

    technique: str
    test: Atomic
    start: float
    end: float
    faults: tuple[str, ...] = ()
    fired: Mapping[str, str] | None = None
    saved: str = ""
    target: str = ""


_HEAD = """# Atomic tests

Tests of port knocking and traffic signaling in the schema of [Atomic Red Team](https://www.atomicredteam.io/), whose
library has none for T1205.001. The files are in `src/knockwatch/content/atomics` and can be run by any runner of that
library. `make atomics` wrote this page: it puts the lab up, runs each test for Linux there with
[atomic-operator](https://github.com/swimlane/atomic-operator), scans what the lab's observers wrote meanwhile, and
fails if a test did not do what it shall or a rule that must fire did not. Tests for Windows are checked against the
schema only: the lab has no Windows machine, so they were never run, and `must fire` is what we expect of them.

A rule counts only where its finding rests on evidence from the time of the test and of the test's host; in brackets is
what became of the case that it is part of.
"""
_COLUMNS = ("test", "platforms", "executor", "must fire", "executed")


def page(known: Iterable[Technique], played: Sequence[Played]) -> str:
    """Write the page of a run, in Markdown."""
    told = list(known)
    wanted, results = expected(told), {one.test.guid: one for one in played}
    lines = [_HEAD]
    for technique in told:
        lines += [f"## {technique.attack_technique} {technique.display_name}", ""]
        lines += [_row(_COLUMNS), _row(["---"] * len(_COLUMNS))]
        for test in technique.atomic_tests:
            lines.append(_row([*described(test, wanted[test.guid]), _executed(results.get(test.guid))]))
        lines.append("")
    lines += ["## What the tests do", "", *_descriptions(told)]
    return "\n".join(lines).rstrip() + "\n"


def described(test: Atomic, want: Expected) -> list[str]:
    """Give what a row says of a test, whatever became of it."""
    rules = ", ".join(f"`{rule}`" for rule in want.rules)
    root = " (elevated)" if test.executor.elevation_required else ""
    return [test.name, ", ".join(test.supported_platforms), f"{test.executor.name}{root}", rules]


def _executed(played: Played | None) -> str:
    """Say whether a test was run, when, and with what result."""
    if played is None:
        return "no: schema validated only"
    day = datetime.fromtimestamp(played.start, UTC).date().isoformat()
    if played.faults:
        return f"{day}, failed: {'; '.join(played.faults)}"
    fired: Mapping[str, str] = played.fired or {}
    return f"{day} on Linux: " + ", ".join(f"`{rule}` ({status})" for rule, status in fired.items())


def _descriptions(known: Iterable[Technique]) -> Iterator[str]:
    """List what the tests say of themselves, with their ids."""
    for technique in known:
        for test in technique.atomic_tests:
            yield f"- **{test.name}** (`{test.guid}`): {' '.join(test.description.split())}"


def _row(cells: Iterable[str]) -> str:
    """Write a row of a table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in cells)} |"
