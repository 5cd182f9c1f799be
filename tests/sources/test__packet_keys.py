"""Keys of connections: both directions have one, and packets come in its order."""

from __future__ import annotations

import numpy as np

from knockwatch.sources._packet_keys import by_key


def test_packets_come_by_key_and_of_one_key_as_they_came() -> None:
    keys = np.array([7 << 40, 3 << 40, 7 << 40, 3 << 40], dtype=np.uint64)

    order, found = by_key(keys)

    assert order.tolist() == [1, 3, 0, 2]
    assert found.tolist() == keys[order].tolist()


def test_keys_that_differ_only_in_their_lowest_bits_are_not_mixed_up() -> None:
    keys = np.array([2, 1, 2, 1], dtype=np.uint64)

    order, found = by_key(keys)

    assert order.tolist() == [1, 3, 0, 2]
    assert found.tolist() == [1, 1, 2, 2]
