"""A port that a host opened for everybody is the opening of a door that was used at that moment, and else nothing."""

from __future__ import annotations

from typing import Any

import pytest

from knockwatch.cases import Case
from knockwatch.cases.build import build
from knockwatch.config import Config
from knockwatch.detections import Finding
from knockwatch.detections.door import DETECTION as DOOR
from knockwatch.detections.opened_port import DETECTION, OPENED
from knockwatch.ingest import Workspace
from tests.inference.made import KNOCK, SECOND, SERVER, Log
from tests.rows import found, put

ADMIN, STRANGER, SHELL = "198.51.100.1", "198.18.7.9", "tcp/5002"


def used() -> Log:
    """A sniffer that starts a listener after a knock, as cd00r does: the port is closed before."""
    return Log().add(0, STRANGER, SHELL, "refused").knock(100, ADMIN, *KNOCK).enter(102, ADMIN, SHELL)


def change(at: float = 101, **told: Any) -> dict[str, Any]:
    return {
        "time_us": round((86_400 + at) * SECOND),
        "host": "srv1",
        "kind": "listener-opened",
        "actor": "/tmp/.x",
        "protocol": "tcp",
        "port": 5002,
        **told,
    }


def openings(workspace: Workspace, *changes: dict[str, Any]) -> list[Finding]:
    put(workspace, "connections", used().rows)
    put(workspace, "changes", changes)
    return found(workspace, DETECTION)


def cases_of(workspace: Workspace, openings: list[Finding]) -> list[Case]:
    return build([*openings, *found(workspace, DOOR)], Config(), lambda _: {}, str)


@pytest.mark.parametrize("kind", ["listener-opened", "rule-added"])
def test_a_port_that_somebody_reached_is_told_of(workspace: Workspace, kind: str) -> None:
    (opening,) = openings(workspace, change(kind=kind))

    assert (opening.label, opening.leg, opening.kind) == (OPENED, "opening", "change")
    assert (opening.host, opening.door, opening.sources) == ("srv1", SHELL, ())
    assert opening.note.startswith("/tmp/.x ")


@pytest.mark.parametrize(
    "other",
    [
        change(time_us=None),
        change(port=6000),
        change(port=None),
        change(protocol="udp"),
        change(kind="listener-closed"),
        change(kind="rule-added", source_ip=ADMIN),
        change(kind="rule-added", rule_text="Direction=In Action=Block Protocol=6 LocalPorts=5002"),
        change(kind="rule-added", rule_text="Direction=Out Action=Allow Protocol=6 LocalPorts=5002"),
    ],
)
def test_other_changes_are_not(workspace: Workspace, other: dict[str, Any]) -> None:
    """A state without a time is no event, and a rule for one address is the business of `opening`."""
    assert openings(workspace, other) == []


def test_it_is_the_opening_of_a_door_used_at_that_moment(workspace: Workspace) -> None:
    found_ports = openings(workspace, change())
    case = next(case for case in cases_of(workspace, found_ports) if case.kind == "door")

    assert (case.kind, case.door, case.legs) == ("door", SHELL, ["signal", "opening", "entry"])
    assert case.destination == SERVER
    assert any("began to listen" in sentence for sentence in case.explanation)


def test_at_another_time_it_makes_no_case(workspace: Workspace) -> None:
    found_ports = openings(workspace, change(at=5000), change(at=101, host="srv9"))
    cases = cases_of(workspace, found_ports)

    assert {case.kind for case in cases} == {"door", "signal"}
    assert cases[0].legs == ["signal", "entry"]
    assert build(found_ports, Config(), lambda _: {}, str) == []
