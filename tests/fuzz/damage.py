"""Damage to samples: what transport, disks and adversaries do to evidence."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

TOKENS = (
    b"\x00", b"\xff\xfe", b"\r\n", b"\n", b'"', b"'", b"\\", b"=", b",", b"|", b"{", b"}", b"[", b"]", b"\t", b" ",
    b"-1", b"70000", b"99999999999999999999", b"1e999", b"NaN", b"9999-12-31T23:59:59Z", b"Feb 30 25:61:61",
    b"0000-00-00T00:00:00Z", b"::ffff:999.1.1.1", b"256.256.256.256", b"\xe2\x80\xae", b"\x1b[2J", b"=cmd()", b"null",
)  # fmt: skip
"""Pieces that parsers stumble over."""


def damaged(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """Damage a copy of a sample in one to four ways."""
    ways: tuple[Callable[[bytes], bytes], ...] = (
        lambda text: _flipped(text, chance),
        lambda text: _cut(text, chance),
        lambda text: _without(text, chance),
        lambda text: _inserted(text, chance.choice(TOKENS), chance),
        lambda text: _inserted(text, chance.choice(TOKENS) * chance.choice((1, 2, 50, 3000)), chance),
        lambda text: _repeated(text, chance),
        lambda text: _inserted(text, _piece(chance.choice(others), chance), chance),
        lambda text: _shuffled(text, chance),
    )
    for _ in range(chance.randint(1, 4)):
        data = chance.choice(ways)(data)
    return data


def _at(data: bytes, chance: random.Random) -> int:
    return chance.randrange(len(data) + 1)


def _piece(data: bytes, chance: random.Random) -> bytes:
    start = _at(data, chance)
    return data[start : start + chance.choice((1, 4, 16, 200, 2000))]


def _flipped(data: bytes, chance: random.Random) -> bytes:
    """Change single bits."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8) if changed else 0):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(data: bytes, chance: random.Random) -> bytes:
    """Break off."""
    return data[: _at(data, chance)]


def _without(data: bytes, chance: random.Random) -> bytes:
    """Leave a piece out."""
    start = _at(data, chance)
    return data[:start] + data[start + len(_piece(data, chance)) :]


def _inserted(data: bytes, piece: bytes, chance: random.Random) -> bytes:
    """Put a piece in."""
    start = _at(data, chance)
    return data[:start] + piece + data[start:]


def _repeated(data: bytes, chance: random.Random) -> bytes:
    """Write a piece many times."""
    return _inserted(data, _piece(data, chance) * chance.choice((2, 10, 200)), chance)


def _shuffled(data: bytes, chance: random.Random) -> bytes:
    """Bring lines out of order."""
    lines = data.split(b"\n")
    chance.shuffle(lines)
    return b"\n".join(lines)
