"""Chains of records: guesses make following them fast, and never change what is found."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from itertools import accumulate, pairwise

import numpy as np
import pytest

from knockwatch.sources import _record_chains
from knockwatch.sources._record_chains import Chain, Rule, follow

NOW = 1_795_346_622
PCAP = Rule("<", 8, 16, 0, 262_144, 1, NOW, 1 << 17)
PCAPNG = Rule(">", 4, 0, 12, 0xFFFFFFFF, 4, 6, 0)
MARGIN = bytes(65_536)


def pcap_record(body: bytes, second: int = NOW) -> bytes:
    return struct.pack("<4I", second, 5, len(body), len(body)) + body


def block(body: bytes, kind: int = 6) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(">II", kind, len(body) + 12) + body + struct.pack(">I", len(body) + 12)


def chain_of(data: bytes, rule: Rule, begin: int = 0) -> Chain:
    return follow(np.frombuffer(data + MARGIN, dtype=np.uint8), len(data), begin, rule)


def starts_of(records: list[bytes]) -> list[int]:
    return [0, *accumulate(len(record) for record in records)]


def bodies(count: int, seed: int, lengths: tuple[int, ...]) -> list[bytes]:
    chance = random.Random(seed)
    return [chance.randbytes(chance.choice(lengths)) for _ in range(count)]


_LENGTHS = {"small": (54, 60, 74), "mixed": (54, 60, 590, 1514), "jumbo": (9000, 65_000), "empty": (0, 54)}


@pytest.mark.parametrize("lengths", _LENGTHS)
@pytest.mark.parametrize(("rule", "record"), [(PCAP, pcap_record), (PCAPNG, block)], ids=["pcap", "pcapng"])
def test_every_record_of_a_long_chain_is_found(
    rule: Rule, record: Callable[[bytes], bytes], lengths: str
) -> None:
    kinds = _LENGTHS[lengths]
    records = [record(body) for body in bodies(2_000_000 // (sum(kinds) // len(kinds) + 16), 1, kinds)]
    data, starts = b"".join(records), starts_of(records)

    for size in (len(data), len(data) - 1, starts[-2] + 3, starts[-2]):
        whole = [start for start, end in pairwise(starts) if end <= size]
        found = chain_of(data[:size], rule)
        assert (found.at.tolist(), found.damaged) == (whole, False)
        assert found.end == starts[len(whole)]


def test_guesses_are_made_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else this is right, but slow."""
    walked = list[int]()
    until = _record_chains._Walk.until

    def counted(walk: _record_chains._Walk, limit: int, position: int) -> int:
        end = until(walk, limit, position)
        walked.append(len(walk.found))
        return end

    monkeypatch.setattr(_record_chains._Walk, "until", counted)
    records = [pcap_record(body) for body in bodies(6_000, 2, _LENGTHS["mixed"])]

    assert len(chain_of(b"".join(records), PCAP).at) == len(records)
    assert sum(walked) < len(records) / 10


@pytest.mark.parametrize("shift", [0, 1, 7])
def test_a_capture_within_a_capture_is_no_part_of_it(shift: int) -> None:
    """A file that is being copied over the network has true records of its own in the packets that carry it."""
    inner = b"".join(pcap_record(bytes(44)) for _ in range(25))
    records = [pcap_record(bytes(shift) + inner) for _ in range(1_500)]

    assert chain_of(b"".join(records), PCAP).at.tolist() == starts_of(records)[:-1]


def test_records_of_other_times_are_found_too() -> None:
    chance = random.Random(3)
    records = [pcap_record(body, chance.randrange(1 << 32)) for body in bodies(6_000, 3, _LENGTHS["mixed"])]

    assert chain_of(b"".join(records), PCAP).at.tolist() == starts_of(records)[:-1]


@pytest.mark.parametrize("at", [0, 1, 2_999, 5_998])
def test_nothing_behind_a_damaged_record_counts(at: int) -> None:
    records = [pcap_record(body) for body in bodies(6_000, 4, _LENGTHS["mixed"])]
    starts = starts_of(records)
    data = bytearray(b"".join(records))
    data[starts[at] + 8 : starts[at] + 12] = b"\xff\xff\xff\x7f"
    found = chain_of(bytes(data), PCAP)

    assert (found.at.tolist(), found.end, found.damaged) == (starts[:at], starts[at], True)


def test_a_chain_may_begin_anywhere() -> None:
    records = [b"x" * 24, *(pcap_record(body) for body in bodies(6_000, 5, _LENGTHS["small"]))]

    assert chain_of(b"".join(records), PCAP, 24).at.tolist() == starts_of(records)[1:-1]
