"""Captures read by compiled loops: the same as in columns, whatever is in them, and at any size of pieces."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

pytest.importorskip("numba", reason="loops are compiled by numba")

from knockwatch.clock import Clock
from knockwatch.config import EvidenceSettings
from knockwatch.evidence import Evidence
from knockwatch.sources import Reading, _packet_connections, pcap
from knockwatch.sources import _packet_loops as loops
from knockwatch.sources._capture_files import CaptureReader
from knockwatch.sources._compiled_connections import CompiledConnections, follow
from knockwatch.sources._packet_connections import PacketConnections
from tests.fuzz.damage import damaged
from tests.sources.test__packet_connections import ACK, FIN, PSH, RST, SYN, icmp, ip, tcp, udp
from tests.sources.test_pcap import pcap as capture_of

DATA = Path(__file__).resolve().parent.parent / "data"
CAPTURES = sorted(path for path in DATA.rglob("*.pcap*") if path.is_file())
SECOND = 1_000_000_000
START = 1_795_346_618 * SECOND
RAW, ETHERNET = 101, 1
INTERPRETED = [name for name, loop in vars(loops).items() if hasattr(loop, "py_func")]


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the loops as plain Python, in which a place beyond an array's end is an error."""
    for name in INTERPRETED:
        monkeypatch.setattr(loops, name, getattr(loops, name).py_func)
    with np.errstate(over="ignore"):
        yield


