"""Every format that is written is read as itself, line by line, and shows every planted door."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from knockwatch.config import Config
from knockwatch.emulation.writers import writers
from knockwatch.evaluation import evaluate
from knockwatch.ingest import Workspace, ingest
from knockwatch.scan import scan
from tests.emulation.conftest import SMALL


@pytest.mark.parametrize("name", sorted(writers()))
def test_a_format_is_read_as_itself_without_a_line_left_over(name: str, emulated: Path) -> None:
    with Workspace.temporary() as workspace:
        ingest([str(emulated / name)], Config().evidence, workspace)
        (summary,) = workspace.summaries
    assert summary.format == writers()[name].source
    assert summary.lines
    assert summary.not_understood == 0
    assert not summary.problems


WHOLE = sorted(name for name, writer in writers().items() if not writer.lacks)


@pytest.mark.parametrize("name", WHOLE)
def test_a_format_tells_every_planted_door_with_its_secret(name: str, emulated: Path) -> None:
    (evaluation,) = evaluate([emulated], views=[name])
    (view,) = evaluation.views
    assert view.problem is None
    assert view.misses == []
    assert view.counts["secrets_right"] == len(json.loads((emulated / "doors.json").read_text()))


@pytest.mark.parametrize("name", sorted(writers()))
def test_a_writer_says_what_it_is(name: str) -> None:
    writer = writers()[name]
    assert writer.title
    assert writer.suffix.startswith(".")
    assert type(writer).__doc__


def test_what_daemons_say_tells_their_doors_and_entries_but_no_steps(emulated: Path) -> None:
    (evaluation,) = evaluate([emulated], views=["daemons"])
    counts = evaluation.views[0].counts
    assert counts["opened"] > 0
    assert counts["opened"] == counts["door_right"] == counts["entries_known"]
    assert counts["secrets_right"] == 0
    assert counts["false_alerts"] == counts["unexplained"] == 0


def test_processes_tell_the_clients_that_knock_at_every_door_and_what_they_sent(emulated: Path) -> None:
    doors = json.loads((emulated / "doors.json").read_text()).values()
    with Workspace.temporary() as workspace:
        cases = scan([str(emulated / "device-process-events")], workspace, Config()).cases
    clients = [case for case in cases if case.kind == "client"]
    told = {(case.destination, tuple(case.sequence)) for case in clients}
    assert {(door["destinations"][0], tuple(door["secret"])) for door in doors} <= told
    assert {case.kind for case in cases if case.status == "alert"} == {"client"}


def test_packets_are_as_long_as_they_say_with_right_checksums(emulated: Path) -> None:
    data = (emulated / "pcap" / "00000.pcap").read_bytes()
    at, seen = 24, 0
    while at < len(data):
        kept = int.from_bytes(data[at + 8 : at + 12], "little")
        packet = data[at + 16 + 14 : at + 16 + kept]
        assert int.from_bytes(packet[2:4]) == len(packet)
        ends, body, protocol = packet[12:20], packet[20:], packet[9]
        pseudo = b"" if protocol == 1 else ends + bytes([0, protocol]) + len(body).to_bytes(2)
        assert folded(packet[:20]) == folded(pseudo + body) == 0xFFFF
        at, seen = at + 16 + kept, seen + 1
    assert seen > SMALL.rows


def folded(data: bytes) -> int:
    total = sum(int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total
