"""Packets to connections: who began, how often was it tried, what answered, what did the first payload look like.

Packets are sorted and folded many at a time. What waits for an answer is bounded in number.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from knockwatch.sources._capture_files import Frames
from knockwatch.sources._network_headers import Truths, Words
from knockwatch.sources._open_connections import Columns, OpenConnections, joined, where
from knockwatch.sources._packet_rows import (
    ACKNOWLEDGED,
    ANSWERED,
    PROHIBITED,
    REPLIED,
    RESET,
    SUMS,
    UNREACHABLE,
    is_syn,
)
from knockwatch.sources._packets import ACK, ICMP, ICMP6, REPLIES, RST, SYN, TCP, UDP, Packets
from knockwatch.sources._payloads import FACTS, Payloads, payloads_of
from knockwatch.sources._record_chains import Integers

OPEN_CONNECTIONS = 200_000
"""Connections held in memory, answered ones and others; beyond that those silent for longest are judged by what was
seen so far."""
SYN_SILENCE_US = 75_000_000
"""A SYN with the same sequence number after a longer pause is a new attempt: Linux waits 64 s before its last retry."""
SILENCE_US = 60_000_000
"""UDP datagrams and echoes after a longer pause are a new attempt: Linux forgets an unanswered one after 30 s."""
PATIENCE_US = 120_000_000
"""No answer is awaited for longer."""
TCP_PATIENCE_US = 3_600_000_000
"""Silence after which an answered TCP connection is not held any more."""
_ROWS_AT_ONCE = 50_000
"""Connections that have ended are kept until there are so many: to make rows of few costs as much as of many."""

_COPIED = (
    "protocol", "source_high", "source_low", "destination_high", "destination_low", "source_port", "destination_port",
    "error", "prohibited", "flags", "seq", "ack", "window", "icmp_type", "icmp_code", "ttl", "ip_id", "length",
)  # fmt: skip
_SORTED = (
    "forward",
    "error",
    "prohibited",
    "protocol",
    "flags",
    "seq",
    "icmp_type",
    "length",
    "time_us",
    "last_us",
)
"""Columns that decide what belongs together and what became of it."""
_FIRST = (*_COPIED, "forward", "key", "line", "time_us")
"""Columns that a connection has from its first packet."""
_FEW = 64
"""Of so many frames, one is asked for the time."""
_INDEX_BITS = 24
"""Bits of a packet's place among those that are folded together."""


@dataclass(frozen=True)
class Prepared:
    """The packets of a piece, their payloads, and what time it was: that of the frame in the middle."""

    packets: Columns
    payloads: Payloads
    now_us: int


