"""Packets to connections: one test for each story that packets tell, and the lab's labels."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from knockwatch.sources import _packet_connections
from knockwatch.sources.pcap import SOURCE
from tests.sources.reading import read, read_text
from tests.sources.test_pcap import Frame, pcap

CLIENT, SERVER, ROUTER = "198.18.7.9", "203.0.113.10", "203.0.113.1"
SYN, ACK, RST, FIN, PSH = 2, 16, 4, 1, 8
S = 1_000_000_000
RAW = 101


def ip(source: str, destination: str, protocol: int, body: bytes) -> bytes:
    """Write an IP packet."""
    ends = ip_address(source).packed + ip_address(destination).packed
    if len(ends) == 8:
        return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 7, 0, 63, protocol, 0) + ends + body
    return struct.pack(">IHBB", 6 << 28, len(body), protocol, 63) + ends + body


def tcp(
    flags: int,
    *,
    back: bool = False,
    seq: int = 1000,
    payload: bytes = b"",
    ports: tuple[int, int] = (4711, 22),
) -> bytes:
    """Write a TCP packet of the client, or of the server back to it."""
    ends, (port, to_port) = (CLIENT, SERVER), ports
    if back:
        ends, (port, to_port) = (SERVER, CLIENT), ports[::-1]
    head = struct.pack(">HHIIBBHHH", port, to_port, seq, 0, 0x50, flags, 64240, 0, 0)
    return ip(*ends, 6, head + payload)


def udp(payload: bytes = b"x", *, back: bool = False, ports: tuple[int, int] = (4711, 53)) -> bytes:
    """Write a UDP packet."""
    ends, ports = ((SERVER, CLIENT), ports[::-1]) if back else ((CLIENT, SERVER), ports)
    return ip(*ends, 17, struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload)


def icmp(
    kind: int, code: int = 0, rest: bytes = b"\0\7\0\1ping", *, sender: str = CLIENT, to: str = SERVER
) -> bytes:
    """Write an ICMP packet; the number of the protocol follows the addresses."""
    return ip(sender, to, 1 if ":" not in sender else 58, struct.pack(">BBH", kind, code, 0) + rest)


def _rows(folder: Path, *packets: bytes | tuple[float, bytes]) -> list[dict[str, Any]]:
    """Read packets that come a millisecond apart, or when they say."""
    frames: list[Frame] = [
        (int(packet[0] * S), packet[1])
        if isinstance(packet, tuple)
        else (1_795_346_618 * S + index * 1_000_000, packet)
        for index, packet in enumerate(packets)
    ]
    return read_text(SOURCE, folder, pcap(frames, RAW)).rows("connections")


def _stories(folder: Path, *packets: bytes | tuple[float, bytes]) -> list[tuple[str, int, int]]:
    return [(row["outcome"], row["packets_sent"], row["packets_received"]) for row in _rows(folder, *packets)]


def test_silence_is_unanswered(tmp_path: Path) -> None:
    assert _stories(tmp_path, tcp(SYN)) == [("unanswered", 1, 0)]


def test_a_repeated_syn_is_one_attempt(tmp_path: Path) -> None:
    """Trap 15: a SYN retransmission is not a second knock."""
    repeats = [(start, tcp(SYN)) for start in (10.0, 11.0, 13.0, 17.0, 25.0, 41.0, 73.0)]

    assert _stories(tmp_path, *repeats) == [("unanswered", 7, 0)]


def test_another_sequence_number_is_another_attempt(tmp_path: Path) -> None:
    """Trap 3: a real door may repeat a port, and a tool may use one source port for all of its knocks."""
    rows = _rows(tmp_path, tcp(SYN, seq=1), tcp(SYN, seq=2), tcp(SYN, seq=3))

    assert [(row["line"], row["tcp_seq"], row["packets_sent"]) for row in rows] == [
        (1, 1, 1),
        (2, 2, 1),
        (3, 3, 1),
    ]


def test_the_same_syn_much_later_is_another_attempt(tmp_path: Path) -> None:
    assert len(_stories(tmp_path, (10.0, tcp(SYN)), (100.0, tcp(SYN)))) == 2


def test_a_reset_refuses(tmp_path: Path) -> None:
    assert _stories(tmp_path, tcp(SYN), tcp(RST | ACK, back=True)) == [("refused", 1, 1)]


def test_a_port_that_refuses_and_then_opens_has_two_rows(tmp_path: Path) -> None:
    stories = _stories(
        tmp_path, tcp(SYN), tcp(RST | ACK, back=True), tcp(SYN, seq=5), tcp(SYN | ACK, back=True), tcp(ACK)
    )

    assert stories == [("refused", 1, 1), ("accepted", 2, 1)]


def test_a_half_open_connection_was_answered(tmp_path: Path) -> None:
    """The client's ACK may have been lost, or never been meant to come."""
    assert _stories(tmp_path, tcp(SYN), tcp(SYN | ACK, back=True)) == [("accepted", 1, 1)]
    repeated = [tcp(SYN | ACK, back=True)] * 3
    assert _stories(tmp_path, tcp(SYN), *repeated) == [("accepted", 1, 3)]


