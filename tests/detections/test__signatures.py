"""Each signature finds the packet of its reference and none that nearly is it; SPA is told from the rest."""

from __future__ import annotations

import base64
import random
import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from knockwatch.config import EvidenceSettings
from knockwatch.detections._signatures import (
    _signature,
    families,
    in_runs,
    known_pings,
    signatures,
    signed,
)
from knockwatch.engines.embedded import Engine
from knockwatch.engines.queries import Query, unbound
from knockwatch.ingest import Workspace, ingest
from knockwatch.sources._packet_rows import hexadecimal
from knockwatch.sources._payloads import Payloads
from knockwatch.tables import conform
from tests.packets import Packet, capture, icmp, session, tcp, udp

BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
LINUX_PING = bytes(16) + bytes(range(16, 56))


def base64_text(length: int, first: str, seed: int = 1) -> bytes:
    """Make random base64 text that begins as told."""
    chosen = random.Random(seed).choices(BASE64, k=length - len(first))
    return (first + "".join(chosen)).encode()


SPA = base64_text(225, "8")
"""A Rijndael packet with an HMAC of SHA-256 has 225 characters in lab-a's h1."""
MAGIC = bytes(20)

Case = tuple[Sequence[Packet], Sequence[Packet]]
KNOWN: dict[str, Case] = {
    "fwknop-spa": ([udp(SPA)], [udp(base64_text(225, "A")), udp(base64_text(226 + 2, "8"))]),
    "fwknop-spa-gpg": ([udp(base64_text(600, "GM"))], [udp(base64_text(600, "GN"))]),
    "fwknop-spa-http": (
        [
            *session(0, "198.51.100.7", dport=80),
            tcp(
                b"GET /" + base64_text(225, "9").replace(b"+", b"-").replace(b"/", b"_") + b" HTTP/1.1\r\n"
                b"User-Agent: Fwknop/2.6.11\r\nAccept: */*\r\nHost: 203.0.113.10\r\n\r\n",
                at=0.03,
                sport=41_000,
                dport=80,
                flags="PSH,ACK",
            ),
        ],
        [
            *session(0, "198.51.100.7", dport=80),
            tcp(
                b"GET /9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.js HTTP/1.1\r\n"
                b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0)\r\nAccept: */*\r\nHost: www.example.org\r\n"
                b"Accept-Language: en-US,en;q=0.5\r\nConnection: keep-alive\r\n\r\n",
                at=0.03,
                sport=41_000,
                dport=80,
                flags="PSH,ACK",
            ),
        ],
    ),
    "fwknop-spa-raw-tcp": (
        [tcp(base64_text(226, "H"), seq=1, window=32_767, ttl=255)],
        [tcp(base64_text(226, "H"), seq=2, window=32_767, ttl=255)],
    ),
    "base64-packet": ([udp(base64_text(228, "A"))], [udp(base64_text(228, "A")[:-1] + b"-")]),
    "icmp-unknown-payload": ([icmp(b"kl-open 4f1c")], [icmp(LINUX_PING), icmp(b"")]),
    "icmp-echo-code": ([icmp(LINUX_PING, code=9)], [icmp(LINUX_PING)]),
    "icmp-unsolicited-reply": ([icmp(b"kl-open 4f1c", kind=0)], [icmp(LINUX_PING, kind=0)]),
    "icmp-sizes": (
        [icmp(bytes(size), at=size / 50, ident=size) for size in (95, 96, 97)],
        [icmp(bytes(size), at=size / 50, ident=size) for size in (95, 96, 56)],
    ),
    "reptile-tcp": (
        [tcp(b"\x72\x79\x82\x4a\x88", sport=666, window=9965, seq=0x3B130000, ip_id=3429, ttl=255)],
        [tcp(b"\x72\x79\x82\x4a\x88", sport=666, window=9966, seq=0x3B130000, ip_id=3429, ttl=255)],
    ),
    "reptile-udp": ([udp(b"hax0r 1234", sport=666, ip_id=3429)], [udp(b"hax0r 1234", sport=667, ip_id=3429)]),
    "reptile-icmp": ([icmp(b"hax0r", code=8, ident=9965, ip_id=3429)], [icmp(b"hax0r", code=8, ip_id=3430)]),
    "bpfdoor-tcp": (
        [*session(0, "198.51.100.7"), tcp(b"\x52\x93" + bytes(22), at=0.03, sport=41_000, flags="PSH,ACK")],
        [*session(0, "198.51.100.7"), tcp(b"\x52\x93" + bytes(23), at=0.03, sport=41_000, flags="PSH,ACK")],
    ),
    "bpfdoor-udp": ([udp(b"\x72\x55" + bytes(22))], [udp(b"\x72\x56" + bytes(22))]),
    "bpfdoor-icmp": ([icmp(b"\x72\x55" + bytes(range(100, 122)))], [icmp(b"\x00\x72\x55" + bytes(21))]),
    "bpfdoor-nines": ([udp(b"\x39" * 4 + b"\x01" * 20)], [udp(b"\x39" * 3 + b"\x01" * 21)]),
    "redpenguin-irad": (
        [icmp(bytes.fromhex("0100f3d5e7f4e1f3f3d5b0b4e4cdd4c7b6cc") + bytes(8), ident=0xAA56)],
        [icmp(bytes.fromhex("0300f3d5e7f4e1f3f3d5b0b4e4cdd4c7b6cc") + bytes(8), ident=0xAA56)],
    ),
    "redpenguin-jdosd": (
        [udp(bytes.fromhex("deadbeef01"), dport=33_512)],
        [udp(bytes.fromhex("0deadbeef1"), dport=33_512)],
    ),
    "redpenguin-ports": ([udp(b"x", dport=45_678)], [udp(b"x", dport=45_678, sport=53)]),
    "synful-knock": (
        [tcp(dport=80, seq=0x10C123D, ack=0x1000000)],
        [tcp(dport=80, seq=0x10C123E, ack=0x1000000)],
    ),
    "syslogk": (
        [tcp(sport=46_823, dport=0, ip_id=46_823, window=28_944, seq=0)],
        [tcp(sport=46_823, dport=0, ip_id=46_824, window=28_944, seq=0)],
    ),
    "syslogk-kill": ([tcp(sport=63_401, flags="PSH")], [tcp(sport=63_401, flags="PSH,ACK")]),
    "kobalos": ([tcp(sport=55_201)], [tcp(sport=55_201, dport=443)]),
    "penquin-tcp": ([tcp(ack=0x0001BEBE)], [tcp(ack=0xBEBE0001)]),
    "penquin-udp": ([udp(b"1234\x00\x05\xbe\xbe")], [udp(b"1234\xbe\xbe\x00\x05")]),
    "linkpro": ([tcp(window=54_321)], [tcp(window=54_320)]),
    "zipline": (
        [
            *session(0, "198.51.100.7"),
            tcp(b"SSH-2.0-OpenSSH_0.3xx.", at=0.03, sport=41_000, flags="PSH,ACK"),
        ],
        [
            *session(0, "198.51.100.7"),
            tcp(b"SSH-2.0-OpenSSH_9.3p1\r\n", at=0.03, sport=41_000, flags="PSH,ACK"),
        ],
    ),
    "cd00r-default": (
        [tcp(at=n, dport=port, sport=40_000 + n) for n, port in enumerate((200, 80, 22, 53, 3))],
        [tcp(at=n, dport=port, sport=40_000 + n) for n, port in enumerate((200, 80, 22, 53, 4))],
    ),
    "syn-with-acknowledgement": ([tcp(ack=5)], [tcp(ack=5, flags="SYN,ACK")]),
    "syn-with-payload": ([tcp(b"x")], [*session(0, "198.51.100.7"), tcp(b"x", at=1, flags="PSH,ACK")]),
    "port-zero": ([udp(b"x", dport=0)], [udp(b"x", dport=0, sport=0), udp(b"x", dport=1)]),
    "constant-ip-id": (
        [tcp(at=n, dport=7000 + n, sport=40_000 + n, ip_id=9) for n in range(3)],
        [tcp(at=n, dport=7000 + n, sport=40_000 + n, ip_id=9 + n) for n in range(3)],
    ),
}


@cache
def queries() -> tuple[Query, Query]:
    """Write the queries for single packets and for runs, once for all tests."""
    connections = unbound()["connections"]
    return Query.of(signed(connections)), Query.of(in_runs(connections))


def matching(packets: Iterable[Packet], path: Path) -> set[str]:
    """Name the signatures that a capture of packets matches; a less trustworthy one stands back."""
    with Workspace.temporary() as space:
        ingest([str(capture(path / "made.pcap", packets))], EvidenceSettings(), space)
        with Engine(space) as engine:
            rows = [engine.execute(query) for query in queries()]
    return {name for found in rows for name in found["signature"]}


@pytest.mark.parametrize("name", KNOWN)
def test_the_packet_of_the_reference_matches(name: str, tmp_path: Path) -> None:
    assert name in matching(KNOWN[name][0], tmp_path)


@pytest.mark.parametrize("name", KNOWN)
def test_a_packet_that_nearly_is_it_does_not(name: str, tmp_path: Path) -> None:
    assert name not in matching(KNOWN[name][1], tmp_path)


def test_the_table_of_known_pings_is_whole() -> None:
    """A comma in an expression would cut it short."""
    assert all(
        pattern.startswith("^") and pattern.count("(") == pattern.count(")") for pattern in known_pings()
    )
    assert all("{" not in pattern or "}" in pattern for pattern in known_pings())


def test_every_signature_has_its_packet() -> None:
    assert set(KNOWN) == set(signatures())


def test_every_family_is_known_and_every_signature_has_a_reference() -> None:
    names = {family["name"] for family in families()}
    assert {one.family for one in signatures().values()} <= names
    assert all(one.reference and one.attack for one in signatures().values())
    assert all(set(family) == {"name", "kind", "wire", "host", "reference"} for family in families())


@pytest.mark.parametrize("condition", [{"ttll": [1]}, {"ttl": {"form": 3}}, {"ttl": {"is": [3]}}])
def test_a_condition_that_nobody_reads_is_refused(condition: dict[str, object]) -> None:
    """A word that is passed over would make a signature match more than its author wants."""
    told = {"id": "made", "attack": [], "match": condition}
    with pytest.raises(ValueError, match="no condition of this kind"):
        _signature(told)


@pytest.mark.parametrize(
    "payload",
    [
        LINUX_PING,
        bytes(8) + bytes(range(8, 56)),
        bytes(range(32, 56)) + bytes(range(24, 56)),
        b"abcdefghijklmnopqrstuvwabcdefghi",
        bytes(64),
        struct.pack("<I", 123_456_789) + bytes(52),
        struct.pack("<QQ", 1_795_346_700, 123_456) + bytes(40),
        bytes(4) + struct.pack(">I", 987_654) + b"\xab\xcd" * 32,
        bytes(0x40 + (n & 0x3F) for n in range(8, 68)),
    ],
    ids=["linux", "bsd", "openbsd", "windows", "zeros", "busybox", "check_icmp", "cisco", "traceroute"],
)
def test_ordinary_pings_match_nothing(payload: bytes, tmp_path: Path) -> None:
    assert known_pings()
    assert matching([icmp(payload)], tmp_path) == set()


def facts(payloads: Sequence[bytes], **columns: object) -> pl.DataFrame:
    """Give datagrams with these payloads as rows of `connections`, with the facts that captures have of them."""
    joined = b"".join(payloads) + bytes(4096)
    length = np.array([len(payload) for payload in payloads], dtype=np.int64)
    at = np.concatenate(([0], np.cumsum(length)[:-1]))
    made = Payloads(np.frombuffer(joined, dtype=np.uint8), at, length, length).facts(np.arange(len(payloads)))
    frame = pl.DataFrame(
        {
            "payload_length": made["payload_length"],
            "payload_entropy": made["payload_entropy"],
            "payload_alphabet": [Payloads.ALPHABETS.get(int(kind)) for kind in made["payload_alphabet"]],
            "payload_head": hexadecimal(made["payload_head"], made["payload_head_length"]),
            # One destination each, since of one destination only so many packets are kept.
            "destination_ip": [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(len(payloads))],
            "line": range(1, len(payloads) + 1),
        }
    )
    given = {"protocol": "udp", "source_ip": "198.51.100.7", "source_port": 40_000, "destination_port": 443}
    given |= {"time_us": 1, "file": 0, **columns}
    return conform(
        "connections", frame.with_columns(pl.lit(value).alias(key) for key, value in given.items())
    )


def found(payloads: Sequence[bytes], workspace: Workspace, **columns: object) -> Counter[str]:
    """Count the signatures that payloads match."""
    folder = workspace.folder / "connections"
    folder.mkdir(parents=True, exist_ok=True)
    facts(payloads, **columns).write_parquet(folder / "000000.parquet")
    with Engine(workspace) as engine:
        return Counter(engine.execute(queries()[0])["signature"])


DIGESTS = {"md5": 22, "sha1": 27, "sha256": 43, "sha384": 64, "sha512": 86, "sha3_256": 43, "sha3_512": 86}
"""Digests, and the length of each in base64 without padding."""


def made_spa(generator: random.Random, count: int) -> Iterator[bytes]:
    """Build SPA packets from the format: a message with its digest, padded, salted, encrypted, stripped, signed.

    What the cipher makes is random bytes; all modes of it pad to 16 (fwknop's lib/cipher_funcs.c).
    """
    while count:
        user = base64.b64encode(generator.randbytes(generator.randint(2, 12))).rstrip(b"=")
        wish = (
            f"{generator.randint(1, 223)}.0.2.{generator.randint(1, 254)},tcp/{generator.randint(1, 65535)}"
        )
        message = b":".join(
            [b"1" * 16, user, b"1795346700", b"3.0.0", b"1", base64.b64encode(wish.encode()).rstrip(b"=")]
        )
        plain = len(message) + 1 + generator.choice(list(DIGESTS.values()))
        salted = b"Salted__" + generator.randbytes(8) + generator.randbytes(plain + 16 - plain % 16)
        text = base64.b64encode(salted).rstrip(b"=").removeprefix(b"U2FsdGVkX1")
        signature = generator.choice([0, *DIGESTS.values()])
        text += "".join(generator.choices(BASE64, k=signature)).encode()
        if len(text) >= 140:
            count -= 1
            yield text


def test_spa_packets_made_from_the_format_are_found(workspace: Workspace) -> None:
    packets = list(made_spa(random.Random(7), 5_000))

    assert found(packets, workspace)["fwknop-spa"] >= 0.99 * len(packets)


@pytest.mark.skipif(not shutil.which("fwknop"), reason="fwknop-client is not installed")
def test_packets_of_the_real_client_are_found(tmp_path: Path, workspace: Workspace) -> None:
    """All digests, HMACs and modes."""
    kept = tmp_path / "packets"
    for digest in DIGESTS:
        for mac in ["", *DIGESTS]:
            modes = ["CBC", "CFB", "OFB", "CTR"] if digest == "sha256" else ["CBC"]
            for mode in [*modes, *([] if mac else ["legacy"])]:
                mine = ["--use-hmac", "--key-hmac", "def", "--hmac-digest-type", mac] if mac else []
                command = [
                    "fwknop",
                    "-A",
                    "tcp/22",
                    "-a",
                    "192.0.2.1",
                    "-D",
                    "127.0.0.1",
                    "--key-rijndael",
                    "abc",
                ]
                command += [*mine, "-m", digest, "-M", mode, "--no-save-args", "-T", "-b", "-B", str(kept)]
                subprocess.run(command, check=True, capture_output=True, env={"HOME": str(tmp_path)})
    packets = kept.read_bytes().split()

    assert len(packets) > 70
    assert found(packets, workspace)["fwknop-spa"] >= 0.99 * len(packets)


OTHERS = 100_000


def tls(generator: random.Random) -> bytes:
    """Make a TLS record (RFC 8446, section 5.1)."""
    length = generator.randint(140, 500)
    return struct.pack("!BHH", generator.choice([20, 21, 22, 23]), 0x0303, length) + generator.randbytes(
        length
    )


def dns(generator: random.Random) -> bytes:
    """Make a DNS answer with a long text, as DKIM keys are: mostly base64."""
    text = "".join(generator.choices(BASE64, k=generator.randint(100, 250))).encode()
    head = generator.randbytes(2) + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0)
    return head + b"\x04dkim\x07example\x03org\x00\x00\x10\x00\x01" + bytes([len(text)]) + text


def quic(generator: random.Random) -> bytes:
    """Make a QUIC packet with a short header (RFC 9000, section 17.3)."""
    return bytes([0x40 | generator.randrange(64)]) + generator.randbytes(generator.randint(140, 500))


def ntp(generator: random.Random) -> bytes:
    """Make an NTP packet with an authenticator (RFC 5905)."""
    return bytes([0x23, 2, 6, 0xEC]) + generator.randbytes(44 + generator.choice([0, 20, 100]))


@pytest.mark.parametrize("make", [tls, dns, quic, ntp])
def test_ordinary_traffic_hardly_ever_looks_like_it(make: object, workspace: Workspace) -> None:
    """At most one packet in 100,000."""
    assert callable(make)
    generator = random.Random(11)
    counts = found([make(generator) for _ in range(OTHERS)], workspace)

    assert sum(counts[name] for name in signatures() if name.startswith("fwknop")) <= OTHERS // 100_000


def test_random_base64_is_told_apart_as_far_as_it_can_be(workspace: Workspace) -> None:
    """Of random base64 of an SPA packet's length one in 16 begins as one: the floor; the rest is named for itself."""
    generator = random.Random(13)
    lengths = [140, 161, 183, 204, 225, 247, 268]
    texts = ["".join(generator.choices(BASE64, k=generator.choice(lengths))).encode() for _ in range(16_000)]
    counts = found(texts, workspace)

    assert 0.8 * 1_000 < counts["fwknop-spa"] < 1.2 * 1_000
    assert counts["fwknop-spa"] + counts["base64-packet"] + counts["fwknop-spa-gpg"] == len(texts)
