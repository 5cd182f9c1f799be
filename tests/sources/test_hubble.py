from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from knockwatch.sources.hubble import SOURCE
from tests.sources.reading import read_text


def flow(
    *flags: str,
    verdict: str = "FORWARDED",
    reply: bool = False,
    second: int = 0,
    layer: str = "TCP",
    **content: Any,
) -> dict[str, Any]:
    """Give one packet between two pods."""
    there, back = ("10.0.1.178", 60778), ("10.0.1.13", 8080)
    source, destination = (back, there) if reply else (there, back)
    ports = {"source_port": source[1], "destination_port": destination[1]}
    inner = {**ports, "flags": dict.fromkeys(flags, True)} if layer == "TCP" else ports
    return {
        "time": f"2026-11-22T11:00:{second:02}.450463857Z",
        "verdict": verdict,
        "IP": {"source": source[0], "destination": destination[0], "ipVersion": "IPv4"},
        "l4": {layer: inner},
        "node_name": "kind-worker",
        "is_reply": reply,
        **content,
    }


def ping(*, kind: int, second: int = 0) -> dict[str, Any]:
    """Give an echo or its answer."""
    return flow(reply=kind == 0, second=second, l4={"ICMPv4": {"type": kind}})


def rows(tmp_path: Path, *flows: dict[str, Any]) -> list[dict[str, Any]]:
    found = read_text(SOURCE, tmp_path, "".join(json.dumps({"flow": one}) + "\n" for one in flows))
    assert found.misfits.is_empty()
    return found.rows("connections")


SYN, ANSWER, RESET = flow("SYN"), flow("SYN", "ACK", reply=True), flow("RST", "ACK", reply=True)
DROPPED = flow("SYN", verdict="DROPPED", drop_reason_desc="POLICY_DENIED")


@pytest.mark.parametrize(
    ("flows", "outcome", "forwarded"),
    [
        pytest.param([DROPPED], "denied", False, id="dropped"),
        pytest.param([SYN], "accepted", True, id="let pass"),
        pytest.param([SYN, ANSWER], "accepted", False, id="answered"),
        pytest.param([ANSWER], "accepted", False, id="only the answer was seen"),
        pytest.param([SYN, RESET], "refused", False, id="reset"),
        pytest.param([SYN, ANSWER, RESET], "accepted", False, id="answered, then reset"),
        pytest.param([flow(layer="UDP")], "accepted", True, id="UDP let pass"),
        pytest.param(
            [flow(layer="UDP"), flow(layer="UDP", reply=True)], "accepted", False, id="UDP answered"
        ),
        pytest.param([ping(kind=8), ping(kind=0)], "accepted", False, id="echo answered"),
        pytest.param([DROPPED, DROPPED], "denied", False, id="Trap 15: a retransmission"),
    ],
)
def test_packets_of_one_connection_are_one_row(
    flows: list[dict[str, Any]], outcome: str, forwarded: bool, tmp_path: Path
) -> None:
    (row,) = rows(tmp_path, *flows)

    assert (row["outcome"], row["forwarded"]) == (outcome, forwarded)
    assert (row["source_ip"], row["destination_ip"]) == ("10.0.1.178", "10.0.1.13")
    assert row["sensor"] == "kind-worker"


def test_packets_in_mid_stream_begin_nothing(tmp_path: Path) -> None:
    """Trap 16: only a SYN opens a connection."""
    assert rows(tmp_path, flow("ACK", "PSH"), flow("ACK", reply=True), RESET) == []


def test_a_pause_begins_another(tmp_path: Path) -> None:
    late = {**SYN, "time": "2026-11-22T12:00:00Z"}

    assert [row["outcome"] for row in rows(tmp_path, DROPPED, late)] == ["denied", "accepted"]


def test_every_echo_is_one(tmp_path: Path) -> None:
    assert len(rows(tmp_path, *(ping(kind=8, second=second) for second in range(3)))) == 3


def test_the_reason_of_a_drop_is_the_rule(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, DROPPED)

    assert (row["rule"], row["action"], row["tcp_flags"]) == ("POLICY_DENIED", "DROPPED", "SYN")


def test_flows_may_come_without_an_envelope(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, json.dumps(DROPPED))

    assert found.rows("connections")[0]["outcome"] == "denied"


@pytest.mark.parametrize(
    ("line", "counted"),
    [
        (json.dumps({"node_status": {"state_change": "NODE_CONNECTED"}, "node_name": "n"}), 0),
        (json.dumps({"flow": {"verdict": "TRACED", "time": "2026-11-22T11:00:00Z", "Type": "SOCK"}}), 0),
        (json.dumps({"flow": {**DROPPED, "IP": {"source": "10.0.0.1", "destination": "nobody"}}}), 1),
        (json.dumps({"flow": {**DROPPED, "l4": {"UDP": {"source_port": 1, "destination_port": 70000}}}}), 1),
        ('{"a": 1}', 1),
        (json.dumps({"flow": DROPPED})[:-5], 1),
    ],
)
def test_what_makes_no_sense_is_counted(line: str, counted: int, tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, f"{line}\n")

    assert not found.tables
    assert found.misfits.height == counted
