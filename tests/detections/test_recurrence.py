"""A sequence that recurs at one destination is a lead; a scanner's list and a client's habit are none."""

from __future__ import annotations

import pytest

from knockwatch.config import Thresholds
from knockwatch.detections import Finding
from knockwatch.detections.recurrence import DETECTION
from knockwatch.ingest import Workspace
from tests.inference.made import KNOCK, SERVER, Log
from tests.rows import found, put

ADMIN, GUEST, STRANGER = "198.51.100.1", "198.51.100.2", "198.18.7.9"


def findings(workspace: Workspace, log: Log, thresholds: Thresholds | None = None) -> list[Finding]:
    put(workspace, "connections", log.rows)
    return found(workspace, DETECTION, thresholds)


def twice(*steps: str, gap: float = 0.3) -> Log:
    return Log().knock(0, ADMIN, *steps, gap=gap).knock(5000, GUEST, *steps, gap=gap)


def test_a_sequence_sent_twice_to_one_destination_is_found(workspace: Workspace) -> None:
    (lead,) = findings(workspace, twice(*KNOCK))

    assert (lead.destination, lead.sequence, lead.sources) == (SERVER, KNOCK, (ADMIN, GUEST))
    assert (lead.kind, lead.leg, lead.order_known, lead.complete) == ("signal", "signal", True, None)
    assert "2 runs at 203.0.113.10" in lead.note


def test_it_needs_no_outcome(workspace: Workspace) -> None:
    """An edge that only forwards says nothing of answers."""
    log = twice(*KNOCK)
    for row in log.rows:
        row |= {"outcome": "accepted", "forwarded": True}

    assert [lead.sequence for lead in findings(workspace, log)] == [KNOCK]


def test_decoys_of_one_run_are_left_out(workspace: Workspace) -> None:
    log = Log().knock(0, ADMIN, *KNOCK)
    log.knock(5000, GUEST, "tcp/1", "tcp/7000", "tcp/8000", "tcp/2", "tcp/9000")

    assert [lead.sequence for lead in findings(workspace, log)] == [KNOCK]


def test_bursts_and_slow_knocks_count(workspace: Workspace) -> None:
    log = Log().knock(0, ADMIN, *KNOCK, gap=0.0005).knock(5000, GUEST, *KNOCK, gap=60)

    assert [lead.sequence for lead in findings(workspace, log)] == [KNOCK]


def test_a_sequence_sent_once_is_nothing(workspace: Workspace) -> None:
    assert findings(workspace, Log().knock(0, ADMIN, *KNOCK)) == []


def test_the_reverse_is_another_sequence(workspace: Workspace) -> None:
    log = Log().knock(0, ADMIN, *KNOCK).knock(5000, GUEST, *reversed(KNOCK))

    assert findings(workspace, log) == []


def test_a_list_that_goes_to_many_destinations_is_a_scanners(workspace: Workspace) -> None:
    log = twice(*KNOCK)
    for number in range(4):
        for run, source in enumerate((STRANGER, GUEST)):
            log.knock(9000 + number * 100 + run * 1000, source, *KNOCK)
            for row in log.rows[-3:]:
                row["destination_ip"] = f"203.0.113.{50 + number}"

    assert findings(workspace, log) == []


@pytest.mark.parametrize("steps", [("tcp/80", "tcp/443", "tcp/22"), ("tcp/445", "tcp/139", "tcp/9000")])
def test_common_services_in_a_row_are_no_secret(workspace: Workspace, steps: tuple[str, ...]) -> None:
    assert findings(workspace, twice(*steps)) == []


def test_a_scan_of_many_ports_is_nothing(workspace: Workspace) -> None:
    assert findings(workspace, twice(*(f"tcp/{port}" for port in range(5000, 5040)))) == []