class PacketConnections:
    """The connections of one capture, as far as they have not ended."""

    def __init__(self) -> None:
        # Crafted addresses must not be able to meet under one key.
        self._seed = np.uint64(secrets.randbits(64))
        # Those whose answer may still come, and those that were answered and may last.
        self._waiting, self._lasting = OpenConnections(), OpenConnections()
        self._ended: list[Columns] = []

    def prepare(self, frames: Frames, packets: Packets) -> Prepared:
        """Make of each packet a connection that consists of it: what can be done before the piece's turn comes."""
        return Prepared(
            _columns(frames, packets, self._seed),
            payloads_of(frames.data, packets),
            int(np.median(frames.time_us[::_FEW])) if len(packets.frame) else 0,
        )

    def take(self, piece: Prepared) -> None:
        """Take the packets of the next piece."""
        fresh = piece.packets
        if not len(fresh["key"]):
            return
        keys = np.sort(fresh["key"])
        keys = keys[np.append(True, keys[1:] != keys[:-1])]
        told = joined(self._waiting.take(keys), self._lasting.take(keys))
        folded, followed = _fold(told, fresh, piece.payloads)
        # An error about a packet that nobody saw is no connection.
        sound = ~folded["error"]
        lasting = (folded["protocol"] == TCP) & (folded["seen"] & ANSWERED > 0)
        self._end(where(folded, sound & followed))
        self._lasting.hold(where(folded, sound & ~followed & lasting))
        self._waiting.hold(where(folded, sound & ~followed & ~lasting))
        self._give_up(piece.now_us)

    def ended(self) -> Columns:
        """Give the connections that have ended, once they are many."""
        return self._taken(_ROWS_AT_ONCE)

    def rest(self) -> Columns:
        """Give all connections that are left."""
        self._end(self._waiting.all(), self._lasting.all())
        return self._taken(0)

    def _give_up(self, now_us: int) -> None:
        """End the connections that are held no longer: silent for too long, or too many."""
        self._end(self._waiting.silent(now_us - PATIENCE_US), self._lasting.silent(now_us - TCP_PATIENCE_US))
        for held, most in ((self._waiting, OPEN_CONNECTIONS), (self._lasting, OPEN_CONNECTIONS)):
            self._end(held.oldest(len(held) - most))

    def _end(self, *parts: Columns) -> None:
        """Note connections that have ended."""
        self._ended += [part for part in parts if part and len(part["key"])]

    def _taken(self, least: int) -> Columns:
        """Take what has ended, if it is so much."""
        if sum(len(part["key"]) for part in self._ended) < least:
            return {}
        ended, self._ended = self._ended, []
        return joined(*ended)


def _columns(frames: Frames, packets: Packets, seed: np.uint64) -> Columns:
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
    straight = forward | icmp
    first, second = np.where(straight, port, to_port), np.where(straight, to_port, port)
    ports = first.astype(np.uint64) << np.uint64(32) | second.astype(np.uint64) << np.uint64(8)
    parts = (
        np.where(forward, high, to_high),
        np.where(forward, low, to_low),
        np.where(forward, to_high, high),
        np.where(forward, to_low, low),
        ports | packets.protocol.astype(np.uint64),
    )
    key: Words = np.full(len(port), seed, dtype=np.uint64)
    for part in parts:
        key = _mixed(key ^ part)
    columns["key"] = key
    # An error speaks for the side that its packet was sent to.
    columns["forward"] = forward ^ packets.error
    return columns