@pytest.mark.parametrize(("back", "packets"), [(False, (2, 1)), (True, (1, 2))])
def test_an_answer_that_is_reset_was_an_answer(tmp_path: Path, back: bool, packets: tuple[int, int]) -> None:
    """A SYN scan resets what it has found; a service may hang up at once. The port is open all the same."""
    story = _stories(tmp_path, tcp(SYN), tcp(SYN | ACK, back=True), tcp(RST, back=back))

    assert story == [("accepted", *packets)]


def test_both_sides_may_begin_at_once(tmp_path: Path) -> None:
    stories = _stories(
        tmp_path, tcp(SYN), tcp(SYN, back=True), tcp(SYN | ACK), tcp(SYN | ACK, back=True), tcp(ACK)
    )

    assert stories == [("accepted", 3, 2)]


def test_backscatter_is_not_judged(tmp_path: Path) -> None:
    """Trap 14: late packets and SYN-ACK backscatter are no probes; a lone RST is no success."""
    rows = _rows(tmp_path, tcp(SYN | ACK), tcp(RST | ACK, ports=(4712, 22)), tcp(FIN | ACK, ports=(4713, 22)))

    assert [(row["outcome"], row["tcp_flags"]) for row in rows] == [
        ("unknown", "SYN,ACK"),
        ("unknown", "ACK,RST"),
        ("unknown", "ACK,FIN"),
    ]


def test_the_middle_of_a_connection_is_not_judged_but_its_successor_is(tmp_path: Path) -> None:
    stories = _stories(
        tmp_path, tcp(ACK | PSH, payload=b"x"), tcp(ACK, back=True), tcp(SYN), tcp(SYN | ACK, back=True)
    )

    assert stories == [("unknown", 1, 1), ("accepted", 1, 1)]


def test_one_side_alone_is_not_judged(tmp_path: Path) -> None:
    """Who acknowledges has had an answer, or pretends to."""
    assert _stories(tmp_path, tcp(SYN), tcp(ACK), tcp(ACK | PSH, payload=b"x")) == [("unknown", 3, 0)]


_UNREACHABLE = {"net": 0, "host": 1, "protocol": 2, "port": 3}
_PROHIBITED = {"net prohibited": 9, "host prohibited": 10, "admin prohibited": 13}


@pytest.mark.parametrize("what", [*_UNREACHABLE, *_PROHIBITED])
@pytest.mark.parametrize("sender", [SERVER, ROUTER])
@pytest.mark.parametrize("packet", [tcp(SYN), udp(), icmp(8)], ids=["tcp", "udp", "echo"])
def test_unreachable_refuses_and_prohibited_denies(
    tmp_path: Path, what: str, sender: str, packet: bytes
) -> None:
    """Trap 8: the packet within an ICMP error is the one it is about. RFC 1812 asks for 8 bytes of it at least."""
    code = {**_UNREACHABLE, **_PROHIBITED}[what]
    about = icmp(3, code, bytes(4) + packet[:28], sender=sender, to=CLIENT)

    assert _stories(tmp_path, packet, about) == [("denied" if what in _PROHIBITED else "refused", 1, 0)]


@pytest.mark.parametrize(
    ("code", "outcome"), [(0, "refused"), (1, "denied"), (3, "refused"), (4, "refused"), (5, "denied")]
)
def test_icmp6_says_who_refuses_too(tmp_path: Path, code: int, outcome: str) -> None:
    """RFC 4443 section 3.1: 0 no route, 1 prohibited, 3 address, 4 port, 5 by policy."""
    near, far = "2001:db8::9", "2001:db8::1"
    packet = ip(near, far, 17, struct.pack(">HHHH", 4711, 7000, 9, 0) + b"x")

    assert _stories(tmp_path, packet, icmp(1, code, bytes(4) + packet, sender=far, to=near)) == [
        (outcome, 1, 0)
    ]


