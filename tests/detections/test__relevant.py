"""What detections find in the relevant connections is what they find in all of them."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from knockwatch.config import EvidenceSettings, Thresholds
from knockwatch.detections import Detection, Finding, detections
from knockwatch.detections._relevant import with_relevant
from knockwatch.engines.embedded import Engine
from knockwatch.engines.queries import DUCKDB, Steps
from knockwatch.ingest import Workspace, ingest
from tests.rows import Row, put, us

START = us("2026-08-01 00:00:00")
SERVERS = [f"203.0.113.{number}" for number in range(1, 7)]
PEOPLE = [f"198.51.100.{number}" for number in range(1, 9)]
PORTS = [22, 80, 443, 7000, 8000, 9000, 33512, 45678]
READERS = ("callback", "denied-ports", "door", "packet-signal", "port-scan", "recurrence")
"""Detections that read the relevant connections."""
LIMITS = {
    "defaults": Thresholds(),
    "short sequences": Thresholds(sequence_ports_min=2),
    "one port": Thresholds(sequence_ports_min=1, scan_destinations_min=2),
    "popular doors": Thresholds(door_rare_sessions_max=100, door_signalled_share=0.1),
}


def row(chance: random.Random, at: float, source: str, destination: str, port: int, outcome: str) -> Row:
    """Make one connection as a firewall tells it, some without flags or ports, some with a payload."""
    protocol = chance.choices(["tcp", "udp", "icmp"], [8, 1, 1])[0]
    icmp = protocol == "icmp"
    return {
        "time_us": START + round(at * 1_000_000),
        "source_ip": source,
        "destination_ip": destination,
        "source_port": None if icmp else chance.choice([666, 41_000, 52_000 + chance.randrange(2000)]),
        "destination_port": None if icmp else port,
        "protocol": protocol,
        "outcome": outcome,
        "tcp_flags": chance.choice(["SYN", "SYN", None, "SYN,ACK", "ACK"]) if protocol == "tcp" else None,
        "icmp_type": chance.choice([8, 0, None]) if icmp else None,
        "payload_length": chance.choice([None, 24, 56, 95, 96, 97, 225]) if protocol != "tcp" else None,
        "ip_id": chance.choice([None, 3429, chance.randrange(65536)]),
        "forwarded": chance.choice([None, False, False, True]),
        "sensor": chance.choice(["fw1", "srv1", None]),
    }


def evidence(seed: int) -> Iterator[Row]:
    """Make noise, ordinary visits, scans, knocks that are let in, and hosts that connect back."""
    chance = random.Random(seed)
    for _ in range(250):
        address = ".".join(str(chance.randint(1, 254)) for _ in range(4))
        closed = chance.choice(["denied", "unanswered", "refused", "unknown"])
        yield row(
            chance, chance.random() * 7200, address, chance.choice(SERVERS), chance.choice(PORTS), closed
        )
    for _ in range(250):
        who, where = chance.choice(PEOPLE), chance.choice(SERVERS[:4])
        yield row(chance, chance.random() * 7200, who, where, chance.choice([80, 443]), "accepted")
    for port in range(1, 30):
        yield row(chance, 100 + port, PEOPLE[0], SERVERS[0], port, "denied")
    for _ in range(12):
        at, who, where = chance.random() * 7000, chance.choice(PEOPLE), chance.choice(SERVERS[2:])
        secret = chance.choice([(7000, 8000, 9000), (9000, 22, 7000), (8000,)])
        for step, port in enumerate(secret):
            yield row(chance, at + step, who, where, port, "denied")
        yield row(chance, at + 4, who, where, 22, chance.choice(["accepted", "accepted", "denied"]))
    for _ in range(6):
        at, who, where = (
            chance.random() * 7000,
            f"192.0.2.{chance.randint(1, 250)}",
            chance.choice(SERVERS[3:]),
        )
        yield row(chance, at, who, where, 33512, "unanswered")
        yield row(chance, at + 1, where, who, 4444, "accepted")


def readers() -> list[Detection]:
    return [detection for detection in detections() if detection.rule.id in READERS]


def found(workspace: Workspace, thresholds: Thresholds, *, selected: bool) -> Counter[Finding]:
    """Run the detections that read connections, on the relevant ones or on all."""
    steps = Steps()
    with Engine(workspace) as engine:
        tables = engine.tables()
        if selected:
            tables = with_relevant(tables, thresholds, steps.cached, DUCKDB)
        return Counter(
            finding
            for detection in readers()
            for finding in detection.findings(
                engine.execute(detection.candidates(tables, thresholds), steps), thresholds
            )
        )


@pytest.mark.parametrize(
    ("seed", "limits"), [(number % 3, limits) for number, limits in enumerate([*LIMITS, "defaults"])]
)
def test_nothing_is_lost_and_nothing_comes_of_what_is_left_out(
    seed: int, limits: str, workspace: Workspace
) -> None:
    put(workspace, "connections", evidence(seed))

    selected = found(workspace, LIMITS[limits], selected=True)

    assert selected == found(workspace, LIMITS[limits], selected=False)
    assert {"callback", "door", "denied-ports"} <= {finding.rule for finding in selected}


def test_the_lab_gives_the_same_findings(data: Path, workspace: Workspace) -> None:
    ingest([str(data / "lab" / "evidence")], EvidenceSettings(), workspace, lean=True)

    selected = found(workspace, Thresholds(), selected=True)

    assert selected == found(workspace, Thresholds(), selected=False)
    assert {finding.rule for finding in selected} >= {"door", "packet-signal", "recurrence"}


def test_single_probes_and_ordinary_visits_are_left_out(workspace: Workspace) -> None:
    chance = random.Random(1)
    base = {"protocol": "tcp", "tcp_flags": "SYN", "icmp_type": None, "ip_id": 1, "payload_length": None}
    noise = [
        {
            **row(chance, n, f"198.18.0.{n}", SERVERS[0], 1000 + n, "denied"),
            **base,
            "destination_port": 1000 + n,
        }
        for n in range(50)
    ]
    web = [
        {**row(chance, n, f"192.0.2.{n}", SERVERS[1], 443, "accepted"), **base, "destination_port": 443}
        for n in range(50)
    ]
    put(workspace, "connections", [*noise, *web])

    steps = Steps()
    with Engine(workspace) as engine:
        tables = with_relevant(engine.tables(), Thresholds(), steps.cached, DUCKDB)
        assert engine.execute(tables["relevant"], steps).is_empty()
