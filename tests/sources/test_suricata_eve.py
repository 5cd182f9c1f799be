from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from knockwatch.sources import Head
from knockwatch.sources.suricata_eve import SOURCE
from tests.sources.reading import read_text

START = "2026-11-22T11:00:00.000001+0000"
ENDS = {
    "src_ip": "192.0.2.1",
    "src_port": 40000,
    "dest_ip": "203.0.113.10",
    "dest_port": 22,
    "proto": "TCP",
}
BACK = {"src_ip": "203.0.113.10", "src_port": 22, "dest_ip": "192.0.2.1", "dest_port": 40000}


def event(kind: str, **content: Any) -> dict[str, Any]:
    """Give an event of one flow."""
    return {
        "timestamp": "2026-11-22T11:05:00.000002+0000",
        "flow_id": 7,
        "event_type": kind,
        **ENDS,
        **content,
    }


def flow(sent: str = "02", back: str = "00", received: int = 0, **content: Any) -> dict[str, Any]:
    """Give a flow's own event."""
    counts = {
        "pkts_toserver": 1,
        "pkts_toclient": received,
        "bytes_toserver": 60,
        "bytes_toclient": 40 * received,
    }
    tcp = {"tcp": {"tcp_flags_ts": sent, "tcp_flags_tc": back}} if sent else {}
    return event("flow", **{"flow": {**counts, "start": START, "state": "new"}, **tcp, **content})


def netflow(flags: str, **content: Any) -> dict[str, Any]:
    """Give one of netflow's two events."""
    counts = {"pkts": 2, "bytes": 120, "start": START}
    return event("netflow", netflow=counts, tcp={"tcp_flags": flags}, **content)


def rows(tmp_path: Path, *events: dict[str, Any]) -> list[dict[str, Any]]:
    found = read_text(
        SOURCE, tmp_path, "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in events)
    )
    assert found.misfits.is_empty()
    assert not found.problems
    return found.rows("connections")


@pytest.mark.parametrize(
    ("sent", "back", "received", "outcome", "flags"),
    [
        pytest.param("02", "00", 0, "unanswered", "SYN", id="SYN only"),
        pytest.param("02", "14", 1, "refused", "SYN", id="RST"),
        pytest.param("06", "12", 1, "accepted", "SYN", id="half-open scan of an open port"),
        pytest.param("1b", "1b", 9, "accepted", "SYN", id="whole session"),
        pytest.param("16", "16", 8, "accepted", "SYN", id="answered, then reset"),
        pytest.param("18", "18", 3, "unknown", "ACK", id="capture began in its middle"),
        pytest.param("00", "00", 7, "unknown", None, id="not followed"),
        pytest.param("04", "00", 0, "unknown", "ACK", id="Trap 14: a lone RST"),
    ],
)
def test_each_tcp_story(
    sent: str, back: str, received: int, outcome: str, flags: str | None, tmp_path: Path
) -> None:
    (row,) = rows(tmp_path, flow(sent, back, received))

    assert (row["outcome"], row["tcp_flags"]) == (outcome, flags)
    assert (row["source_port"], row["destination_port"]) == (40000, 22)
    assert row["packets_received"] == received


@pytest.mark.parametrize(("received", "outcome"), [(0, "unanswered"), (1, "accepted")])
@pytest.mark.parametrize(
    "kind",
    [
        {"proto": "UDP"},
        {"proto": "ICMP", "icmp_type": 8, "icmp_code": 0},
        {"proto": "IPv6-ICMP", "icmp_type": 128},
    ],
)
def test_udp_and_echoes_are_answered_or_not(
    kind: dict[str, Any], received: int, outcome: str, tmp_path: Path
) -> None:
    (row,) = rows(tmp_path, flow("", "", received, **kind))

    assert row["outcome"] == outcome


def test_a_flow_begins_when_it_began_not_when_it_was_logged(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, flow())

    assert (row["time_us"], row["time"]) == (1_795_345_200_000_001, START)