def test_a_packet_too_large_is_no_refusal(tmp_path: Path) -> None:
    assert _stories(tmp_path, udp(), icmp(3, 4, bytes(4) + udp(), sender=ROUTER, to=CLIENT)) == [
        ("unanswered", 1, 0)
    ]


def test_an_error_about_a_packet_nobody_saw_is_nothing(tmp_path: Path) -> None:
    error = icmp(3, 3, bytes(4) + udp(), sender=SERVER, to=CLIENT)

    assert _stories(tmp_path, error) == []
    assert _stories(tmp_path, error, error, udp()) == [("unanswered", 1, 0)]


def test_an_echo_with_its_reply_is_accepted_and_one_without_is_not(tmp_path: Path) -> None:
    reply = icmp(0, sender=SERVER, to=CLIENT)

    assert _stories(tmp_path, icmp(8), reply) == [("accepted", 1, 1)]
    assert _stories(tmp_path, icmp(8)) == [("unanswered", 1, 0)]
    assert _stories(tmp_path, icmp(8), icmp(8)) == [("unanswered", 2, 0)]


def test_udp_is_accepted_when_it_is_answered(tmp_path: Path) -> None:
    assert _stories(tmp_path, udp(), udp(b"answer", back=True), udp()) == [("accepted", 2, 1)]


def test_udp_without_an_answer_is_unanswered(tmp_path: Path) -> None:
    assert _stories(tmp_path, udp(), udp(), udp()) == [("unanswered", 3, 0)]
    assert len(_stories(tmp_path, (10.0, udp()), (71.0, udp()))) == 2


def test_echoes_of_one_size_are_one_attempt(tmp_path: Path) -> None:
    same, other = b"\0\7\0\1ping", b"\0\7\0\2longer ping"
    stories = _stories(
        tmp_path,
        icmp(8, rest=same),
        icmp(0, rest=same, sender=SERVER, to=CLIENT),
        icmp(8, rest=same),
        icmp(8, rest=other),
    )

    assert stories == [("accepted", 2, 1), ("unanswered", 1, 0)]


def test_an_echo_reply_that_nobody_asked_for_is_shown(tmp_path: Path) -> None:
    """fwknop's ICMP mode sends one by default."""
    row = _rows(tmp_path, icmp(0, rest=b"\0\7\0\1" + b"A" * 140))[0]

    assert (row["outcome"], row["icmp_type"], row["payload_alphabet"]) == ("unknown", 0, "hex")


def test_an_icmp6_echo_is_told_from_icmp(tmp_path: Path) -> None:
    near, far = "2001:db8::9", "2001:db8::1"
    row = _rows(tmp_path, icmp(128, sender=near, to=far), icmp(129, sender=far, to=near))[0]

    assert (row["protocol"], row["outcome"], row["source_ip"]) == ("icmp6", "accepted", "2001:db8::9")


def test_neighbours_are_no_connections(tmp_path: Path) -> None:
    assert _stories(tmp_path, icmp(135, sender="fe80::1", to="ff02::1:ff00:1"), icmp(5)) == []


def test_extension_headers_are_passed_over(tmp_path: Path) -> None:
    inner = udp()[20:]
    hop, target = struct.pack(">BB6x", 60, 0), struct.pack(">BB14x", 44, 1)
    first = hop + target + struct.pack(">BBHI", 17, 0, 1, 9) + inner
    later = struct.pack(">BBHI", 17, 0, 8, 9) + b"rest of the datagram"
    ends = ("2001:db8::9", "2001:db8::1")
    rows = _rows(tmp_path, ip(*ends, 0, first), ip(*ends, 44, later))

    assert [(row["protocol"], row["destination_port"], row["packets_sent"]) for row in rows] == [
        ("udp", 53, 1)
    ]


def test_later_fragments_belong_to_the_first(tmp_path: Path) -> None:
    fragment = bytearray(udp())
    fragment[6:8] = struct.pack(">H", 185)

    assert _stories(tmp_path, udp(), bytes(fragment)) == [("unanswered", 1, 0)]


def test_a_first_payload_may_come_late_and_from_the_client_only(tmp_path: Path) -> None:
    packets = [tcp(SYN), tcp(SYN | ACK, back=True), tcp(PSH | ACK, back=True, payload=b"220 hello\r\n")]
    row = _rows(tmp_path, *packets, tcp(PSH | ACK, payload=b"01abcdef"), tcp(PSH | ACK, payload=b"more!"))[0]

    assert (row["payload_length"], row["payload_alphabet"], row["payload_entropy"]) == (8, "hex", 3.0)
    assert bytes.fromhex(row["payload_head"]) == b"01abcdef"
    assert row["packet_length"] == 40