def _mixed(key: Words) -> Words:
    """Spread the bits of keys (the finalizer of splitmix64)."""
    key = (key ^ key >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ key >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return key ^ key >> np.uint64(31)


def _by_key(keys: npt.NDArray[np.uint64]) -> tuple[Integers, npt.NDArray[np.uint64]]:
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


def _fold(told: Columns, fresh: Columns, payloads: Payloads) -> tuple[Columns, Truths]:
    """Fold packets into connections, those already open first.

    Returns
    -------
    tuple
        The connections in the order of their keys, and which of them another one with the same key has followed.
    """
    before, size = len(told.get("key", ())), len(fresh["key"]) + len(told.get("key", ()))
    order, keys = _by_key(np.append(told["key"], fresh["key"]) if told else fresh["key"])
    packets = {name: (np.append(told[name], fresh[name]) if told else fresh[name])[order] for name in _SORTED}
    packets["told"] = order < before
    begins = _begins(packets, np.append(False, keys[1:] == keys[:-1]))
    at = np.flatnonzero(begins)
    of = np.cumsum(begins) - 1
    mine = packets["forward"] == packets["forward"][at][of]
    folded = _picked(told, fresh, _FIRST, order[at], before)
    folded |= _picked(told, fresh, ("last_line", "last_us"), order[np.append(at[1:], size) - 1], before)
    folded |= _summed(packets, mine, at)
    if before:
        group = of[packets["told"]]
        for name in SUMS:
            folded[name][group] += told[name][order[packets["told"]]]
        folded["seen"][group] |= told["seen"][order[packets["told"]]]
    has = np.append(told["payload_length"] > 0 if told else np.zeros(0, np.bool_), payloads.present)[order]
    own = has & (packets["told"] | (mine & ~packets["error"]))
    chosen = np.minimum.reduceat(np.where(own, np.arange(size), size), at)
    folded |= _facts(told, payloads, np.where(chosen < size, order[np.minimum(chosen, size - 1)], -1), before)
    followed: Truths = np.append(folded["key"][1:] == folded["key"][:-1], False)
    return folded, followed


def _picked(told: Columns, fresh: Columns, names: Iterable[str], chosen: Integers, before: int) -> Columns:
    """Pick rows of some columns: the first ones from connections already open, the others from packets."""
    mine, old = np.maximum(chosen - before, 0), np.flatnonzero(chosen < before)
    picked = {name: fresh[name][mine] for name in names}
    for name in names if len(old) else ():
        picked[name][old] = told[name][chosen[old]]
    return picked


def _facts(told: Columns, payloads: Payloads, chosen: Integers, before: int) -> Columns:
    """Give the payload facts of connections: from those already open, else from the packet chosen; -1: none."""
    facts = payloads.facts(np.where(chosen >= before, chosen - before, -1))
    kept = np.flatnonzero((chosen >= 0) & (chosen < before))
    for name in FACTS if len(kept) else ():
        facts[name][kept] = told[name][chosen[kept]]
    return facts


def _begins(packets: Columns, same: Truths) -> Truths:
    """Say which packets begin a connection; they come by key and then in order, and have the `same` key or not.

    A SYN does, unless it repeats the last one or crosses one from the other side; of UDP and ICMP the first, and
    the first after a pause.
    """
    index = np.arange(len(same))
    start = np.maximum.accumulate(np.where(same, 0, index))
    pause = packets["time_us"] - np.append(0, packets["last_us"][:-1])
    tcp, seq = packets["protocol"] == TCP, packets["seq"]
    syn, forward, error = is_syn(packets), packets["forward"], packets["error"]
    ahead, back = _last_before(syn & forward), _last_before(syn & ~forward)
    alike, other = np.where(forward, ahead, back), np.where(forward, back, ahead)
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


def _summed(packets: Columns, mine: Truths, at: Integers) -> Columns:
    """Sum up what packets add to their connections, which begin `at` some of them.

    `mine` are those of the side that began it. What was told of connections already open adds nothing here.
    """
    tcp, udp, flags = packets["protocol"] == TCP, packets["protocol"] == UDP, packets["flags"]
    error, live = packets["error"], ~packets["told"]
    sent, answer = mine & ~error & live, ~mine & ~error & live
    refusal = error & ~mine & live
    replies = np.zeros(len(tcp), dtype=np.bool_)
    other = np.flatnonzero(~(tcp | udp))
    replies[other] = np.isin(packets["icmp_type"][other], list(REPLIES))
    seen = (
        (answer & np.where(tcp, flags & (SYN | ACK) == SYN | ACK, udp | replies)) * np.uint8(ANSWERED)
        | (answer & tcp & (flags & RST > 0)) * np.uint8(RESET)
        | (refusal & ~packets["prohibited"]) * np.uint8(UNREACHABLE)
        | (refusal & packets["prohibited"]) * np.uint8(PROHIBITED)
        | (answer & (tcp | udp | replies)) * np.uint8(REPLIED)
        | (sent & tcp & (flags & (SYN | ACK | RST) == ACK)) * np.uint8(ACKNOWLEDGED)
    )
    length = packets["length"]
    added: dict[str, npt.NDArray[Any]] = {
        "packets_sent": sent.astype(np.int64),
        "packets_received": answer.astype(np.int64),
        "bytes_sent": length * sent,
        "bytes_received": length * answer,
    }
    summed: Columns = {name: np.add.reduceat(column, at) for name, column in added.items()}
    return summed | {"seen": np.bitwise_or.reduceat(seen, at)}
