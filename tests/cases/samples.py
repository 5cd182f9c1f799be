"""Findings as the detections make them, for the tests of cases."""

from collections.abc import Iterable
from typing import Any

from knockwatch.cases import Case
from knockwatch.cases.build import build
from knockwatch.config import FILE_NAME, Config
from knockwatch.detections import Finding, Pointer, Rule

SECOND = 1_000_000
START = 1_795_346_618 * SECOND
SECRET = ("tcp/7000", "tcp/8000", "tcp/9000")

RULES = {
    rule: Rule(
        id=rule,
        title=rule,
        description="",
        labels=(),
        attack=("T1205", "T1205.001"),
        data_sources=(),
        tables=(),
        false_positives=(f"what {rule} mistakes",),
        severity="high",
        confidence="medium",
        references=(),
    )
    for rule in ("daemon-activity", "denied-ports", "client-tools")
}


def opening(source: str = "198.51.100.10", at: float = 0, **changes: Any) -> Finding:
    """Make knockd's word that it opened its door."""
    return attempt(source, at, complete=True, **{"conclusive": True, "leg": "opening", **changes})


def attempt(
    source: str = "198.18.7.11", at: float = 0, complete: bool | None = False, **changes: Any
) -> Finding:
    """Make a use of knockd's door that did not open it."""
    start = START + int(at * SECOND)
    told: dict[str, Any] = {
        "leg": "signal",
        "host": "srv1",
        "door": "tcp/22",
        "door_name": "openSSH",
        "pointers": (Pointer("messages", 0, 1 + int(at * 10), start),),
        **changes,
    }
    return Finding(
        "daemon-activity",
        "KnockSequenceInProgress",
        "daemon",
        start_us=start,
        end_us=start + SECOND,
        sources=(source,),
        complete=complete,
        **told,
    )


def running(host: str | None = "srv1", **changes: Any) -> Finding:
    """Make a daemon that says it started."""
    return Finding(
        "daemon-activity",
        "KnockDaemonRunning",
        "daemon",
        leg=None,
        start_us=START,
        end_us=START,
        host=host,
        **{"pointers": (Pointer("messages", 0, 1000, START),), **changes},
    )


def run(
    source: str = "198.18.7.9", at: float = 0, steps: tuple[str, ...] = SECRET, **changes: Any
) -> Finding:
    """Make a run of denied ports."""
    start = START + int(at * SECOND)
    told: dict[str, Any] = {
        "destination": "203.0.113.10",
        "pointers": tuple(
            Pointer("connections", 1, 1 + int(at * 10) + index, start) for index in range(len(steps))
        ),
        **changes,
    }
    return Finding(
        "denied-ports",
        "RapidSequentialPortsDenied",
        "signal",
        "signal",
        start_us=start,
        end_us=start + SECOND // 2,
        sources=(source,),
        sequence=steps,
        **told,
    )


def client(user: str | None = "alice", host: str | None = "admin1", at: float = 0, **changes: Any) -> Finding:
    """Make the start of a knock client."""
    start = START + int(at * SECOND)
    told: dict[str, Any] = {
        "destination": "203.0.113.10",
        "sequence": SECRET,
        "command_line": "knock 203.0.113.10 7000 8000 9000",
        "pointers": (Pointer("processes", 2, 1 + int(at * 10), start),),
        **changes,
    }
    return Finding(
        "client-tools",
        "KnockClientToolExecution",
        "client",
        "signal",
        start_us=start,
        end_us=start,
        user=user,
        host=host,
        **told,
    )


def cases(findings: Iterable[Finding], toml: str = "") -> list[Case]:
    """Build cases with a configuration given as the text of its file."""
    config = Config.from_toml(toml, FILE_NAME)
    return build(findings, config, quotes, lambda pointer: f"file{pointer.file}.log", RULES)


def quotes(pointers: Iterable[Pointer]) -> dict[tuple[int, int], str]:
    """Give each line of evidence a text that tells which one it is."""
    return {(pointer.file, pointer.line): f"line {pointer.line}" for pointer in pointers}


def one(findings: Iterable[Finding], toml: str = "") -> Case:
    """Build the only case."""
    (case,) = cases(findings, toml)
    return case
