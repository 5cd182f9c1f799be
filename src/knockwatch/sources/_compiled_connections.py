"""Packets to connections by compiled loops: the same as `_packet_connections` by other means, for large captures.

Import this only where `knockwatch._compiled.worthwhile` says so.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from knockwatch.sources import _packet_connections as sorting
from knockwatch.sources import _packet_loops as loops
from knockwatch.sources._capture_files import Frames
from knockwatch.sources._open_connections import Columns
from knockwatch.sources._packet_connections import Connections, Prepared, columns_of, middle
from knockwatch.sources._packet_rows import ANSWERED, SUMS
from knockwatch.sources._packets import TCP, packets_of
from knockwatch.sources._payloads import FACTS, LONGEST, alphabets, entropy, xlogx
from knockwatch.sources._record_chains import Chain, Integers, Rule

_FIRST = (
    "key", "line", "time_us", "protocol", "source_high", "source_low", "destination_high", "destination_low",
    "source_port", "destination_port", "seq", "ack", "window", "icmp_type", "icmp_code", "ttl", "ip_id",
    "length",
)  # fmt: skip
"""What a connection's row has of its first packet."""
_STATE = ("seen", *SUMS, *(name for name in FACTS if name != "payload_entropy"))
_SLOTS = 1 << 16


def follow(data: loops.Octets, size: int, begin: int, rule: Rule) -> Chain:
    """Follow the chain of records that begins at `begin`; see `knockwatch.sources._record_chains.follow`."""
    at = np.empty(max(size - begin, 0) // rule.shortest + 1, dtype=np.int64)
    count, end, damaged = loops.walk(
        data,
        size,
        begin,
        rule.order == ">",
        rule.size_at,
        rule.added,
        rule.least,
        rule.most,
        rule.multiple,
        at,
    )
    return Chain(at[:count], end, damaged)


@dataclass(frozen=True)
class _Records(Prepared):
    """The packets of a piece as records, in the order of their frames, and its bytes."""

    packets: loops.Records
    data: loops.Octets


class CompiledConnections(Connections[_Records]):
    """Connections that packets become one by one, by a loop over an index of keys.

    Slots hold the connections; `_free` begins with the `_left` slots that hold none.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pieces = self._left = 0
        self._first, self._states = _records(0, loops.PACKET), _records(0, loops.STATE)
        self._free = np.zeros(0, dtype=np.int64)
        self._index()
        self._xlogx, self._alphabets = xlogx(LONGEST), alphabets()
        self._counts = np.zeros(256, dtype=np.int64)

    def prepare(self, frames: Frames) -> _Records:
        """Read the common packets in a loop, and the others as `_packets` does."""
        packets, odd = _records(len(frames.start), loops.PACKET), np.empty(len(frames.start), dtype=np.bool_)
        count = loops.read_packets(
            frames.data, frames.start, frames.captured, frames.link, frames.number, frames.time_us,
            self._seed, packets, odd,
        )  # fmt: skip
        bad, left = np.zeros(len(odd), dtype=np.int8), np.flatnonzero(odd)
        packets = packets[:count]
        if len(left):
            others, bad[left] = self._others(frames, left)
            packets = np.concatenate([packets, others]).view(np.recarray)
            packets = _picked(packets, np.argsort(packets["frame"], kind="stable"))
        return _Records(bad, middle(frames), packets, frames.data)

    def _others(self, frames: Frames, chosen: Integers) -> tuple[loops.Records, npt.NDArray[np.int8]]:
        """Read chosen frames in columns; say of each why it could not be read, if so."""
        columns = {
            one.name: getattr(frames, one.name)[chosen] for one in fields(frames) if one.name != "data"
        }
        some = replace(frames, **columns)
        packets, bad = packets_of(some)
        found = {**vars(packets), **columns_of(some, packets, self._seed), "frame": chosen[packets.frame]}
        found["tcp_flags"] = packets.flags
        records = _records(len(packets.frame), loops.PACKET)
        for name in loops.PACKET.names or ():
            records[name] = found[name]
        return records, bad

    def take(self, piece: _Records) -> None:
        """Take the packets of the next piece."""
        packets = piece.packets
        if not len(packets):
            return
        self._make_room(len(packets))
        self._pieces += 1
        followed = np.empty(len(packets), dtype=np.int64)
        self._left, count = loops.fold(
            packets, piece.data, self._pieces, sorting.SYN_SILENCE_US, sorting.SILENCE_US, self._keys, self._slots,
            self._first, self._states, self._free, self._left, followed, self._xlogx, self._alphabets, self._counts,
        )  # fmt: skip
        self._release(followed[:count])
        self._give_up(piece.now_us)

    def _give_up(self, now_us: int) -> None:
        """End the connections that are held no longer: silent for too long, or too many."""
        silent = np.empty(len(self._states), dtype=np.int64)
        count, *held = loops.give_up(
            self._states, self._first, now_us - sorting.PATIENCE_US, now_us - sorting.TCP_PATIENCE_US, silent
        )
        self._forget(silent[:count])
        for lasting, many in enumerate(held):
            if many > sorting.OPEN_CONNECTIONS:
                self._forget(self._oldest(many - sorting.OPEN_CONNECTIONS, lasting=bool(lasting)))

    def _oldest(self, count: int, *, lasting: bool) -> Integers:
        """Choose connections of a kind that were heard of longest ago in the file."""
        slots = np.flatnonzero(self._states["live"])
        states = self._states[slots]
        lasts = (self._first["protocol"][slots] == TCP) & (states["seen"] & ANSWERED > 0)
        slots, lines = slots[lasts == lasting], states["last_line"][lasts == lasting]
        oldest: Integers = slots[np.argpartition(lines, count - 1)[:count]]
        return oldest

    def _all(self) -> list[Columns]:
        """Take out all connections that are held."""
        self._forget(np.flatnonzero(self._states["live"]))
        return []

    def _forget(self, slots: Integers) -> None:
        """End connections that are in the index."""
        loops.forget_all(self._keys, self._slots, self._first, self._states, slots)
        self._release(slots)

    def _release(self, slots: Integers) -> None:
        """Note connections that have ended, and let others have their slots."""
        first, states = _picked(self._first, slots), _picked(self._states, slots)
        columns = {name: first[name] for name in _FIRST} | {name: states[name] for name in _STATE}
        columns["flags"] = first["tcp_flags"]
        there = np.flatnonzero(states["payload_captured"])
        columns["payload_entropy"] = np.zeros(len(slots))
        columns["payload_entropy"][there] = entropy(states["xlogx"][there], states["payload_captured"][there])
        self._end(columns)
        self._free[self._left : self._left + len(slots)] = slots
        self._left += len(slots)

    def _make_room(self, count: int) -> None:
        """Make sure that so many slots are free."""
        missing = count - self._left
        if missing <= 0:
            return
        size = len(self._states)
        more = max(missing, size, _SLOTS)
        self._first = _longer(self._first, more)
        self._states = _longer(self._states, more)
        free = np.empty(size + more, dtype=np.int64)
        # The slots taken first are those that were used before, then the lowest: memory nobody needs is not touched.
        free[:more], free[more : more + self._left] = (
            np.arange(size + more - 1, size - 1, -1),
            self._free[: self._left],
        )
        self._free, self._left = free, self._left + more
        self._index()

    def _index(self) -> None:
        """Make the index anew, more than twice as large as there are slots."""
        size = 2 << len(self._states).bit_length()
        self._keys, self._slots = np.zeros(size, dtype=np.uint64), np.full(size, -1, dtype=np.int64)
        loops.index(self._keys, self._slots, self._first, self._states)


def _records(count: int, kind: np.dtype[np.void]) -> loops.Records:
    """Make records, of which nothing is known."""
    return np.empty(count, dtype=kind).view(np.recarray)


def _longer(records: loops.Records, more: int) -> loops.Records:
    """Add records, all zeros, to those there are."""
    longer = np.zeros(len(records) + more, dtype=records.dtype).view(np.recarray)
    longer[: len(records)] = records
    return longer


def _picked(records: loops.Records, chosen: Integers) -> loops.Records:
    """Pick records; as bytes they are copied at once, not field by field."""
    kind = records.dtype
    return records.view(f"V{kind.itemsize}").view(np.ndarray)[chosen].view(kind).view(np.recarray)
