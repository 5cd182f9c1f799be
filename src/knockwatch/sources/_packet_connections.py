"""Packets to connections: who began, how often was it tried, what answered, what did the first payload look like.

Packets are sorted and folded many at a time. What waits for an answer is bounded in number.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from knockwatch.sources._capture_files import Frames, Integers
from knockwatch.sources._network_headers import Truths
from knockwatch.sources._packet_rows import Columns, is_syn, rows
from knockwatch.sources._packets import ACK, ICMP, ICMP6, REPLIES, RST, SYN, TCP, UDP, Packets
from knockwatch.sources._payloads import Payloads, payloads_of

OPEN_CONNECTIONS = 200_000
"""Connections held in memory; beyond that those silent for longest are judged by what was seen so far."""
SYN_SILENCE_US = 75_000_000
"""A SYN with the same sequence number after a longer pause is a new attempt: Linux waits 64 s before its last retry."""
SILENCE_US = 60_000_000
"""UDP datagrams and echoes after a longer pause are a new attempt: Linux forgets an unanswered one after 30 s."""
PATIENCE_US = 120_000_000
"""No answer is awaited for longer."""
TCP_PATIENCE_US = 3_600_000_000
"""Silence after which an answered TCP connection is not held any more."""
_PARTS = 64
"""Pieces whose open connections are kept apart; older ones are put together."""

_COPIED = (
    "protocol", "source_high", "source_low", "destination_high", "destination_low", "source_port", "destination_port",
    "error", "flags", "seq", "ack", "window", "icmp_type", "icmp_code", "ttl", "ip_id", "length",
)  # fmt: skip
_SEEN = ("answered", "reset", "unreachable", "replied", "acknowledged")
_FACTS = ("payload_length", "payload_entropy", "payload_alphabet", "payload_head", "payload_head_length")


class PacketConnections:
    """The connections of one capture, as far as they have not ended."""

    def __init__(self) -> None:
        # Crafted addresses must not be able to meet under one key.
        self._seed = np.uint64(secrets.randbits(64))
        # Those that were heard of in one piece lie together; the piece heard of last comes last.
        self._open: list[Columns] = []

    def take(self, frames: Frames, packets: Packets) -> pl.DataFrame:
        """Take the packets of the next piece; give rows for the connections that have ended."""
        if not len(packets.frame):
            return rows({})
        fresh = self._columns(frames, packets)
        told = self._called(fresh)
        folded, followed = _fold(told, fresh, payloads_of(frames.data, packets))
        self._open.append(_where(folded, ~followed))
        ended = [_where(folded, followed), *self._over(int(frames.time_us[-1]))]
        return rows(_joined(*ended))

    def rest(self) -> pl.DataFrame:
        """Give rows for all connections that are left."""
        held, self._open = self._open, []
        return rows(_joined(*held))

    def _called(self, fresh: Columns) -> Columns:
        """Take out the open connections that new packets belong to."""
        keys = pl.Series(fresh["key"]).unique()
        told = []
        for index, part in enumerate(self._open):
            concerned = pl.Series(part["key"]).is_in(keys.implode()).to_numpy()
            if concerned.any():
                told.append(_where(part, concerned))
                self._open[index] = _where(part, ~concerned)
        return _joined(*told)

    def _over(self, now_us: int) -> list[Columns]:
        """Take out the connections that are held no longer: silent for too long, or too many."""
        over, kept = list[Columns](), list[Columns]()
        for part in self._open:
            silence = now_us - int(part["last_us"].max(initial=0))
            if silence > TCP_PATIENCE_US:
                over.append(part)
            elif silence > PATIENCE_US:
                lasting = (part["protocol"] == TCP) & part["answered"]
                over.append(_where(part, ~lasting))
                kept.append(_where(part, lasting))
            else:
                kept.append(part)
        count = sum(len(part["key"]) for part in kept)
        while count > OPEN_CONNECTIONS and kept:
            count -= len(kept[0]["key"])
            over.append(kept.pop(0))
        if len(kept) > _PARTS:
            kept[:2] = [_joined(*kept[:2])]
        self._open = [part for part in kept if len(part["key"])]
        return over

    def _columns(self, frames: Frames, packets: Packets) -> Columns:
        """Give each packet the columns of a connection that consists of it, and the key of its connection."""
        columns: Columns = {name: getattr(packets, name) for name in _COPIED}
        columns["line"] = columns["last_line"] = frames.number[packets.frame]
        columns["time_us"] = columns["last_us"] = frames.time_us[packets.frame]
        high, low = packets.source_high, packets.source_low
        to_high, to_low = packets.destination_high, packets.destination_low
        port, to_port = packets.source_port, packets.destination_port
        icmp = (packets.protocol == ICMP) | (packets.protocol == ICMP6)
        same_host = (high == to_high) & (low == to_low)
        forward = (high < to_high) | ((high == to_high) & (low < to_low))
        forward |= same_host & (icmp | (port <= to_port))
        first, second = np.where(forward | icmp, port, to_port), np.where(forward | icmp, to_port, port)
        parts = (
            np.where(forward, high, to_high),
            np.where(forward, low, to_low),
            np.where(forward, to_high, high),
            np.where(forward, to_low, low),
            (first << 32 | second << 8 | packets.protocol).astype(np.uint64),
        )
        key = np.full(len(port), self._seed, dtype=np.uint64)
        for part in parts:
            key = _mixed(key ^ part)
        columns["key"] = key
        # An error speaks for the side that its packet was sent to.
        columns["forward"] = forward ^ packets.error
        return columns


def _mixed(key: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Spread the bits of keys (the finalizer of splitmix64)."""
    key = (key ^ key >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ key >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return key ^ key >> np.uint64(31)


def _where(columns: Columns, mask: Truths) -> Columns:
    """Keep what a mask selects."""
    return {name: column[mask] for name, column in columns.items()}


def _joined(*parts: Columns) -> Columns:
    """Put columns one behind the other; parts without any are left out."""
    full = [part for part in parts if part]
    if not full:
        return {}
    return {name: np.concatenate([part[name] for part in full]) for name in full[0]}


def _fold(told: Columns, fresh: Columns, payloads: Payloads) -> tuple[Columns, Truths]:
    """Fold packets into connections, those already open first.

    Returns
    -------
    tuple
        The connections, and which of them another one of the same two ends has followed.
    """
    shared = {name: column for name, column in told.items() if name in fresh}
    both = _joined(shared, fresh)
    size, before = len(both["key"]), len(shared.get("key", ()))
    order = np.argsort(both["key"], kind="stable")
    both = {name: column[order] for name, column in both.items()}
    begins = _begins(both)
    at = np.flatnonzero(begins)
    of = np.cumsum(begins) - 1
    mine = both["forward"] == both["forward"][at][of]
    folded = {name: column[at] for name, column in both.items()}
    last = np.append(at[1:], size) - 1
    folded["last_line"], folded["last_us"] = both["last_line"][last], both["last_us"][last]
    for name, added in _contributions(both, mine).items():
        stored = np.zeros(size, dtype=added.dtype)
        stored[:before] = told[name] if told else 0
        reduce = np.logical_or if name in _SEEN else np.add
        folded[name] = reduce.reduceat(np.where(order < before, stored[order], added), at)
    has = np.concatenate([told.get("payload_length", np.zeros(0, dtype=np.int64)) > 0, payloads.present])[
        order
    ]
    own = has & ((order < before) | (mine & ~both["error"]))
    chosen = np.minimum.reduceat(np.where(own, np.arange(size), size), at)
    where = np.where(chosen < size, order[np.minimum(chosen, size - 1)], -1)
    folded |= _facts(told, payloads, where, before)
    sound: Truths = ~folded["error"]
    followed = np.append(folded["key"][1:] == folded["key"][:-1], False)
    return _where(folded, sound), followed[sound]


def _facts(told: Columns, payloads: Payloads, where: Integers, before: int) -> Columns:
    """Give the payload facts of connections: from those already open, else from the packet chosen; -1: none."""
    facts = payloads.facts(np.where(where >= before, where - before, -1))
    for name in _FACTS:
        if told:
            kept = (where >= 0) & (where < before)
            facts[name][kept] = told[name][where[kept]]
    return facts


def _begins(both: Columns) -> Truths:
    """Say which packets begin a connection, in packets sorted by key and then by order.

    A SYN does, unless it repeats the last one or crosses one from the other side; of UDP and ICMP the first, and
    the first after a pause.
    """
    size = len(both["key"])
    index = np.arange(size)
    same = np.append(False, both["key"][1:] == both["key"][:-1])
    start = np.maximum.accumulate(np.where(same, 0, index))
    pause = both["time_us"].astype(np.int64) - np.append(0, both["last_us"].astype(np.int64)[:-1])
    tcp = both["protocol"] == TCP
    syn, forward, error = is_syn(both), both["forward"].astype(np.bool_), both["error"].astype(np.bool_)
    ahead, back = _last_before(syn & forward), _last_before(syn & ~forward)
    alike, other = np.where(forward, ahead, back), np.where(forward, back, ahead)
    seq = both["seq"]
    another = np.where(alike >= start, seq[alike] != seq, other < start)
    again = syn & (another | (pause > SYN_SILENCE_US))
    # An error about a packet that nobody saw belongs to none that comes later.
    first = _last_before(~error) < start
    begins: Truths = first | again | (~tcp & ~error & (pause > SILENCE_US))
    return begins


def _last_before(mask: Truths) -> Integers:
    """Give, for each place, the last one before it where a mask holds; -1 where there is none."""
    found = np.maximum.accumulate(np.where(mask, np.arange(len(mask)), -1))
    return np.append(-1, found[:-1])


def _contributions(both: Columns, mine: Truths) -> Mapping[str, npt.NDArray[Any]]:
    """Say what each packet adds to its connection; `mine` are those of the side that began it."""
    error, flags = both["error"].astype(np.bool_), both["flags"].astype(np.int64)
    tcp, udp = both["protocol"] == TCP, both["protocol"] == UDP
    answer = ~mine & ~error
    length = both["length"].astype(np.int64)
    replies = np.isin(both["icmp_type"], list(REPLIES))
    return {
        "packets_sent": (mine & ~error).astype(np.int64),
        "packets_received": answer.astype(np.int64),
        "bytes_sent": np.where(mine & ~error, length, 0),
        "bytes_received": np.where(answer, length, 0),
        "answered": answer & np.where(tcp, flags & (SYN | ACK) == SYN | ACK, udp | replies),
        "reset": answer & tcp & (flags & RST > 0),
        "unreachable": error & ~mine,
        "replied": answer & (tcp | udp | replies),
        "acknowledged": mine & tcp & (flags & (SYN | ACK | RST) == ACK),
    }
