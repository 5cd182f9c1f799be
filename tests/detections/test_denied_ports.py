"""Runs of denied ports, with the specification's defects mended."""

from typing import Any

import pytest

from knockwatch.config import Thresholds
from knockwatch.detections import Finding
from knockwatch.detections.denied_ports import DETECTION
from knockwatch.ingest import Workspace
from tests.rows import found, put, us

START = us("2026-11-22 11:23:38")
SECOND = 1_000_000


def probes(*ports: int, gap: float = 0.0003, start: int = START + 7, **more: Any) -> list[dict[str, Any]]:
    """Make denied SYNs, each from a source port of its own."""
    return [
        {
            "time_us": start + round(gap * SECOND * index),
            "source_ip": "198.51.100.10",
            "source_port": 40000 + index,
            "destination_ip": "203.0.113.10",
            "destination_port": port,
            "protocol": "tcp",
            "outcome": "denied",
            "tcp_flags": "SYN",
            **more,
        }
        for index, port in enumerate(ports)
    ]


def sequences(findings: list[Finding]) -> list[tuple[str, ...]]:
    return [finding.sequence for finding in findings]


KNOCK = ("tcp/7000", "tcp/8000", "tcp/9000")


def test_the_stock_clients_burst_counts(workspace: Workspace) -> None:
    """Defect 2: `knock` sends its packets within milliseconds, and the specification wants a second."""
    put(workspace, "connections", probes(7000, 8000, 9000))
    [finding] = found(workspace, DETECTION)
    assert (finding.kind, finding.leg, finding.label) == ("signal", "signal", "RapidSequentialPortsDenied")
    assert (finding.sources, finding.destination) == (("198.51.100.10",), "203.0.113.10")
    assert finding.sequence == KNOCK
    assert finding.order_known
    assert (finding.conclusive, finding.complete) == (False, None)
    assert [(pointer.table, pointer.line) for pointer in finding.pointers] == [
        ("connections", line) for line in (1, 2, 3)
    ]


def test_a_minutes_end_cuts_nothing(workspace: Workspace) -> None:
    """Defect 3: a fixed one-minute bin cuts sequences in two."""
    put(workspace, "connections", probes(7000, 8000, 9000, gap=10, start=us("2026-11-22 11:23:45")))
    assert sequences(found(workspace, DETECTION)) == [KNOCK]


@pytest.mark.parametrize("outcome", ["denied", "refused", "unanswered"])
def test_whatever_got_no_service_is_a_probe(workspace: Workspace, outcome: str) -> None:
    put(workspace, "connections", probes(7000, 8000, 9000, outcome=outcome))
    assert sequences(found(workspace, DETECTION)) == [KNOCK]


@pytest.mark.parametrize("outcome", ["accepted", "unknown", None])
def test_what_was_let_in_is_none(workspace: Workspace, outcome: str | None) -> None:
    put(workspace, "connections", probes(7000, 8000, 9000, outcome=outcome))
    assert found(workspace, DETECTION) == []


@pytest.mark.parametrize("flags", ["ACK", "SYN,ACK", "RST", "ACK,FIN", "ACK,PSH"])
def test_only_a_syn_opens_a_connection(workspace: Workspace, flags: str) -> None:
    """Trap 14: late ACK, FIN and RST, and SYN-ACK backscatter. Trap 16: UFW logs packets in mid-stream."""
    put(workspace, "connections", probes(7000, 8000, 9000, tcp_flags=flags))
    assert found(workspace, DETECTION) == []


def test_a_log_without_flags_counts(workspace: Workspace) -> None:
    put(workspace, "connections", probes(7000, 8000, 9000, tcp_flags=None))
    assert sequences(found(workspace, DETECTION)) == [KNOCK]


def test_protocols_may_be_mixed(workspace: Workspace) -> None:
    rows = probes(2222, 3333, 4444)
    put(workspace, "connections", [{**rows[0], "protocol": "udp", "tcp_flags": None}, rows[1], rows[2]])
    assert sequences(found(workspace, DETECTION)) == [("udp/2222", "tcp/3333", "tcp/4444")]


@pytest.mark.parametrize(("count", "expected"), [(2, 0), (3, 1), (8, 1), (9, 0)])
def test_three_to_eight_ports_are_a_run(workspace: Workspace, count: int, expected: int) -> None:
    put(workspace, "connections", probes(*range(7000, 7000 + count)))
    assert len(found(workspace, DETECTION)) == expected


