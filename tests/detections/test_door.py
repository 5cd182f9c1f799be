"""The door, from tables to findings: what the engine picks, and what is inferred of it."""

from __future__ import annotations

from typing import Any

import pytest

from knockwatch.detections import Finding
from knockwatch.detections.door import DETECTION, DOOR, TRIED
from knockwatch.ingest import Workspace
from tests.inference.made import KNOCK, SECOND, SERVER, Log
from tests.rows import found, put

ADMIN, GUEST, STRANGER = "198.51.100.1", "198.51.100.2", "198.18.7.9"


def findings(workspace: Workspace, log: Log, *messages: dict[str, Any]) -> list[Finding]:
    put(workspace, "connections", log.rows)
    if messages:
        put(workspace, "messages", messages)
    return found(workspace, DETECTION)


def door_of(workspace: Workspace, log: Log, *messages: dict[str, Any]) -> Finding:
    (finding,) = (one for one in findings(workspace, log, *messages) if one.label == DOOR)
    return finding


def used() -> Log:
    log = Log().refuse(0, STRANGER).knock(100, ADMIN, *KNOCK).enter(101.5, ADMIN)
    return log.knock(500, GUEST, *KNOCK).enter(501.5, GUEST)


def log_in(at: float, source: str, port: int) -> dict[str, Any]:
    return {
        "time_us": round((86_400 + at) * SECOND),
        "host": "srv1",
        "program": "sshd",
        "message": f"Accepted publickey for alice from {source} port {port} ssh2: ED25519 SHA256:abc",
    }


def test_a_door_is_found_with_its_secret_its_users_and_its_evidence(workspace: Workspace) -> None:
    door = door_of(workspace, used())

    assert (door.destination, door.door, door.sequence, door.signal) == (SERVER, "tcp/22", KNOCK, "sequence")
    assert (door.host, door.order_known, door.complete) == ("srv1", True, True)
    assert [(use.source, use.complete) for use in door.uses] == [(ADMIN, True), (GUEST, True)]
    assert (door.facts["uses"], door.facts["closed_to"], door.facts["unexplained"]) == (2, 1, 0)
    assert {pointer.line for pointer in door.pointers} == set(range(2, 10))


def test_who_tries_a_door_without_its_signal_is_told_apart(workspace: Workspace) -> None:
    (tried,) = (one for one in findings(workspace, used()) if one.label == TRIED)

    assert (tried.sources, tried.door, tried.complete) == ((STRANGER,), "tcp/22", False)


def test_a_door_behind_udp_is_found(workspace: Workspace) -> None:
    log = Log().refuse(0, STRANGER, "udp/1194")
    for at, source in ((100, ADMIN), (500, GUEST)):
        log.knock(at, source, *KNOCK).enter(at + 2, source, "udp/1194")

    assert door_of(workspace, log).door == "udp/1194"


def test_a_log_in_is_an_entry_where_the_firewall_logs_none(workspace: Workspace) -> None:
    log = Log().refuse(0, STRANGER)
    for at, source in ((100, ADMIN), (500, GUEST)):
        log.knock(at, source, *KNOCK)

    door = door_of(workspace, log, log_in(102, ADMIN, 50_000), log_in(502, GUEST, 50_001))

    assert (door.door, door.sequence, door.facts["uses"]) == ("tcp/22", KNOCK, 2)


def windows(at: float, source: str, port: int, kind: int) -> dict[str, Any]:
    message = f"EventID=4624 LogonType={kind} IpAddress={source} IpPort={port} TargetUserName=alice"
    return {**log_in(at, source, port), "program": "Microsoft-Windows-Security-Auditing", "message": message}


def test_a_remote_desktops_log_in_is_an_entry_at_its_port(workspace: Workspace) -> None:
    log = Log().refuse(0, STRANGER, "tcp/3389")
    for at, source in ((100, ADMIN), (500, GUEST)):
        log.knock(at, source, *KNOCK)

    door = door_of(workspace, log, windows(102, ADMIN, 50_000, 10), windows(502, GUEST, 50_001, 10))

    assert (door.door, door.sequence, door.facts["uses"]) == ("tcp/3389", KNOCK, 2)


def test_a_log_in_to_an_unknown_service_is_no_entry(workspace: Workspace) -> None:
    log = Log().refuse(0, STRANGER, "tcp/3389")
    for at, source in ((100, ADMIN), (500, GUEST)):
        log.knock(at, source, *KNOCK)
    entries = [windows(102, ADMIN, 50_000, 3), windows(502, GUEST, 50_001, 3)]

    assert [one for one in findings(workspace, log, *entries) if one.label == DOOR] == []


@pytest.mark.parametrize("flags", ["ACK", "ACK FIN", "RST", "ACK PSH", "SYN ACK"])
def test_late_packets_and_backscatter_are_no_signal(workspace: Workspace, flags: str) -> None:
    """Traps 14 and 16: only a SYN opens a connection; what comes late, or answers a forged SYN, is no probe."""
    log = Log().refuse(0, STRANGER)
    for at, source in ((100, ADMIN), (500, GUEST)):
        for index, step in enumerate(KNOCK):
            log.add(at + index, source, step, "denied", tcp_flags=flags)
        log.enter(at + 4, source)

    assert [one for one in findings(workspace, log) if one.label == DOOR] == []


@pytest.mark.parametrize("kind", [0, 3, 11])
def test_answers_and_errors_of_icmp_are_no_signal(workspace: Workspace, kind: int) -> None:
    log = Log().refuse(0, STRANGER)
    for at, source in ((100, ADMIN), (500, GUEST)):
        log.add(at, source, "icmp", "denied", icmp_type=kind, payload_length=13).enter(at + 1, source)

    assert [one for one in findings(workspace, log) if one.label == DOOR] == []


def test_a_forwarding_edge_shows_no_entry(workspace: Workspace) -> None:
    log = used()
    for row in log.rows:
        if row["outcome"] == "accepted":
            row["forwarded"] = True

    assert findings(workspace, log) == []


def test_an_entry_before_the_signal_is_no_use(workspace: Workspace) -> None:
    log = Log().refuse(0, STRANGER)
    for at, source in ((100, ADMIN), (500, GUEST)):
        log.enter(at, source).knock(at + 2, source, *KNOCK)

    assert [one for one in findings(workspace, log) if one.label == DOOR] == []


def test_a_signal_long_before_the_entry_is_none(workspace: Workspace) -> None:
    log = Log().refuse(0, STRANGER)
    for at, source in ((100, ADMIN), (50_000, GUEST)):
        log.knock(at, source, *KNOCK).enter(at + 4000, source)

    assert [one for one in findings(workspace, log) if one.label == DOOR] == []


def test_a_scan_that_finds_an_open_service_is_no_door(workspace: Workspace) -> None:
    log = Log()
    for number in range(4):
        log.enter(number * 10, f"192.0.2.{number}", "tcp/443")
    for port in range(1, 300):
        log.add(100 + port / 100, STRANGER, f"tcp/{port}", "denied")
    log.enter(103.5, STRANGER, "tcp/443")

    assert findings(workspace, log) == []