def test_a_syn_with_a_payload_keeps_it(tmp_path: Path) -> None:
    row = _rows(tmp_path, tcp(SYN, payload=b"\x52\x93" + bytes(40)))[0]

    assert (row["payload_length"], row["packet_length"], row["payload_head"][:4]) == (42, 82, "5293")


def test_facts_survive_the_end_of_a_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packets = [tcp(SYN), tcp(SYN | ACK, back=True), tcp(ACK | PSH, payload=b"SSH-2.0-x\r\n"), *[tcp(ACK)] * 9]
    whole = _rows(tmp_path, *packets)
    text = (tmp_path / "evidence").read_bytes()
    monkeypatch.setattr("knockwatch.evidence.Evidence.chunks", lambda *_: iter(_halves(text)))

    assert read_text(SOURCE, tmp_path, text).rows("connections") == whole
    assert whole[0]["payload_length"] == 11


def _halves(text: bytes) -> Iterable[bytes]:
    return [text[start : start + 60] for start in range(0, len(text), 60)]


def test_only_so_many_connections_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_packet_connections, "OPEN_CONNECTIONS", 5)
    _rows(tmp_path, *(tcp(SYN, ports=(port, 22)) for port in range(1, 101)))
    text = (tmp_path / "evidence").read_bytes()
    monkeypatch.setattr("knockwatch.evidence.Evidence.chunks", lambda *_: iter(_halves(text)))
    rows = read_text(SOURCE, tmp_path, text).rows("connections")

    assert [row["source_port"] for row in rows] == list(range(1, 101))
    assert {row["outcome"] for row in rows} == {"unanswered"}


def test_a_silent_connection_is_given_up_but_a_session_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = [tcp(SYN), tcp(SYN | ACK, back=True), tcp(ACK)]
    probe = tcp(SYN, ports=(9, 7000))
    timed = [(10.0, packet) for packet in session] + [(10.5, probe), (11.0, udp()), (11.0, udp())]
    _rows(tmp_path, *timed, *((600.0, udp(ports=(port, 53))) for port in range(1, 50)), (601.0, tcp(ACK)))
    text = (tmp_path / "evidence").read_bytes()
    monkeypatch.setattr("knockwatch.evidence.Evidence.chunks", lambda *_: iter(_halves(text)))
    rows = read_text(SOURCE, tmp_path, text).rows("connections")
    tcps = [
        (row["destination_port"], row["outcome"], row["packets_sent"])
        for row in rows
        if row["protocol"] == "tcp"
    ]

    assert tcps == [(22, "accepted", 3), (7000, "unanswered", 1)]


_ZEEK = "zeek-traces/testing/btest/Traces"
_STORIES = {
    f"{_ZEEK}/tcp/syn.pcap": [("tcp/80", "unanswered", "SYN", 1, 0)],
    f"{_ZEEK}/tcp/syn-bad.pcap": [("tcp/80", "unanswered", "SYN", 1, 0)],
    f"{_ZEEK}/tcp/syn-synack.pcap": [("tcp/80", "accepted", "SYN", 1, 1)],
    # The client itself resets.
    f"{_ZEEK}/tcp/syn-then-rst.pcap": [("tcp/31313", "unanswered", "SYN", 2, 0)],
    f"{_ZEEK}/tcp/syn-then-ack-then-rst.pcap": [("tcp/31313", "unknown", "SYN", 2, 1)],
    f"{_ZEEK}/tcp/syn-then-stuff-then-rst.pcap": [("tcp/31313", "unknown", "SYN", 3, 1)],
    f"{_ZEEK}/tcp/no-handshake.pcap": [("tcp/80", "unknown", "ACK,PSH", 1, 0)],
    f"{_ZEEK}/tcp/single-rst.pcap": [("tcp/80", "unknown", "RST", 1, 0)],
    f"{_ZEEK}/tcp/missing-syn.pcap": [("tcp/56730", "unknown", "SYN,ACK", 10, 11)],
    f"{_ZEEK}/tcp/one-sided-2745.pcap": [("tcp/2745", "unknown", "SYN,ACK", 3, 0)] * 2,
    f"{_ZEEK}/tcp/ctu-64702-888.pcap": [("tcp/64702", "unknown", "SYN,ACK", 8, 8)],
    f"{_ZEEK}/tcp/payload-syn.pcap": [("tcp/80", "accepted", "SYN", 4, 2)],
    f"{_ZEEK}/tcp/payload-synack.pcap": [("tcp/80", "accepted", "SYN", 4, 2)],
    f"{_ZEEK}/icmp/icmp-destunreach-udp.pcap": [],
    f"{_ZEEK}/communityid/udp.pcap": [("udp/53", "accepted", None, 1, 1)],
    f"{_ZEEK}/udp-packet.pcap": [("udp/31337", "accepted", None, 2, 2)],
    f"{_ZEEK}/udp-multiple-source-ports.pcap": [("udp/13000", "unanswered", None, 1, 0)] * 3,
    f"{_ZEEK}/rfb/vnc-scanner.pcap": [("tcp/5900", "accepted", "SYN", 10, 10)],
    "suricata-verify/tests/bug-4376/syn_retransmit_with_ts.pcap": [("tcp/80", "accepted", "SYN", 106, 148)],
    "suricata-verify/tests/bug-6733-syn-packet-flow-output/input.pcap": [
        ("tcp/25", "unanswered", "SYN", 1, 0)
    ],
    "suricata-verify/tests/bug-8629-async-oneside/input.pcap": [("tcp/445", "unknown", "SYN", 83, 0)],
}


