"""The stream that every format is written from: rows of connections as numbers, and addresses among numbers."""

from __future__ import annotations

import ipaddress

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.void]
"""Connections, of the type `ROW`."""
Numbers = npt.NDArray[np.int64]

ROW = np.dtype(
    [
        ("time_us", "<i8"),
        ("source", "<u4"),
        ("destination", "<u4"),
        ("source_port", "<u2"),
        ("destination_port", "<u2"),
        ("protocol", "u1"),
        ("accepted", "u1"),
        ("sent", "<u4"),
        ("received", "<u4"),
    ]
)
"""One connection: ports are 0 for a ping; bytes each way."""
TCP, UDP, ICMP = 6, 17, 1
"""IANA's numbers of the protocols."""
SYN_BYTES = 60
"""A SYN of Linux: 20 of IP, 40 of TCP with its options."""

_RESERVED = frozenset({0, 10, 100, 127, 169, 172, 192, 198, 203})
"""First octets in which there are addresses that the internet does not route (RFC 6890)."""
PLANTED_OCTET = 185
"""First octet of those who knock; nothing else of the background comes from there."""
OCTETS = np.array(
    [number for number in range(1, 224) if number not in _RESERVED and number != PLANTED_OCTET],
    dtype=np.uint32,
)
PUBLIC = len(OCTETS) << 24
"""How many addresses the background may come from."""
_STRIDE = 2_654_435_761
"""Prime: multiples of it visit every public address once before the first comes again."""


def number_of(address: str) -> int:
    """Give an IPv4 address as a number."""
    return int(ipaddress.IPv4Address(address))


def address_of(number: int) -> str:
    """Give an IPv4 address as text."""
    return str(ipaddress.IPv4Address(number))


def public(chosen: Numbers) -> npt.NDArray[np.uint32]:
    """Turn numbers below `PUBLIC` into public addresses."""
    found: npt.NDArray[np.uint32] = (OCTETS[chosen >> 24] << np.uint32(24)) | (chosen & 0xFFFFFF).astype(
        np.uint32
    )
    return found


def spread(counted: Numbers, salt: int) -> npt.NDArray[np.uint32]:
    """Give the nth public address of a fixed order that looks like none; different numbers, different addresses."""
    return public((counted * _STRIDE + salt) % PUBLIC)


def empty(count: int) -> Rows:
    """Give rows in which all is 0."""
    return np.zeros(count, dtype=ROW)


def by_time(rows: Rows) -> Rows:
    """Sort rows by time; those of one moment keep their order."""
    if not len(rows):
        return rows
    times = np.ascontiguousarray(rows["time_us"])
    bits = len(rows).bit_length()
    # Sorting numbers is much faster than sorting by them: each carries its row's place in its lowest bits.
    keys = ((times - times.min()) << bits) | np.arange(len(rows))
    keys.sort()
    ordered: Rows = rows.take(keys & ((1 << bits) - 1))
    return ordered
