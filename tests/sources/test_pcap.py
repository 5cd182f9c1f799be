"""Packet captures. What the test files of zeek and suricata-verify show is in test__packet_connections.py."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.sources.pcap import SOURCE
from tests.sources.reading import SAMPLES, Read, head_of, read, read_text

SAMPLE = SAMPLES / "pcap" / "a2.pcap"
ETHERNET, NULL, LOOP, RAW, SLL, SLL2, IPV4_ONLY = 1, 0, 108, 101, 113, 276, 228

Frame = tuple[int, bytes]
"""Nanoseconds and bytes."""


def frames_of(path: Path) -> list[Frame]:
    """Read a little-endian pcap in microseconds, the slow way."""
    data, position, found = path.read_bytes(), 24, []
    while position < len(data):
        seconds, micros, captured, _ = struct.unpack_from("<4I", data, position)
        found.append(((seconds * 1_000_000 + micros) * 1000, data[position + 16 : position + 16 + captured]))
        position += 16 + captured
    return found


def pcap(
    frames: Iterable[Frame],
    link: int = ETHERNET,
    order: str = "<",
    *,
    nanoseconds: bool = False,
    snap: int = 65535,
) -> bytes:
    """Write a pcap."""
    magic, unit = (0xA1B23C4D, 1) if nanoseconds else (0xA1B2C3D4, 1000)
    pieces = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262_144, link)]
    for time, frame in frames:
        fraction = time % 1_000_000_000 // unit
        kept = frame[:snap]
        pieces += [struct.pack(order + "4I", time // 1_000_000_000, fraction, len(kept), len(frame)), kept]
    return b"".join(pieces)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """Write a pcapng block."""
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link: int = ETHERNET, order: str = "<", options: bytes = b"") -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, 0) + options, order)


def enhanced(ticks: int, frame: bytes, order: str = "<", index: int = 0) -> bytes:
    head = struct.pack(order + "5I", index, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
    return block(6, head + frame, order)


def _same(found: Read, wanted: Read) -> bool:
    return found.tables["connections"].equals(wanted.tables["connections"]) and not found.problems


_AS_PCAPNG = (
    section() + interface() + b"".join(enhanced(time // 1000, frame) for time, frame in frames_of(SAMPLE))
)


def test_packets_of_one_attempt_are_one_row() -> None:
    rows = read(SOURCE, SAMPLE).rows("connections")

    assert [(row["protocol"], row["destination_port"], row["outcome"]) for row in rows] == [
        ("udp", 2222, "unanswered"),
        ("tcp", 3333, "unanswered"),
        ("udp", 4444, "unanswered"),
        ("tcp", 2200, "accepted"),
    ]
    knock, entry = rows[1], rows[3]
    assert (knock["time_us"], knock["time"], knock["line"]) == (
        1_795_346_622_982_606,
        "1795346622.982606",
        2,
    )
    assert (knock["tcp_flags"], knock["ttl"], knock["tcp_window"], knock["tcp_ack"]) == ("SYN", 63, 64240, 0)
    assert (knock["packet_length"], knock["payload_length"], knock["payload_head"]) == (60, 0, None)
    assert (knock["packets_sent"], knock["packets_received"], knock["bytes_sent"]) == (1, 0, 60)
    assert bytes.fromhex(entry["payload_head"]).startswith(b"SSH-2.0-OpenSSH")
    assert entry["payload_alphabet"] == "printable"
    assert entry["packets_received"] > 10
    assert (knock["forwarded"], knock["sensor"]) == (None, None)


def test_a_udp_knock_carries_a_zero_byte() -> None:
    row = read(SOURCE, SAMPLE).rows("connections")[0]

    assert (row["payload_length"], row["payload_head"], row["payload_entropy"]) == (1, "00", 0.0)
    assert row["payload_alphabet"] == "binary"


def test_an_authorization_packet_shows_its_alphabet() -> None:
    row = read(SOURCE, SAMPLES / "pcap" / "h2.pcap").rows("connections")[0]

    assert (row["destination_port"], row["payload_length"], row["payload_alphabet"]) == (62201, 225, "base64")
    assert row["payload_entropy"] > 5
    assert len(row["payload_head"]) == 64


def test_an_answered_echo_is_accepted() -> None:
    row = read(SOURCE, SAMPLES / "pcap" / "i3.pcap").rows("connections")[0]

    assert (row["protocol"], row["outcome"]) == ("icmp", "accepted")
    assert (row["icmp_type"], row["icmp_code"], row["destination_port"]) == (8, 0, None)


def test_ipv6_addresses_are_short() -> None:
    row = read(SOURCE, SAMPLES / "pcap" / "l3.pcap").rows("connections")[0]

    assert (row["source_ip"], row["destination_ip"]) == ("2001:db8:c::10", "2001:db8:5::10")
    assert (row["protocol"], row["ip_id"]) == ("tcp", None)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_byte_orders_and_units_make_no_difference(tmp_path: Path, order: str, nanoseconds: bool) -> None:
    text = pcap(frames_of(SAMPLE), order=order, nanoseconds=nanoseconds)
    found = read_text(SOURCE, tmp_path, text)

    assert SOURCE.confidence(head_of(tmp_path / "evidence")) == 1.0
    assert _same(found, read(SOURCE, SAMPLE))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("exponent", [None, 6, 9, 0x80 | 30])
def test_pcapng_says_the_same(tmp_path: Path, order: str, exponent: int | None) -> None:
    options = b"" if exponent is None else struct.pack(order + "HHBxxx", 9, 1, exponent)
    units = {None: 10**6, 6: 10**6, 9: 10**9, 0x80 | 30: 2**30}[exponent]
    # Rounded up, as a clock with such ticks might.
    frames = [(-(-time * units // 10**9), frame) for time, frame in frames_of(SAMPLE)]
    text = section(order) + interface(order=order, options=options)
    text += b"".join(enhanced(ticks, frame, order) for ticks, frame in frames)
    found = read_text(SOURCE, tmp_path, text)

    assert SOURCE.confidence(head_of(tmp_path / "evidence")) == 1.0
    assert _same(found, read(SOURCE, SAMPLE))


def test_a_capture_may_have_several_sections_and_interfaces(tmp_path: Path) -> None:
    frames = frames_of(SAMPLE)
    text = section() + interface() + interface(RAW)
    text += b"".join(enhanced(time // 1000, frame) for time, frame in frames[:2])
    text += block(0x0BAD, b"x" * 999)
    text += enhanced(frames[2][0] // 1000, frames[2][1][14:], index=1)
    text += section(">") + interface(order=">")
    text += b"".join(enhanced(time // 1000, frame, ">") for time, frame in frames[3:])

    assert _same(read_text(SOURCE, tmp_path, text), read(SOURCE, SAMPLE))


def test_a_large_block_of_another_kind_is_passed_over(tmp_path: Path) -> None:
    frames = [enhanced(time // 1000, frame) for time, frame in frames_of(SAMPLE)]
    text = section() + interface() + frames[0] + block(10, bytes(9_000_000)) + b"".join(frames[1:])

    assert _same(read_text(SOURCE, tmp_path, text), read(SOURCE, SAMPLE))


def test_a_simple_packet_block_has_no_time(tmp_path: Path) -> None:
    frame = frames_of(SAMPLE)[0][1]
    text = section() + interface() + block(3, struct.pack("<I", len(frame)) + frame)
    row = read_text(SOURCE, tmp_path, text).rows("connections")[0]

    assert (row["time_us"], row["time"], row["destination_port"]) == (None, None, 2222)


_TAG = b"\x81\x00\x00\x05"
_LABEL, _BOTTOM = b"\x00\x01\x20\x40", b"\x00\x01\x31\x40"
"""MPLS: a label that another one follows, and the last one."""
_LINKS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "vlan": (ETHERNET, lambda f: f[:12] + _TAG + f[12:]),
    "qinq": (ETHERNET, lambda f: f[:12] + b"\x88\xa8\x00\x09" + _TAG + f[12:]),
    "pppoe": (ETHERNET, lambda f: f[:12] + b"\x88\x64\x11\x00\x00\x01\x00\x30\x00\x21" + f[14:]),
    "raw": (RAW, lambda f: f[14:]),
    "ipv4": (IPV4_ONLY, lambda f: f[14:]),
    "labels": (ETHERNET, lambda f: f[:12] + b"\x88\x47" + _LABEL + _LABEL + _BOTTOM + f[14:]),
    "one label of many receivers": (ETHERNET, lambda f: f[:12] + b"\x88\x48" + _BOTTOM + f[14:]),
    "labels behind a tag": (ETHERNET, lambda f: f[:12] + _TAG + b"\x88\x47" + _BOTTOM + f[14:]),
    "labels, control word and frame": (
        ETHERNET,
        lambda f: bytes(12) + b"\x88\x47" + _LABEL + _BOTTOM + bytes(4) + f,
    ),
    "null": (NULL, lambda f: b"\x02\x00\x00\x00" + f[14:]),
    "loop": (LOOP, lambda f: b"\x00\x00\x00\x02" + f[14:]),
    "cooked": (SLL, lambda f: bytes(14) + f[12:]),
    "cooked with tag": (SLL, lambda f: bytes(14) + _TAG + f[12:]),
    "cooked 2": (SLL2, lambda f: f[12:14] + bytes(18) + f[14:]),
}


@pytest.mark.parametrize("kind", _LINKS)
def test_links_make_no_difference(tmp_path: Path, kind: str) -> None:
    link, wrap = _LINKS[kind]
    frames = [(time, wrap(frame)) for time, frame in frames_of(SAMPLE)]

    assert _same(read_text(SOURCE, tmp_path, pcap(frames, link)), read(SOURCE, SAMPLE))


def _outer(protocol: int, body: bytes) -> bytes:
    """Write an Ethernet frame with an IPv4 packet of two tunnel ends."""
    ends = bytes([192, 0, 2, 1, 192, 0, 2, 2])
    return (
        bytes(12)
        + b"\x08\x00"
        + struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 9, 0, 64, protocol, 0)
        + ends
        + body
    )


def _datagram(port: int, body: bytes) -> bytes:
    return _outer(17, struct.pack(">HHHH", 49152, port, 8 + len(body), 0) + body)


_VXLAN = b"\x08\0\0\0\0\0\x2a\0"
_TUNNELS: dict[str, Callable[[bytes], bytes]] = {
    "gre": lambda f: _outer(47, b"\0\0\x08\0" + f[14:]),
    "gre with checksum, key and sequence": lambda f: _outer(47, b"\xb0\0\x08\0" + bytes(12) + f[14:]),
    "gre with ethernet": lambda f: _outer(47, b"\x20\0\x65\x58\0\0\x2a\0" + f),
    "gre with a tag": lambda f: _outer(47, b"\0\0\x65\x58" + f[:12] + _TAG + f[12:]),
    "erspan 1": lambda f: _outer(47, b"\0\0\x88\xbe" + f),
    "erspan 2": lambda f: _outer(47, b"\x10\0\x88\xbe\0\0\0\1" + b"\x10\x01" + bytes(6) + f),
    "erspan 3": lambda f: _outer(47, b"\x10\0\x22\xeb\0\0\0\1" + b"\x20\x01" + bytes(10) + f),
    "erspan 3 with a platform's header": lambda f: _outer(
        47, b"\x10\0\x22\xeb\0\0\0\1" + b"\x20\x01" + bytes(9) + b"\1" + bytes(8) + f
    ),
    "vxlan": lambda f: _datagram(4789, _VXLAN + f),
    "vxlan as linux began it": lambda f: _datagram(8472, _VXLAN + f),
    "vxlan with a tag": lambda f: _datagram(4789, _VXLAN + f[:12] + _TAG + f[12:]),
    "geneve": lambda f: _datagram(6081, b"\0\0\x65\x58\0\0\x2a\0" + f),
    "geneve with options": lambda f: _datagram(6081, b"\3\x40\x65\x58\0\0\x2a\0" + bytes(12) + f),
    "geneve with a tag": lambda f: _datagram(6081, b"\0\0\x65\x58\0\0\x2a\0" + f[:12] + _TAG + f[12:]),
    "geneve with ip": lambda f: _datagram(6081, b"\0\0\x08\0\0\0\x2a\0" + f[14:]),
    "gre with labels": lambda f: _outer(47, b"\0\0\x88\x47" + _LABEL + _BOTTOM + f[14:]),
    "ip in ip": lambda f: _outer(4, f[14:]),
}


@pytest.mark.parametrize("kind", _TUNNELS)
def test_tunnels_of_one_level_make_no_difference(tmp_path: Path, kind: str) -> None:
    frames = [(time, _TUNNELS[kind](frame)) for time, frame in frames_of(SAMPLE)]

    assert _same(read_text(SOURCE, tmp_path, pcap(frames)), read(SOURCE, SAMPLE))


def test_ipv6_may_be_carried_by_ipv4(tmp_path: Path) -> None:
    path = SAMPLES / "pcap" / "l3.pcap"
    frames = [(time, _outer(41, frame[14:])) for time, frame in frames_of(path)]

    assert _same(read_text(SOURCE, tmp_path, pcap(frames)), read(SOURCE, path))


def test_a_tunnel_in_a_tunnel_is_no_connection(tmp_path: Path) -> None:
    inner = [_TUNNELS["gre"](frame) for _, frame in frames_of(SAMPLE)]
    found = read_text(SOURCE, tmp_path, pcap([(0, _TUNNELS["vxlan"](frame)) for frame in inner]))

    assert (found.rows("connections"), found.misfits.height) == ([], 0)


@pytest.mark.parametrize(
    "body", [b"x", b"A" * 160, _VXLAN, _VXLAN + bytes(60), b"\x08\0\0\0\0\0\0\1" + bytes(40)]
)
def test_a_datagram_to_the_port_of_a_tunnel_may_be_a_knock(tmp_path: Path, body: bytes) -> None:
    (row,) = read_text(SOURCE, tmp_path, pcap([(0, _datagram(4789, body))])).rows("connections")

    assert (row["destination_port"], row["outcome"], row["payload_length"]) == (4789, "unanswered", len(body))


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"\x40\0\x65\x58\0\0\x2a\0", id="another version"),
        pytest.param(b"\0\x80\x65\x58\0\0\x2a\0", id="a message of its own"),
        pytest.param(b"\0\0\x65\x58\0\0\x2a\1", id="something where nothing may be"),
        pytest.param(b"\x3f\0\x65\x58\0\0\x2a\0", id="options that are not there"),
        pytest.param(b"", id="no header"),
    ],
)
def test_a_datagram_to_the_port_of_geneve_may_be_a_knock(tmp_path: Path, head: bytes) -> None:
    body = head + frames_of(SAMPLE)[0][1]
    (row,) = read_text(SOURCE, tmp_path, pcap([(0, _datagram(6081, body))])).rows("connections")

    assert (row["destination_port"], row["outcome"], row["payload_length"]) == (6081, "unanswered", len(body))


@pytest.mark.parametrize(
    "stack", [_LABEL * 20, _LABEL, _BOTTOM + b"\x30", _BOTTOM], ids=["no end", "cut", "no ip", "nothing"]
)
def test_labels_over_no_packet_are_of_no_interest(tmp_path: Path, stack: bytes) -> None:
    found = read_text(SOURCE, tmp_path, pcap([(0, bytes(12) + b"\x88\x47" + stack)]))

    assert (found.records, found.rows("connections"), found.misfits.height) == (1, [], 0)


_SNAP = b"\xaa\xaa\x03\0\0\0"
_RADIOTAP = struct.pack("<BBHIBB", 0, 0, 10, 6, 0x10, 2)
_WIRELESS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "data": (105, lambda f: b"\x08\x01" + bytes(22) + _SNAP + f[12:]),
    "data of some quality": (105, lambda f: b"\x88\x01" + bytes(24) + _SNAP + f[12:]),
    "data between two access points": (105, lambda f: b"\x08\x03" + bytes(28) + _SNAP + f[12:]),
    "data with high throughput": (105, lambda f: b"\x88\x81" + bytes(28) + _SNAP + f[12:]),
    "radiotap": (127, lambda f: _RADIOTAP + b"\x88\x02" + bytes(24) + _SNAP + f[12:]),
}


@pytest.mark.parametrize("kind", _WIRELESS)
def test_wireless_links_make_no_difference(tmp_path: Path, kind: str) -> None:
    link, wrap = _WIRELESS[kind]
    frames = [(time, wrap(frame)) for time, frame in frames_of(SAMPLE)]

    assert _same(read_text(SOURCE, tmp_path, pcap(frames, link)), read(SOURCE, SAMPLE))


def test_wireless_data_that_are_encrypted_are_counted(tmp_path: Path) -> None:
    beacon, nothing, secret = b"\x80\0" + bytes(60), b"\x48\x01" + bytes(22), b"\x88\x41" + bytes(80)
    found = read_text(SOURCE, tmp_path, pcap([(0, beacon), (0, nothing), (0, secret)], 105))

    assert (found.records, found.misfits["line"].to_list()) == (3, [3])
    assert "encrypted" in found.misfits["text"][0]


def test_an_interface_may_have_its_own_beginning_of_time(tmp_path: Path) -> None:
    offset = struct.pack("<HHq", 14, 8, 1_795_000_000)
    blocks = [enhanced(time // 1000 - 1_795_000_000_000_000, frame) for time, frame in frames_of(SAMPLE)]
    text = section() + interface(options=offset) + b"".join(blocks)

    assert _same(read_text(SOURCE, tmp_path, text), read(SOURCE, SAMPLE))


@pytest.mark.parametrize(
    ("exponent", "units"), [(0, 1), (3, 10**3), (12, 10**12), (0x80 | 50, 2**50), (0x80 | 33, 2**33)]
)
def test_an_interface_may_count_coarsely_or_finely(tmp_path: Path, exponent: int, units: int) -> None:
    seconds, frame = 12, frames_of(SAMPLE)[0][1]
    text = section() + interface(options=struct.pack("<HHBxxx", 9, 1, exponent))
    text += enhanced(seconds * units + (units // 4), frame)

    (row,) = read_text(SOURCE, tmp_path, text).rows("connections")
    assert row["time_us"] == 12_250_000 - (units == 1) * 250_000 if units < 4 else 12_250_000


@pytest.mark.parametrize("exponent", [0x7F, 0xFF, 0x80 | 64, 19])
def test_a_time_out_of_all_bounds_is_none(tmp_path: Path, exponent: int) -> None:
    text = section() + interface(options=struct.pack("<HHBxxx", 9, 1, exponent))
    text += enhanced((1 << 64) - 1, frames_of(SAMPLE)[0][1])

    (row,) = read_text(SOURCE, tmp_path, text).rows("connections")
    assert row["time_us"] is None or row["time_us"] < 20_000_000


def test_an_old_packet_block_is_read(tmp_path: Path) -> None:
    text = section() + interface()
    for time, frame in frames_of(SAMPLE):
        ticks, size = time // 1000, len(frame)
        head = struct.pack("<HHIIII", 0, 0, ticks >> 32, ticks & 0xFFFFFFFF, size, size)
        text += block(2, head + frame)

    assert _same(read_text(SOURCE, tmp_path, text), read(SOURCE, SAMPLE))


def test_a_frame_of_an_interface_nobody_described_is_counted(tmp_path: Path) -> None:
    frame = frames_of(SAMPLE)[0][1]
    found = read_text(
        SOURCE, tmp_path, section() + interface() + enhanced(0, frame, index=3) + enhanced(0, frame)
    )

    assert (found.records, found.misfits["line"].to_list(), len(found.rows("connections"))) == (2, [1], 1)


def test_a_section_in_the_other_byte_order_may_have_any_length(tmp_path: Path) -> None:
    """Its length, 256, read the wrong way round is 65536: that many bytes must not be taken for one block."""
    frames = [(time // 1000, frame) for time, frame in frames_of(SAMPLE)] * 40
    little = b"".join(enhanced(ticks, frame) for ticks, frame in frames)
    big = b"".join(enhanced(ticks, frame, ">") for ticks, frame in frames)
    long = block(0x0A0D0D0A, struct.pack(">IHHq", 0x1A2B3C4D, 1, 0, -1) + bytes(228), ">")
    found = read_text(SOURCE, tmp_path, section() + interface() + little + long + interface(order=">") + big)

    assert (found.records, found.misfits.height, found.problems) == (2 * len(frames), 0, [])


@pytest.mark.parametrize("link", [NULL, LOOP])
@pytest.mark.parametrize("family", [b"\x1e\0\0\0", b"\0\0\0\x0a", b"\x18\0\0\0"])
def test_loopback_names_ipv6_in_many_ways(tmp_path: Path, link: int, family: bytes) -> None:
    path = SAMPLES / "pcap" / "l3.pcap"
    frames = [(time, family + frame[14:]) for time, frame in frames_of(path)]

    assert _same(read_text(SOURCE, tmp_path, pcap(frames, link)), read(SOURCE, path))


def test_a_capture_may_come_from_standard_input(tmp_path: Path) -> None:
    """As in `tcpdump -w - | knockwatch scan -`."""
    command = [sys.executable, "-m", "knockwatch", "tables", "--quiet", "-", "--to", str(tmp_path)]
    subprocess.run(command, input=SAMPLE.read_bytes(), check=True)

    written = pl.read_parquet(tmp_path / "connections.parquet").sort("line")
    assert written["outcome"].to_list() == ["unanswered", "unanswered", "unanswered", "accepted"]


def test_a_link_type_that_is_not_read_is_said(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, pcap(frames_of(SAMPLE), 147))

    assert found.misfits.height == found.records == len(frames_of(SAMPLE))
    assert "link type" in found.misfits["text"][0]


def test_a_compressed_capture_is_read(tmp_path: Path) -> None:
    assert _same(read_text(SOURCE, tmp_path, gzip.compress(SAMPLE.read_bytes())), read(SOURCE, SAMPLE))


@pytest.mark.parametrize("size", [40, 54, 60, 68])
def test_a_snapshot_length_cuts_payloads_only(tmp_path: Path, size: int) -> None:
    """From 50 bytes on, all of a TCP header that matters is there."""
    found = read_text(SOURCE, tmp_path, pcap(frames_of(SAMPLE), snap=size))

    assert found.records == len(frames_of(SAMPLE))
    if size < 50:
        assert {row["protocol"] for row in found.rows("connections")} <= {"udp"}
        assert found.misfits.height > 0
    else:
        rows, whole = found.rows("connections"), read(SOURCE, SAMPLE).rows("connections")
        alike = ("outcome", "packets_sent", "bytes_received", "payload_length")
        assert [[row[name] for name in alike] for row in rows] == [
            [row[name] for name in alike] for row in whole
        ]


def test_other_protocols_are_neither_rows_nor_misfits(tmp_path: Path) -> None:
    arp = bytes(12) + b"\x08\x06" + bytes(28)
    found = read_text(SOURCE, tmp_path, pcap([(0, arp)]))

    assert (found.records, found.tables, found.misfits.height, found.problems) == (1, {}, 0, [])


def test_a_capture_that_breaks_off_says_where(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, SAMPLE.read_bytes()[:-3])

    assert found.records == len(frames_of(SAMPLE)) - 1
    assert found.problems == [
        f"the capture breaks off within the record after frame {len(frames_of(SAMPLE)) - 1}"
    ]


def test_a_record_that_is_too_long_ends_the_reading(tmp_path: Path) -> None:
    data = bytearray(SAMPLE.read_bytes())
    first = struct.unpack_from("<I", data, 32)[0]
    data[24 + 16 + first + 8 : 24 + 16 + first + 12] = b"\xff\xff\xff\x7f"
    found = read_text(SOURCE, tmp_path, bytes(data))

    assert len(found.rows("connections")) == 1
    assert "frame 2" in found.problems[0]


@pytest.mark.parametrize("text", [b"", b"\xd4\xc3\xb2\xa1", b"hello world, this is no capture at all\n"])
def test_what_is_no_capture_is_said(tmp_path: Path, text: bytes) -> None:
    found = read_text(SOURCE, tmp_path, text)

    assert found.tables == {}
    assert "no capture" in found.problems[0]


def test_an_empty_capture_is_fine(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, pcap([]))

    assert (found.tables, found.problems, found.records) == ({}, [], 0)


@given(st.data())
def test_any_damage_is_survived(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever bytes change, each frame is a packet, a misfit or of no interest, and nothing is raised."""
    text = bytearray(data.draw(st.sampled_from([SAMPLE.read_bytes(), _AS_PCAPNG])))
    for _ in range(data.draw(st.integers(1, 12))):
        text[data.draw(st.integers(24, len(text) - 1))] = data.draw(st.integers(0, 255))
    found = read_text(SOURCE, tmp_path_factory.mktemp("damage"), bytes(text))

    sent = sum(row["packets_sent"] + row["packets_received"] for row in found.rows("connections"))
    assert sent + found.misfits.height <= found.records


@pytest.mark.parametrize("size", [16, 61, 997, 3000])
@pytest.mark.parametrize("text", [SAMPLE.read_bytes(), _AS_PCAPNG], ids=["pcap", "pcapng"])
def test_where_the_pieces_are_cut_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes, size: int
) -> None:
    whole = read(SOURCE, SAMPLE).tables["connections"]
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    monkeypatch.setattr("knockwatch.evidence.Evidence.chunks", lambda *_: iter(pieces))
    found = read_text(SOURCE, tmp_path, text)

    assert found.tables["connections"].sort("line").equals(whole)
    assert not found.problems