def test_events_of_one_flow_are_one_attempt(tmp_path: Path) -> None:
    alert = event("alert", alert={"action": "allowed", "signature": "ET SCAN"}, flow={"start": START})
    (row,) = rows(tmp_path, alert, alert, flow("02", "14", 1), netflow("02"), netflow("14", **BACK))

    assert (row["outcome"], row["rule"], row["line"]) == ("refused", "ET SCAN", 3)


def test_a_drop_denies_its_flow(tmp_path: Path) -> None:
    drop = event("drop", drop={"len": 60, "ttl": 64, "ipid": 9, "syn": True, "ack": False, "reason": "rules"})
    (alone,) = rows(tmp_path, drop, drop)
    (followed,) = rows(tmp_path, drop, flow())

    assert (alone["outcome"], alone["tcp_flags"], alone["packet_length"]) == ("denied", "SYN", 60)
    assert (followed["outcome"], followed["action"], followed["rule"]) == ("denied", "drop", "rules")


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        ({"alert": {"action": "blocked"}}, "denied"),
        ({"alert": {"action": "allowed"}, "verdict": {"action": "drop"}}, "denied"),
        ({"alert": {"action": "allowed"}}, "unknown"),
    ],
)
def test_an_alert_alone_knows_only_what_was_blocked(
    content: dict[str, Any], outcome: str, tmp_path: Path
) -> None:
    (row,) = rows(tmp_path, event("alert", **content))

    assert row["outcome"] == outcome


def test_an_alert_on_an_answer_is_turned_round(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, event("alert", **BACK, direction="to_client", alert={"action": "allowed"}))

    assert (row["source_ip"], row["destination_port"]) == ("192.0.2.1", 22)


@pytest.mark.parametrize(
    ("events", "outcome", "received"),
    [
        pytest.param([netflow("02")], "unanswered", None, id="one way"),
        pytest.param([netflow("02"), netflow("14", **BACK)], "refused", 2, id="reset"),
        pytest.param([netflow("1b"), netflow("1b", **BACK)], "accepted", 2, id="both ways"),
    ],
)
def test_netflow_tells_both_ways_apart(
    events: list[dict[str, Any]], outcome: str, received: int | None, tmp_path: Path
) -> None:
    (row,) = rows(tmp_path, *events)

    assert (row["source_ip"], row["outcome"], row["packets_received"]) == ("192.0.2.1", outcome, received)


def test_netflow_across_blocks_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knockwatch.evidence.Evidence.blocks", _block_per_line)
    events = [
        flow("02", "12", 1),
        netflow("02"),
        {**netflow("02"), "flow_id": 8},
        {**netflow("12", **BACK), "flow_id": 8},
    ]
    found = rows(tmp_path, *events, {**flow(), "flow_id": 9})

    assert [(row["line"], row["outcome"]) for row in sorted(found, key=lambda row: row["line"])] == [
        (1, "accepted"),
        (3, "accepted"),
        (5, "unanswered"),
    ]


def _block_per_line(evidence: Any) -> Any:
    for number, line in enumerate(evidence.path.read_bytes().splitlines(keepends=True), 1):
        yield line, number


def test_events_of_applications_are_passed_over(tmp_path: Path) -> None:
    dns = event("dns", dns={"type": "query", "rrname": "example.org"})

    assert rows(tmp_path, dns, flow())[0]["line"] == 2


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({**flow(), "dest_port": 70000}),
        json.dumps({**flow(), "src_ip": "nobody"}),
        json.dumps(flow())[:-9],
        '{"no": "event"}',
        "rubbish",
    ],
)
def test_what_makes_no_sense_is_counted(line: str, tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, f"{json.dumps(flow())}\n{line}\n")

    assert found.misfits.rows() == [(2, line)]
    assert len(found.rows("connections")) == 1


def test_a_real_event_is_recognised(corpus: Path) -> None:
    path = corpus / "public" / "suricata-verify" / "tests" / "output-eve-fileinfo" / "expected" / "eve.json"

    assert SOURCE.confidence(Head(path.read_bytes(), whole=True)) > 0.9
