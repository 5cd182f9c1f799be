"""A source that tries more ports, or more destinations, than any knock has is told of once, as a scan."""

from __future__ import annotations

from knockwatch.cases.build import build
from knockwatch.config import Config, Thresholds
from knockwatch.detections import Finding
from knockwatch.detections.denied_ports import DETECTION as DENIED_PORTS
from knockwatch.detections.port_scan import DETECTION
from knockwatch.ingest import Workspace
from tests.inference.made import KNOCK, SERVER, Log
from tests.rows import found, put

SCANNER, ADMIN = "198.18.7.9", "198.51.100.1"


def findings(workspace: Workspace, log: Log, thresholds: Thresholds | None = None) -> list[Finding]:
    put(workspace, "connections", log.rows)
    return found(workspace, DETECTION, thresholds)


def scan_of(ports: int) -> Log:
    return Log().knock(0, SCANNER, *(f"tcp/{1000 + port}" for port in range(ports)))


def test_many_ports_of_one_destination_are_a_scan(workspace: Workspace) -> None:
    (scan,) = findings(workspace, scan_of(40))

    assert (scan.sources, scan.destination, scan.sequence) == ((SCANNER,), SERVER, ())
    assert scan.facts == {"ports": 40, "destinations": 1}
    assert scan.note == f"{SCANNER} was turned away at 40 ports of {SERVER}."


def test_several_ports_of_many_destinations_are_a_scan(workspace: Workspace) -> None:
    log = Log()
    for number in range(8):
        log.knock(number * 100, SCANNER, *KNOCK)
        for row in log.rows[-3:]:
            row["destination_ip"] = f"203.0.113.{50 + number}"
    (scan,) = findings(workspace, log)

    assert scan.facts == {"ports": 3, "destinations": 8}


def test_a_knock_with_decoys_is_no_scan(workspace: Workspace) -> None:
    log = Log().knock(0, ADMIN, *KNOCK, "tcp/1", "tcp/2").knock(900, ADMIN, *KNOCK, "tcp/3")

    assert findings(workspace, log) == []


def test_the_bounds_are_the_sites(workspace: Workspace) -> None:
    assert findings(workspace, scan_of(40), Thresholds(sequence_probes_max=60)) == []


def test_a_run_of_a_scanner_is_marked_with_the_reason(workspace: Workspace) -> None:
    log = scan_of(40).knock(9000, SCANNER, *KNOCK).knock(9000, ADMIN, "tcp/1", "tcp/2", "tcp/3")
    scan = findings(workspace, log)
    cases = build([*scan, *found(workspace, DENIED_PORTS)], Config(), lambda _: {}, str)
    run = next(case for case in cases if case.sources == [SCANNER] and case.sequence)
    other = next(case for case in cases if case.sources == [ADMIN])
    whole = next(case for case in cases if not case.sequence)

    reason = f"a port scan: {SCANNER} was turned away at 43 ports of one destination"
    assert run.innocent_explanations[0] == whole.innocent_explanations[0] == reason
    assert any("may be a part of that scan" in sentence for sentence in run.explanation)
    assert (whole.score, run.score, other.score) == (5, 5, 10)
    assert {case.status for case in cases} == {"lead"}
    assert not any("scan" in reason for reason in other.innocent_explanations if "198" in reason)
