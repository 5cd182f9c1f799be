"""Packets to connections: who began, how often was it tried, what answered, what did the first payload look like.

Packets are sorted and folded many at a time. What waits for an answer is bounded in number.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from knockwatch.sources._capture_files import Frames
from knockwatch.sources._network_headers import Truths
from knockwatch.sources._open_connections import Columns, OpenConnections, joined, where
from knockwatch.sources._packet_keys import by_key, keys_of
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
from knockwatch.sources._packets import ACK, REPLIES, RST, SYN, TCP, UDP, Packets, packets_of
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


@dataclass(frozen=True)
class Prepared:
    """A piece of a capture before its packets are folded.

    Parameters
    ----------
    bad
        For each frame 0, or why it could not be read (`knockwatch.sources._packets.REASONS`).
    now_us
        What time it was: that of the frame in the middle.
    """

    bad: npt.NDArray[np.int8]
    now_us: int


Piece = TypeVar("Piece", bound=Prepared)


class Connections(ABC, Generic[Piece]):
    """The connections of one capture, as far as they have not ended."""

    def __init__(self) -> None:
        # Crafted addresses must not be able to meet under one key.
        self._seed = np.uint64(secrets.randbits(64))
        self._ended: list[Columns] = []

    @abstractmethod
    def prepare(self, frames: Frames) -> Piece:
        """Read the packets of a piece: what can be done before its turn comes."""

    @abstractmethod
    def take(self, piece: Piece) -> None:
        """Take the packets of the next piece."""

    @abstractmethod
    def _all(self) -> list[Columns]:
        """Take out all connections that are held."""

    def ended(self) -> Columns:
        """Give the connections that have ended, once they are many."""
        return self._taken(_ROWS_AT_ONCE)

    def rest(self) -> Columns:
        """Give all connections that are left."""
        self._end(*self._all())
        return self._taken(0)

    def _end(self, *parts: Columns) -> None:
        """Note connections that have ended."""
        self._ended += [part for part in parts if part and len(part["key"])]

    def _taken(self, least: int) -> Columns:
        """Take what has ended, if it is so much."""
        if sum(len(part["key"]) for part in self._ended) < least:
            return {}
        ended, self._ended = self._ended, []
        return joined(*ended)


@dataclass(frozen=True)
class Sortable(Prepared):
    """The packets of a piece, each with the columns of a connection that consists of it, and their payloads."""

    packets: Columns
    payloads: Payloads


class PacketConnections(Connections[Sortable]):
    """Connections that packets become by being sorted, whole columns at a time."""

    def __init__(self) -> None:
        super().__init__()
        # Those whose answer may still come, and those that were answered and may last.
        self._waiting, self._lasting = OpenConnections(), OpenConnections()

    def prepare(self, frames: Frames) -> Sortable:
        """Make of each packet a connection that consists of it."""
        packets, bad = packets_of(frames)
        return Sortable(
            bad, middle(frames), columns_of(frames, packets, self._seed), payloads_of(frames.data, packets)
        )

    def take(self, piece: Sortable) -> None:
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

    def _all(self) -> list[Columns]:
        """Take out all connections that are held."""
        return [self._waiting.all(), self._lasting.all()]

    def _give_up(self, now_us: int) -> None:
        """End the connections that are held no longer: silent for too long, or too many."""
        self._end(self._waiting.silent(now_us - PATIENCE_US), self._lasting.silent(now_us - TCP_PATIENCE_US))
        for held, most in ((self._waiting, OPEN_CONNECTIONS), (self._lasting, OPEN_CONNECTIONS)):
            self._end(held.oldest(len(held) - most))


def middle(frames: Frames) -> int:
    """Tell what time it was when a piece was captured."""
    return int(np.median(frames.time_us[::_FEW])) if len(frames.time_us) else 0


def columns_of(frames: Frames, packets: Packets, seed: np.uint64) -> Columns:
    """Give each packet the columns of a connection that consists of it, and the key of its connection."""
    columns: Columns = {name: getattr(packets, name) for name in _COPIED}
    columns["line"] = columns["last_line"] = frames.number[packets.frame]
    columns["time_us"] = columns["last_us"] = frames.time_us[packets.frame]
    columns["key"], forward = keys_of(packets, seed)
    # An error speaks for the side that its packet was sent to.
    columns["forward"] = forward ^ packets.error
    return columns


def _fold(told: Columns, fresh: Columns, payloads: Payloads) -> tuple[Columns, Truths]:
    """Fold packets into connections, those already open first.

    Returns
    -------
    tuple
        The connections in the order of their keys, and which of them another one with the same key has followed.
    """
    before, size = len(told.get("key", ())), len(fresh["key"]) + len(told.get("key", ()))
    order, keys = by_key(np.append(told["key"], fresh["key"]) if told else fresh["key"])
    packets = {name: (np.append(told[name], fresh[name]) if told else fresh[name])[order] for name in _SORTED}
    packets["told"] = order < before
    begins = _begins(packets, np.append(False, keys[1:] == keys[:-1]))
    at = np.flatnonzero(begins)
    mine = packets["forward"] == np.repeat(packets["forward"][at], np.diff(at, append=size))
    folded = _picked(told, fresh, _FIRST, order[at], before)
    folded |= _picked(told, fresh, ("last_line", "last_us"), order[np.append(at[1:], size) - 1], before)
    folded |= _summed(packets, mine, at)
    if before:
        places = np.flatnonzero(packets["told"])
        group, rows = np.searchsorted(at, places, side="right") - 1, order[places]
        for name in SUMS:
            folded[name][group] += told[name][rows]
        folded["seen"][group] |= told["seen"][rows]
    has = np.append(told["payload_length"] > 0 if told else np.zeros(0, np.bool_), payloads.present)[order]
    own = has & (packets["told"] | (mine & ~packets["error"]))
    places = np.append(np.flatnonzero(own), size)
    chosen = places[np.searchsorted(places, at)]
    found = chosen < np.append(at[1:], size)
    folded |= _facts(told, payloads, np.where(found, order[np.minimum(chosen, size - 1)], -1), before)
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
    tcp, syn, error = packets["protocol"] == TCP, is_syn(packets), packets["error"]
    begins = np.zeros(len(same), dtype=np.bool_)
    # Most packets are TCP's within a connection: whatever they follow, unless it is an error, they begin none.
    some = np.flatnonzero(syn | ~same | ~tcp | error | np.append(False, error[:-1]))
    pause = packets["time_us"][some] - packets["last_us"][some - 1]
    same, tcp, syn, error = same[some], tcp[some], syn[some], error[some]
    seq, forward = packets["seq"][some], packets["forward"][some]
    start = _last(~same)
    ahead, back = _last_before(syn & forward), _last_before(syn & ~forward)
    alike, other = np.where(forward, ahead, back), np.where(forward, back, ahead)
    another = np.where(alike >= start, seq[alike] != seq, other < start)
    again = syn & (another | (pause > SYN_SILENCE_US))
    # An error about a packet that nobody saw belongs to none that comes later.
    first = _last_before(~error) < start
    begins[some] = first | again | (~tcp & ~error & (pause > SILENCE_US))
    return begins


def _last_before(mask: Truths) -> Integers:
    """Give, for each place, the last one before it where a mask holds; -1 where there is none."""
    return np.append(-1, _last(mask)[:-1])


def _last(mask: Truths) -> Integers:
    """Give, for each place, the last one up to it where a mask holds; -1 where there is none."""
    places: Integers = np.arange(1, len(mask) + 1) * mask
    return np.maximum.accumulate(places) - 1


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
        (answer & (udp | replies | (tcp & (flags & (SYN | ACK) == SYN | ACK)))) * np.uint8(ANSWERED)
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