@pytest.mark.corpus
@pytest.mark.parametrize("path", _STORIES)
def test_captures_of_others_tell_their_stories(corpus: Path, path: str) -> None:
    found = read(SOURCE, corpus / "public" / path)
    told = [
        (
            f"{row['protocol']}/{row['destination_port']}",
            row["outcome"],
            row["tcp_flags"],
            row["packets_sent"],
            row["packets_received"],
        )
        for row in found.rows("connections")
    ]

    assert told == _STORIES[path]
    assert (found.problems, found.misfits.height) == ([], 0)


@pytest.mark.corpus
def test_a_real_pcapng_is_read(corpus: Path) -> None:
    (path,) = (corpus / "public" / "otrf" / "unz").glob("*/*.pcapng")
    rows = read(SOURCE, path).rows("connections")

    assert [(row["destination_port"], row["outcome"]) for row in rows] == [
        (8080, "accepted"),
        (1389, "accepted"),
        (443, "accepted"),
    ]


@pytest.mark.corpus
def test_every_labelled_packet_is_a_row(corpus: Path) -> None:
    """Each step is there at its time, from its source and unanswered, and each log-in accepted if it was."""
    lab = corpus / "lab-a"
    labels = [event for event in json.loads((lab / "labels.json").read_text()) if event.get("observed")]
    captures = {event["pcap"]: read(SOURCE, lab / event["pcap"]) for event in labels}

    assert len(labels) == 70
    assert all(found.misfits.is_empty() and not found.problems for found in captures.values())
    for event in labels:
        assert _missing(captures[event["pcap"]].tables["connections"], event) == [], event["id"]


_OPEN = ("icmp", "tcp/80", "tcp/443", "tcp/8080", "tcp/8443")


def _missing(rows: pl.DataFrame, event: dict[str, Any]) -> list[Any]:
    missing, line = [], 0
    knocks = event["kind"] in ("knock", "failed", "spa")
    for moment, source, service in event["observed"]:
        protocol, _, port = service.partition("/")
        step = rows.filter(
            (pl.col("source_ip") == source)
            & (pl.col("protocol") == protocol)
            & (pl.col("destination_port").eq_missing(int(port) if port else None))
            & ((pl.col("time_us") / 1e6 - moment).abs() < 0.001)
            & (pl.col("line") > line)
        )
        if step.is_empty():
            # Echoes of one ping are one attempt.
            if protocol != "icmp" or line == 0:
                missing.append((moment, service))
            continue
        line = step["line"][0]
        if knocks and step["outcome"][0] != ("accepted" if service in _OPEN else "unanswered"):
            missing.append((service, step["outcome"][0]))
    entry = event["connect"]
    if not entry:
        return missing
    there = rows.filter(
        (pl.col("source_ip") == entry.get("src", event["src"][-1]))
        & (pl.col("destination_port") == entry["port"])
        & (pl.col("time_us") / 1e6 - entry["time"]).is_between(-0.1, 5)
    )["outcome"].to_list()
    return missing if ("accepted" in there) is bool(entry["ok"]) else [*missing, (entry, there)]