class _InPieces(Evidence):
    """Evidence whose chunks are so many bytes, whatever is asked for."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(0, Path(), "capture")
        self._data, self._size = data, size

    def chunks(self, size: int = 0) -> Iterator[bytes]:
        """Cut the bytes."""
        return (self._data[at : at + self._size] for at in range(0, len(self._data), self._size))


Told = tuple[pl.DataFrame | None, list[tuple[int, str]], int, list[str]]


def told(data: bytes, size: int, *, compiled: bool) -> Told:
    """Read a capture: rows by line, frames not understood, frames, problems."""
    reading = Reading(_InPieces(data, size), Clock(), EvidenceSettings())
    batches = list(
        pcap._read(reading, CaptureReader(follow), CompiledConnections())
        if compiled
        else pcap._read(reading, CaptureReader(), PacketConnections())
    )
    rows = [batch.tables["connections"] for batch in batches if batch.tables["connections"].height]
    bad = [row for batch in batches if batch.misfits is not None for row in batch.misfits.rows()]
    found = pl.concat(rows, how="diagonal_relaxed").sort("line") if rows else None
    return found, bad, sum(batch.records for batch in batches), reading.evidence.problems


def alike(data: bytes, size: int) -> None:
    """Read a capture both ways."""
    (plain, *others), (rows, *same) = (told(data, size, compiled=compiled) for compiled in (False, True))
    assert same == others
    if plain is None or rows is None:
        assert plain is rows
    else:
        assert_frame_equal(rows, plain, check_exact=True)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
@pytest.mark.parametrize("size", [997, 1 << 14, 1 << 24])
def test_every_sample_is_read_alike(path: Path, size: int) -> None:
    alike(path.read_bytes(), size)


@pytest.mark.parametrize("path", CAPTURES[::4], ids=lambda path: path.name)
def test_every_place_is_looked_at_before_it_is_read(path: Path, interpreted: None) -> None:
    alike(path.read_bytes()[:20_000], 4096)


@pytest.mark.corpus
def test_the_corpus_is_read_alike(corpus: Path) -> None:
    paths = sorted(path for path in corpus.rglob("*.pcap*") if path.is_file() and path.suffix != ".gz")

    assert len(paths) > 10
    for path in paths:
        alike(path.read_bytes()[: 8 << 20], 1 << 20)


_ENDS = st.sampled_from(
    [("198.18.7.9", "203.0.113.10"), ("203.0.113.10", "198.18.7.9"), ("::1", "2001:db8::7")]
)
_TCP = st.builds(
    tcp,
    st.sampled_from([SYN, SYN | ACK, ACK, PSH | ACK, FIN | ACK, RST, RST | ACK, 0]),
    back=st.booleans(),
    seq=st.integers(1, 3),
    payload=st.sampled_from([b"", b"", b"ab", b"data!", bytes(range(200))]),
    ports=st.sampled_from([(4711, 22), (22, 22)]),
)
_UDP = st.builds(udp, st.sampled_from([b"", b"x", b"0" * 70]), back=st.booleans(), ports=st.just((4711, 53)))
_ECHO = st.builds(
    lambda ends, kind, code, rest: icmp(kind, code, rest, sender=ends[0], to=ends[1]),
    _ENDS,
    st.sampled_from([0, 1, 3, 5, 8, 13, 14, 128, 129]),
    st.sampled_from([0, 3, 4, 13]),
    st.one_of(st.just(b"\0\7\0\1ping"), st.one_of(_TCP, _UDP).map(lambda about: bytes(4) + about[:48])),
)
_OTHER = st.builds(
    lambda ends, protocol, body: ip(ends[0], ends[1], protocol, body),
    _ENDS,
    st.sampled_from([0, 1, 2, 4, 6, 17, 41, 44, 47, 58, 132]),
    st.binary(max_size=90),
)
_PACKET = st.one_of(_TCP, _TCP, _UDP, _ECHO, _OTHER)
_ETHER = {4: b"\x08\x00", 6: b"\x86\xdd"}


def _framed(packet: bytes, tags: int) -> bytes:
    """Put a packet behind an Ethernet header and VLAN tags."""
    kinds = b"".join([b"\x81\x00\0\7"] * tags) + _ETHER[packet[0] >> 4]
    return bytes(12) + kinds + packet


_STEP = st.sampled_from([0, 1_000, SECOND, 61 * SECOND, 76 * SECOND, 130 * SECOND, -SECOND])
_STORY = st.lists(st.tuples(_PACKET, _STEP, st.integers(0, 4)), max_size=40)


@settings(max_examples=200)
@given(_STORY, st.sampled_from([150, 700, 1 << 20]), st.booleans(), st.sampled_from([40, 60, 65535]))
def test_every_story_is_told_alike(
    story: list[tuple[bytes, int, int]], size: int, ethernet: bool, snap: int
) -> None:
    now, frames = START, []
    for packet, step, tags in story:
        now += step
        frames.append((now, _framed(packet, tags) if ethernet else packet))

    alike(capture_of(frames, ETHERNET if ethernet else RAW, snap=snap), size)


@pytest.mark.parametrize("seed", range(60))
def test_damage_is_told_alike(seed: int) -> None:
    chance = random.Random(seed)
    whole = [path.read_bytes()[:40_000] for path in CAPTURES]

    alike(damaged(chance.choice(whole), chance, whole), chance.choice([500, 5_000, 1 << 20]))


@pytest.mark.parametrize("seed", range(12))
def test_damage_leads_no_loop_astray(seed: int, interpreted: None) -> None:
    chance = random.Random(seed)
    whole = [path.read_bytes()[:6_000] for path in CAPTURES]

    alike(damaged(chance.choice(whole), chance, whole), chance.choice([500, 5_000]))


def test_many_connections_are_bounded_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_packet_connections, "OPEN_CONNECTIONS", 20)
    frames = [
        (START + index * 1_000_000, tcp(flags, back=back, ports=(1024 + index % 97, 22)))
        for index in range(600)
        for flags, back in ((SYN, False), (SYN | ACK, True))[: 1 + index % 2]
    ]

    alike(capture_of(frames, RAW), 2_000)


def test_an_index_finds_what_it_holds_and_forgets_the_rest(interpreted: None) -> None:
    chance = random.Random(5)
    keys, slots = np.zeros(64, dtype=np.uint64), np.full(64, -1, dtype=np.int64)
    held = dict[int, int]()
    # Keys that begin at few places, so that they stand in rows that go round the end.
    for step in range(2_000):
        key = np.uint64(chance.choice([0, 1, 60, 63]) + 64 * chance.randrange(12))
        if int(key) in held and chance.random() < 0.6:
            loops.forget(keys, slots, key)
            del held[int(key)]
        elif len(held) < 40:
            place = loops.place_of(keys, slots, key)
            keys[place], slots[place] = key, step
            held[int(key)] = step
        assert np.count_nonzero(slots >= 0) == len(held)
    assert all(slots[loops.place_of(keys, slots, np.uint64(key))] == slot for key, slot in held.items())


def test_a_record_of_any_length_ends_the_chain_or_is_whole() -> None:
    record = struct.pack("<4I", 1, 2, 0xFFFFFFFF, 4)

    alike(capture_of([(START, tcp(SYN))], RAW) + record, 1 << 20)


def test_large_captures_are_read_by_loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "evidence"
    path.write_bytes(capture_of([(START, tcp(SYN))], RAW))
    size = path.stat().st_size
    monkeypatch.setattr(pcap, "worthwhile", lambda bytes_of_text: bytes_of_text <= size)
    monkeypatch.setattr(PacketConnections, "prepare", None)

    (row,) = [
        row
        for batch in pcap.SOURCE.read(Reading(Evidence(0, path, "x"), Clock(), EvidenceSettings()))
        for row in batch.tables["connections"].to_dicts()
    ]

    assert (row["destination_port"], row["outcome"]) == (22, "unanswered")
