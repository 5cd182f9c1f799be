"""Keys of connections: one number for the packets of both directions, and packets brought into its order.

What connections are made of the packets with one key is not known here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from knockwatch.sources._network_headers import Truths, Words
from knockwatch.sources._packets import ICMP, ICMP6, Packets
from knockwatch.sources._record_chains import Integers

_INDEX_BITS = 24
"""Bits of a packet's place among those that are brought into order together."""


def keys_of(packets: Packets, seed: np.uint64) -> tuple[Words, Truths]:
    """Give the key of each packet's connection, and which packets go forward: from the lower end to the higher.

    `seed` is secret: crafted addresses must not be able to meet under one key.
    """
    high, low = packets.source_high, packets.source_low
    to_high, to_low = packets.destination_high, packets.destination_low
    port, to_port = packets.source_port.astype(np.uint64), packets.destination_port.astype(np.uint64)
    icmp = (packets.protocol == ICMP) | (packets.protocol == ICMP6)
    same_host = (high == to_high) & (low == to_low)
    lower: Truths = (high < to_high) | ((high == to_high) & (low < to_low))
    forward: Truths = lower | (same_host & (icmp | (port <= to_port)))
    first, second = _turned(port, to_port, ~(forward | icmp))
    ports: Words = first << np.uint64(32)
    ports |= second << np.uint64(8)
    ports |= packets.protocol
    key: Words = np.full(len(port), seed, dtype=np.uint64)
    for part in (*_turned(high, to_high, ~forward), *_turned(low, to_low, ~forward), ports):
        key = _mixed(key ^ part)
    return key, forward


def _turned(one: Words, other: Words, which: Truths) -> tuple[Words, Words]:
    """Exchange two columns in some rows."""
    # Without any choice made row by row, which a processor cannot foresee.
    apart = (one ^ other) & (np.uint64(0) - which.astype(np.uint64))
    return one ^ apart, other ^ apart


def _mixed(key: Words) -> Words:
    """Spread the bits of keys (the finalizer of splitmix64)."""
    key = (key ^ key >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ key >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return key ^ key >> np.uint64(31)


def by_key(keys: npt.NDArray[np.uint64]) -> tuple[Integers, npt.NDArray[np.uint64]]:
    """Give the stable order of keys, and them in this order."""
    # Sorting the values, with the place in the low bits, is several times as fast as an argsort.
    places = np.uint64((1 << _INDEX_BITS) - 1)
    mixed = keys & ~places | np.arange(len(keys), dtype=np.uint64)
    mixed.sort()
    order: Integers = (mixed & places).astype(np.int64)
    found = keys[order]
    apart = found[1:] != found[:-1]
    if len(keys) > places or (apart & (found[1:] ^ found[:-1] <= places)).any():
        order = np.argsort(keys, kind="stable")
        found = keys[order]
    return order, found
