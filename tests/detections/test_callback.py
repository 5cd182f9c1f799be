"""A host that connects back to whoever sent it a packet is told; protocols whose servers connect to clients are not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from knockwatch.cases import Case
from knockwatch.config import EvidenceSettings
from knockwatch.detections import Finding
from knockwatch.detections.callback import DETECTION
from knockwatch.ingest import Workspace, ingest
from knockwatch.scan import scan
from tests.detections.test__signatures import LINUX_PING
from tests.packets import SENDER, SERVER, Packet, capture, icmp, session, tcp, udp
from tests.rows import found


def back(at: float, dport: int = 4444, to: str = SENDER, sport: int = 51_000) -> list[Packet]:
    """Let the server connect to the sender."""
    return session(at, SERVER, destination=to, dport=dport, sport=sport)


def findings(packets: Iterable[Packet], folder: Path, workspace: Workspace) -> list[Finding]:
    ingest([str(capture(folder / "made.pcap", packets))], EvidenceSettings(), workspace)
    return found(workspace, DETECTION)


def cases(packets: Iterable[Packet], folder: Path) -> list[Case]:
    with Workspace.temporary() as space:
        return scan([str(capture(folder / "made.pcap", packets))], space).cases


def test_a_connection_back_is_an_alert(tmp_path: Path) -> None:
    (case,) = cases([udp(b"x" * 30, dport=5353), *back(1)], tmp_path)

    assert (case.status, case.kind, case.severity) == ("alert", "callback", "critical")
    assert (case.sources, case.destination, case.sequence) == ([SENDER], SERVER, ["udp/5353"])
    assert case.legs == ["signal", "entry"]
    assert "a program on the host waits for such a packet" in " ".join(case.explanation)
    assert "connected to tcp/4444" in " ".join(case.explanation)


def test_a_signature_names_the_signal_and_joins_its_case(tmp_path: Path) -> None:
    magic = tcp(b"hax0r", sport=666, dport=80, window=9965, ip_id=3429)
    (case,) = cases([magic, *back(0.5)], tmp_path)

    assert (case.status, case.kind, case.signal) == ("alert", "callback", "magic-packet")
    assert case.rules == ["callback", "packet-signal"]
    assert "REPTILE's magic packet over TCP" in " ".join(case.explanation)


def test_a_signature_is_enough_at_a_host_that_connects_to_many(tmp_path: Path) -> None:
    magic = tcp(b"hax0r", sport=666, dport=80, window=9965, ip_id=3429)
    others = [p for n in range(9) for p in back(100 + n, 443, f"192.0.2.{n + 1}", 52_000 + n)]

    assert [case.status for case in cases([magic, *back(0.5), *others], tmp_path)] == ["alert"]


def test_without_one_such_a_host_is_a_lead(tmp_path: Path) -> None:
    others = [p for n in range(9) for p in back(100 + n, 443, f"192.0.2.{n + 1}", 52_000 + n)]
    (case,) = cases([udp(b"x", dport=9), *back(1), *others], tmp_path)

    assert (case.status, case.kind) == ("lead", "callback")
    assert "this may be a coincidence" in " ".join(case.explanation)


def test_an_ordinary_ping_before_it_is_a_lead(tmp_path: Path) -> None:
    assert [case.status for case in cases([icmp(LINUX_PING), *back(1)], tmp_path)] == ["lead"]


def test_twice_is_one_case_with_two_entries(tmp_path: Path) -> None:
    packets = [
        udp(b"x", dport=9),
        *back(1),
        udp(b"x", dport=9, at=500, sport=40_009),
        *back(501, sport=51_009),
    ]
    (case,) = cases(packets, tmp_path)

    assert len(case.entries) == len(case.attempts) == 2


INNOCENT = {
    "active FTP": [*session(0, SENDER, dport=21), *session(2, SERVER, SENDER, dport=41_500, sport=20)],
    "ident": [*session(0, SENDER, dport=25), *session(0.1, SERVER, SENDER, dport=113, sport=51_000)],
    "ident and a closed port": [
        tcp(dport=465),
        *session(0.5, SENDER, dport=25),
        *session(0.6, SERVER, SENDER, dport=113, sport=51_000),
    ],
    "SMTP callback": [*session(0, SENDER, dport=25), *session(1, SERVER, SENDER, dport=25, sport=51_000)],
    "late answer of DNS": [
        udp(b"q" * 30, source=SERVER, destination=SENDER, sport=51_000, dport=53),
        udp(b"a" * 60, at=70, sport=53, dport=52_000),
        *session(71, SERVER, SENDER, dport=53, sport=51_000),
    ],
    "traceroute and a visit": [
        *session(-100, SERVER, SENDER, dport=443, sport=51_001),
        *(udp(bytes(32), at=n / 10, dport=33_434 + n, sport=45_000 + n) for n in range(20)),
        *session(5, SERVER, SENDER, dport=443, sport=51_000),
    ],
    "a scan and a visit": [
        *(tcp(at=n / 10, dport=1000 + n, sport=45_000 + n) for n in range(30)),
        *session(5, SERVER, SENDER, dport=443, sport=51_000),
    ],
    "the other half of a flow": [
        tcp(sport=51_000, dport=22),
        *session(0.5, SERVER, SENDER, dport=51_000, sport=22),
    ],
    "much later": [udp(b"x", dport=9), *session(300, SERVER, SENDER, dport=443, sport=51_000)],
    "an old acquaintance": [
        *session(-50, SERVER, SENDER, dport=443, sport=51_001),
        udp(b"x", dport=9),
        *session(1, SERVER, SENDER, dport=443, sport=51_000),
    ],
}


@pytest.mark.parametrize("name", INNOCENT)
def test_innocent_connections_back_are_nothing(name: str, tmp_path: Path, workspace: Workspace) -> None:
    packets = [Packet(packet.at + 200, packet.data) for packet in INNOCENT[name]]

    assert findings(packets, tmp_path, workspace) == []


def test_peers_that_look_for_each_other_are_no_alert(tmp_path: Path) -> None:
    """File sharing: many peers send datagrams, and the host connects to some of them."""
    peers = [f"192.0.2.{n + 1}" for n in range(30)]
    sent = [
        udp(b"d1:ad2:id20:", at=n * 3, source=peer, dport=6881, sport=6881) for n, peer in enumerate(peers)
    ]
    met = [p for n, peer in enumerate(peers[::3]) for p in back(n * 9 + 1, 50_000 + n, peer, 53_000 + n)]

    assert all(case.status == "lead" for case in cases([*sent, *met], tmp_path))


def _called(sources: int) -> list[Packet]:
    """Let a host connect to each of several sources after the same packet, at the same port."""
    users = [f"192.0.2.{n + 1}" for n in range(sources)]
    sent = [udp(b"open-5e02", at=n * 30, source=user, dport=33434) for n, user in enumerate(users)]
    return sent + [p for n, user in enumerate(users) for p in back(n * 30 + 1, 4443, user, 53_000 + n)]


@pytest.mark.parametrize(("sources", "status"), [(1, "alert"), (4, "alert"), (30, "lead")])
def test_several_who_send_the_same_word_are_no_business_of_the_host(
    sources: int, status: str, tmp_path: Path
) -> None:
    """Many are programs that announce themselves to a manager, which looks after them."""
    (case,) = cases(_called(sources), tmp_path)

    assert (case.status, len(case.entries)) == (status, sources)


def test_who_sends_another_word_there_and_is_not_called_has_tried(tmp_path: Path) -> None:
    stranger, tracer, other = "198.51.100.7", "198.51.100.8", "198.51.100.9"
    tried = [
        udp(b"open-0000", at=400, source=stranger, dport=33434),
        udp(b"\0" * 32, at=410, source=tracer, dport=33434),
        udp(b"open-0000", at=420, source=other, dport=9),
    ]
    (case,) = (case for case in cases([*_called(2), *tried], tmp_path) if case.kind == "callback")

    assert [(one.source, one.complete) for one in case.attempts if not one.complete] == [(stranger, False)]
    assert stranger not in {entry.source for entry in case.entries}
    assert f"{stranger} sent something similar and was not called." in case.explanation
    assert "connected to 192.0.2.1 and 192.0.2.2 right after" in " ".join(case.explanation)


def test_the_lab_has_none(corpus: Path) -> None:
    with Workspace.temporary() as space:
        told = scan([str(corpus / "lab-a" / "pcap" / "mixed.pcap")], space).cases

    assert all(case.kind != "callback" for case in told)