@pytest.mark.parametrize(("count", "expected"), [(12, 1), (13, 0)])
def test_twelve_probes_are_most(workspace: Workspace, count: int, expected: int) -> None:
    put(workspace, "connections", probes(*(7000 + index % 5 for index in range(count))))
    assert len(found(workspace, DETECTION)) == expected


def test_thresholds_are_the_sites(workspace: Workspace) -> None:
    put(workspace, "connections", probes(7000, 8000))
    assert len(found(workspace, DETECTION, Thresholds(sequence_ports_min=2))) == 1


def test_a_pause_ends_a_run(workspace: Workspace) -> None:
    put(workspace, "connections", probes(7000, 8000, 9000, gap=91))
    assert found(workspace, DETECTION) == []
    assert len(found(workspace, DETECTION, Thresholds(sequence_gap_seconds=92))) == 1


def test_a_run_may_not_last_for_ever(workspace: Workspace) -> None:
    put(workspace, "connections", probes(1, 2, 3, 4, 5, 6, gap=80))
    assert found(workspace, DETECTION) == []


def test_retransmissions_and_doubled_files_are_no_steps(workspace: Workspace) -> None:
    """Traps 3 and 15: the same packets in a finer and a coarser log, each SYN repeated after a second."""
    rows = probes(7000, 8000, 9000, gap=0.3)
    again = [{**row, "time_us": row["time_us"] + SECOND} for row in rows]
    put(workspace, "connections", [*rows, *again])
    put(
        workspace,
        "connections",
        [{**row, "file": 1, "time_us": row["time_us"] // SECOND * SECOND} for row in [*rows, *again]],
    )
    [finding] = found(workspace, DETECTION)
    assert (finding.sequence, finding.order_known) == (KNOCK, True)
    assert finding.start_us == rows[0]["time_us"]


def test_a_port_that_repeats_from_another_source_port_is_a_step(workspace: Workspace) -> None:
    """Trap 3: a real door may repeat a port."""
    put(workspace, "connections", probes(1234, 4234, 1234, 5234))
    assert sequences(found(workspace, DETECTION)) == [("tcp/1234", "tcp/4234", "tcp/1234", "tcp/5234")]


def test_a_sequence_sent_twice_is_two_findings(workspace: Workspace) -> None:
    put(workspace, "connections", probes(7000, 8000, 9000, 7000, 8000, 9000, gap=0.3))
    assert sequences(found(workspace, DETECTION)) == [KNOCK, KNOCK]


def test_whole_seconds_cannot_order_a_burst(workspace: Workspace) -> None:
    """Trap 11: the case must say that the order is unknown."""
    put(workspace, "connections", probes(7000, 8000, 9000, gap=0, start=START))
    [finding] = found(workspace, DETECTION)
    assert not finding.order_known
    assert "cannot tell their order" in finding.note


def test_the_kernels_stamp_can(workspace: Workspace) -> None:
    """Trap 11: order by the kernel's `[uptime]` stamp, then by line."""
    rows = [
        {**row, "clock_us": 3_961_086_000 - index, "sensor": "srv1"}
        for index, row in enumerate(probes(9000, 8000, 7000, gap=0, start=START))
    ]
    put(workspace, "connections", rows)
    [finding] = found(workspace, DETECTION)
    assert (finding.sequence, finding.order_known) == (KNOCK, True)


def test_each_destination_is_looked_at_alone(workspace: Workspace) -> None:
    """A noisy source that tries one port at many addresses is no run."""
    rows = [
        {**row, "destination_ip": f"203.0.113.{index}"} for index, row in enumerate(probes(7000, 8000, 9000))
    ]
    put(workspace, "connections", rows)
    assert found(workspace, DETECTION) == []


@pytest.mark.parametrize("missing", ["time_us", "source_ip", "destination_ip", "destination_port"])
def test_rows_that_lack_what_matters_are_passed_over(workspace: Workspace, missing: str) -> None:
    put(workspace, "connections", [{**row, missing: None} for row in probes(7000, 8000, 9000)])
    assert found(workspace, DETECTION) == []


def test_a_flood_is_not_gathered(workspace: Workspace) -> None:
    put(workspace, "connections", probes(*[7000, 8000, 9000] * 400, gap=0.0001))
    assert found(workspace, DETECTION) == []
