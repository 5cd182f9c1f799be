"""Packets that look like signals: one finding each, replays called so, and what their sources then tried."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from knockwatch.cases import Case
from knockwatch.config import Config, EvidenceSettings
from knockwatch.detections import Finding
from knockwatch.detections.packet_signal import DETECTION, REPLAY, RUN, SIGNAL
from knockwatch.ingest import Workspace, ingest
from knockwatch.scan import scan
from tests.detections.test__signatures import LINUX_PING, SPA, base64_text
from tests.packets import SENDER, SERVER, Packet, capture, icmp, session, tcp, udp
from tests.rows import found

STRANGER = "198.18.7.22"


def findings(packets: Iterable[Packet], folder: Path, workspace: Workspace) -> list[Finding]:
    ingest([str(capture(folder / "made.pcap", packets))], EvidenceSettings(), workspace)
    return found(workspace, DETECTION)


def cases(*files: Path, config: Config | None = None) -> list[Case]:
    with Workspace.temporary() as space:
        return scan([str(file) for file in files], space, config).cases


def test_a_packet_is_a_signal_with_its_signature(tmp_path: Path, workspace: Workspace) -> None:
    (one,) = findings([udp(SPA)], tmp_path, workspace)

    assert (one.label, one.kind, one.leg, one.signal) == (SIGNAL, "signal", "signal", "spa")
    assert (one.sources, one.destination, one.sequence) == ((SENDER,), SERVER, ("udp/62201",))
    assert "fwknop SPA packet" in one.note
    assert one.complete is None


def test_the_same_payload_again_is_a_replay(tmp_path: Path, workspace: Workspace) -> None:
    first, second, other = findings(
        [udp(SPA), udp(SPA, at=30, source=STRANGER), udp(base64_text(225, "9", seed=2), at=60, sport=40_001)],
        tmp_path,
        workspace,
    )

    assert [one.label for one in (first, second, other)] == [SIGNAL, REPLAY, SIGNAL]
    assert f"{SENDER} had sent the same payload 30.0 s before, so this is a replay" in second.note


def test_one_packet_in_two_captures_is_no_replay(tmp_path: Path, workspace: Workspace) -> None:
    for name, at in (("edge.pcap", 0.0), ("server.pcap", 0.4)):
        ingest([str(capture(tmp_path / name, [udp(SPA, at=at)]))], EvidenceSettings(), workspace)
    both = [str(tmp_path / "edge.pcap"), str(tmp_path / "server.pcap")]
    with Workspace.temporary() as space:
        ingest(both, EvidenceSettings(), space)
        (one,) = found(space, DETECTION)

    assert one.label == SIGNAL
    assert len(one.pointers) == 2


def test_magic_packets_are_alike_without_being_replays(tmp_path: Path, workspace: Workspace) -> None:
    """What malware waits for is the same each time."""
    packets = [tcp(window=54_321, sport=40_000 + n, at=n * 100) for n in range(2)]

    assert [one.label for one in findings(packets, tmp_path, workspace)] == [SIGNAL, SIGNAL]


def test_who_is_turned_away_afterwards_sent_one_that_did_not_work(
    tmp_path: Path, workspace: Workspace
) -> None:
    (one,) = findings([udp(SPA), tcp(at=2, dport=22)], tmp_path, workspace)

    assert one.complete is False
    assert "tcp/22 then did not let it in: forged, with a wrong key" in one.note


def test_a_run_of_sizes_is_one_signal(tmp_path: Path, workspace: Workspace) -> None:
    pings = [icmp(bytes(size), at=n, ident=size) for n, size in enumerate((95, 96, 97))]
    (one,) = findings(pings, tmp_path, workspace)

    assert (one.label, one.signal, one.sequence) == (RUN, "icmp", ("icmp",) * 3)
    assert "of 95, 96, 97 bytes" in one.note


def test_cd00rs_ports_in_another_order_are_no_signal(tmp_path: Path, workspace: Workspace) -> None:
    packets = [
        tcp(at=n, dport=port, sport=40_000 + n, ip_id=n) for n, port in enumerate((3, 53, 22, 80, 200))
    ]

    assert findings(packets, tmp_path, workspace) == []


def test_a_signature_alone_is_a_lead_of_medium_confidence(tmp_path: Path) -> None:
    (case,) = cases(capture(tmp_path / "made.pcap", [udp(SPA)]))

    assert (case.status, case.kind, case.signal, case.confidence) == ("lead", "signal", "spa", "medium")
    assert "Hardly anything else has this format" in " ".join(case.explanation)


def test_with_an_entry_it_is_an_alert(tmp_path: Path) -> None:
    """The service need not be seen closed: the packet is no coincidence."""
    (case,) = cases(capture(tmp_path / "made.pcap", [udp(SPA), *session(2, SENDER)]))

    assert (case.status, case.kind, case.signal, case.door) == ("alert", "door", "spa", "tcp/22")
    assert "fwknop SPA packet" in " ".join(case.explanation)
    assert case.rules == ["door", "packet-signal"]


def test_an_entry_at_a_service_that_everyone_visits_makes_it_no_alert(tmp_path: Path) -> None:
    visitors = [session(n * 50, f"192.0.2.{n + 1}", dport=443) for n in range(20)]
    packets = [udp(SPA, at=100), *session(102, SENDER, dport=443)]

    found_cases = cases(
        capture(tmp_path / "made.pcap", [*packets, *(p for visit in visitors for p in visit)])
    )

    assert {case.status for case in found_cases} == {"lead"}


def test_a_magic_packet_before_an_entry_names_the_signal(tmp_path: Path) -> None:
    magic = tcp(b"x", sport=666, dport=80, window=9965, ip_id=3429)
    (case,) = cases(capture(tmp_path / "made.pcap", [magic, *session(2, SENDER)]))

    assert (case.status, case.signal, case.sequence) == ("alert", "magic-packet", ["tcp/80"])


def test_an_ordinary_ping_before_an_entry_is_nothing(tmp_path: Path) -> None:
    assert cases(capture(tmp_path / "made.pcap", [icmp(LINUX_PING), *session(2, SENDER)])) == []


@pytest.mark.parametrize(
    ("name", "signal", "status"),
    [
        ("h1", "spa", "alert"),
        ("h2", "spa", "lead"),
        ("h3", "spa", "lead"),
        ("h5", "spa", "lead"),
        ("h6", "spa", "alert"),
        ("i1", "icmp", "lead"),
        ("i2", "icmp", "lead"),
        ("i3", "icmp", "lead"),
        ("i4", "icmp", "lead"),
    ],
)
def test_the_labs_captures_name_their_signals(name: str, signal: str, status: str, corpus: Path) -> None:
    """i4's ping is ordinary but for its payload, which nping makes of random bytes: a lead at most."""
    told = [case for case in cases(corpus / "lab-a" / "pcap" / f"{name}.pcap") if case.signal == signal]

    assert [case.status for case in told] == [status]


def test_the_labs_replay_and_forgery_are_marked(corpus: Path) -> None:
    told = cases(*(corpus / "lab-a" / "pcap" / f"{name}.pcap" for name in ("h1", "h2", "h3")))
    (door,) = (case for case in told if case.kind == "door")
    words = " ".join(door.explanation)

    assert "198.18.7.22 sent" in words
    assert "198.51.100.33 had sent the same payload 4.4 s before, so this is a replay" in words
    assert "198.18.7.23 sent" in words
    assert "forged, with a wrong key" in words
    assert [entry.source for entry in door.entries] == ["198.51.100.33"]


def test_a_capture_without_the_packet_says_nothing_of_it(corpus: Path) -> None:
    """The edge dropped h4's packet before the capture: nothing is left to be named."""
    assert all(case.signal != "spa" for case in cases(corpus / "lab-a" / "pcap" / "h4.pcap"))
