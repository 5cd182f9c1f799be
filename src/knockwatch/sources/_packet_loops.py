"""Compiled loops over captures: records to frames, frames to packets, packets to connections, in one pass each.

What they say is what `_record_chains`, `_packets`, `_packet_connections` and `_payloads` say, where the common case
is decided; a frame that is not common is left to those. Import this only where `knockwatch._compiled.worthwhile`
says so. Every place is looked at before it is read: machine code checks no bounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from knockwatch._compiled import compiled
from knockwatch.sources._packet_rows import (
    ACKNOWLEDGED,
    ANSWERED,
    PROHIBITED,
    REPLIED,
    RESET,
    UNREACHABLE,
)
from knockwatch.sources._packets import ACK, ICMP, ICMP6, RST, SYN, TCP, UDP
from knockwatch.sources._payloads import HEAD_BYTES, LONGEST
from knockwatch.sources._record_chains import Integers

Records = Any
"""Arrays of records whose fields are attributes (`numpy.recarray`), which typing does not know."""
Octets = npt.NDArray[np.uint8]
Whole = Any
"""A whole number of 64 bits: Python's or NumPy's, which machine code does not tell apart."""

PACKET = np.dtype(
    [
        ("key", "u8"), ("source_high", "u8"), ("source_low", "u8"), ("destination_high", "u8"),
        ("destination_low", "u8"), ("line", "i8"), ("time_us", "i8"), ("seq", "i8"), ("ack", "i8"),
        ("payload_at", "i8"), ("frame", "i4"), ("source_port", "i4"), ("destination_port", "i4"), ("window", "i4"),
        ("ip_id", "i4"), ("length", "i4"), ("payload_length", "i4"), ("payload_captured", "i4"),
        ("icmp_type", "i2"), ("icmp_code", "i2"), ("protocol", "u1"), ("tcp_flags", "u1"), ("ttl", "u1"),
        ("forward", "u1"), ("error", "u1"), ("prohibited", "u1"),
    ],
    align=True,
)  # fmt: skip
"""A packet, as `_packets.Packets` has it, with the key of its connection and its direction.

Its `flags` have another name, since an array's records have flags of their own.
"""
STATE = np.dtype(
    [
        ("last_line", "i8"), ("last_us", "i8"), ("packets_sent", "i8"), ("packets_received", "i8"),
        ("bytes_sent", "i8"), ("bytes_received", "i8"), ("xlogx", "i8"), ("payload_length", "i8"),
        ("payload_captured", "i8"), ("forth_seq", "i8"), ("back_seq", "i8"), ("piece", "i8"),
        ("payload_head_length", "i8"), ("payload_head", "u1", (HEAD_BYTES,)), ("payload_alphabet", "i1"),
        ("seen", "u1"), ("live", "u1"),
    ],
    align=True,
)  # fmt: skip
"""What is known of a connection beside its first packet.

`forth_seq` and `back_seq` are of the last SYN each way that this `piece` of the capture had, -1 for none.
"""

_TCP, _UDP, _ICMP, _ICMP6 = np.uint8(TCP), np.uint8(UDP), np.uint8(ICMP), np.uint8(ICMP6)
_SYN, _SYN_ACK, _ASKS, _RST, _ACK = SYN, SYN | ACK, SYN | ACK | RST, RST, ACK
_MAPPED = np.uint64(0xFFFF << 32)
_NO, _COMMON, _ODD = 0, 1, 2
_IPV4, _IPV6 = 0x0800, 0x86DD
_ETHERNET, _SLL, _SLL2, _NULL, _LOOP = 1, 113, 276, 0, 108
_TAGS_MOST = 3
_NOTHING = -1
_ONLY_SIX = (0, 43, 44, 51, 60, 135)
"""What may stand between IPv6 and what it carries."""
_READ = (TCP, UDP, ICMP, ICMP6, 4, 41, 47, *_ONLY_SIX)
"""Protocols that something is read of, be it what they carry."""


@compiled
def walk(
    data: Octets, size: int, begin: int, big: int, size_at: int, added: int, least: int, most: int,
    multiple: int, at: Integers,
) -> tuple[int, int, bool]:  # fmt: skip
    """Follow a chain of records; see `_record_chains.follow`, and `Rule` for what it is told.

    Returns
    -------
    tuple
        How many places were written to `at`, where the first record begins that is not there, and whether it is
        damaged. It stops early where `at` is full.
    """
    size = min(size, len(data))
    count, position = 0, begin
    while 0 <= position < size - size_at - 3 and count < len(at):
        place = position + size_at
        length: Whole = np.int64(0)
        for byte in range(4):
            length = length << 8 | np.int64(data[place + byte if big else place + 3 - byte])
        if length < least or length > most or length % multiple != 0:
            return count, position, True
        if position + added + length > size:
            break
        at[count] = position
        count += 1
        position += added + length
    return count, position, False


@compiled
def two(data: Octets, at: Whole) -> Whole:
    """Read a big-endian 16-bit number."""
    return np.int64(data[at]) << 8 | np.int64(data[at + 1])


@compiled
def four(data: Octets, at: Whole) -> Whole:
    """Read a big-endian 32-bit number."""
    return two(data, at) << 16 | two(data, at + 2)


@compiled
def eight(data: Octets, at: Whole) -> np.uint64:
    """Read a big-endian 64-bit number."""
    return np.uint64(four(data, at)) << np.uint64(32) | np.uint64(four(data, at + 4))


@compiled
def mixed(key: np.uint64) -> np.uint64:
    """Spread the bits of a key; see `_packet_keys`."""
    key = (key ^ key >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ key >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return key ^ key >> np.uint64(31)


@compiled
def network_of(data: Octets, start: int, end: int, link: int) -> tuple[Whole, Whole]:
    """Find where a frame's IP header begins, and its version: `_NOTHING` for no IP, 0 for what is not common."""
    if link in (_ETHERNET, _SLL, _SLL2):
        header, kind = (14, 12) if link == _ETHERNET else (16, 14) if link == _SLL else (20, 0)
        at = start + header
        if at > end:
            return at, 0
        ether = two(data, start + kind)
        for _ in range(_TAGS_MOST):
            if ether not in (0x8100, 0x88A8, 0x9100):
                break
            if at + 4 > end:
                return at, 0
            ether = two(data, at + 2)
            at += 4
        if ether in (_IPV4, _IPV6):
            return at, 4 if ether == _IPV4 else 6
        # PPPoE sessions and MPLS labels carry IP further on.
        return at, 0 if ether in (0x8864, 0x8847, 0x8848) else _NOTHING
    if link in (_NULL, _LOOP):
        at = start + 4
    elif link in (12, 14, 101, 228, 229):
        at = start
    else:
        return start, 0
    return at, np.int64(data[at]) >> 4 if at < end else 0


@compiled
def read_network(data: Octets, at: Whole, end: int, version: int, packet: Any) -> tuple[Whole, Whole, Whole]:
    """Read an IP header that begins somewhere in what was captured up to `end`.

    Returns
    -------
    tuple
        What it is, where what it carries begins, and where that ends on the wire.
    """
    least = 20 if version == 4 else 40
    if version not in (4, 6) or at + least > end or np.int64(data[at]) >> 4 != version:
        return _ODD, at, at
    if version == 4:
        header: Whole = (np.int64(data[at]) & 15) * 4
        length = two(data, at + 2)
        if header < 20 or at + header > end or length < header:
            return _ODD, at, at
        if two(data, at + 6) & 0x1FFF > 0:
            # Of a fragment, the packet's beginning is elsewhere.
            return _NO, at, at
        packet.protocol, packet.ttl, packet.ip_id = data[at + 9], data[at + 8], two(data, at + 4)
        packet.source_high = packet.destination_high = np.uint64(0)
        packet.source_low = _MAPPED | np.uint64(four(data, at + 12))
        packet.destination_low = _MAPPED | np.uint64(four(data, at + 16))
    else:
        header, length = 40, two(data, at + 4)
        if length == 0:
            return _ODD, at, at
        length += 40
        packet.protocol, packet.ttl, packet.ip_id = data[at + 6], data[at + 7], _NOTHING
        packet.source_high, packet.source_low = eight(data, at + 8), eight(data, at + 16)
        packet.destination_high, packet.destination_low = eight(data, at + 24), eight(data, at + 32)
    packet.length = length
    return _COMMON, at + header, at + length


@compiled
def read_header(data: Octets, at: int, end: int, version: int, packet: Any) -> Whole:
    """Read the header of a packet above IP that begins somewhere: its length, 0 or `_NOTHING` as in `network_of`."""
    protocol = packet.protocol
    packet.tcp_flags, packet.seq, packet.ack, packet.window = 0, _NOTHING, _NOTHING, _NOTHING
    packet.icmp_type = packet.icmp_code = _NOTHING
    header: Whole = 0
    # Of a TCP header that a snapshot length cuts, what stands before the checksum is enough.
    if protocol == _TCP and at + 16 <= end:
        packet.seq, packet.ack, packet.window = four(data, at + 4), four(data, at + 8), two(data, at + 14)
        packet.tcp_flags = data[at + 13] & np.uint8(0x3F)
        header = (np.int64(data[at + 12]) >> 4) * 4
        header = header if header >= 20 else 0
    elif protocol == _UDP and at + 8 <= end:
        # VXLAN and GENEVE carry packets.
        header = 0 if two(data, at + 2) in (4789, 8472, 6081) else 8
    elif protocol == (_ICMP if version == 4 else _ICMP6) and at + 8 <= end:
        packet.icmp_type, packet.icmp_code = data[at], data[at + 1]
        header = 8
    elif protocol not in _READ or (version == 4 and protocol in _ONLY_SIX):
        header = _NOTHING
    return header


@compiled
def read_packet(data: Octets, start: int, end: int, link: int, packet: Any) -> Whole:
    """Read the headers of one frame into a packet; say whether it is one, none, or not common."""
    begin, version = network_of(data, start, end, link)
    if version == _NOTHING:
        return _NO
    kind, at, stop = read_network(data, begin, end, version, packet)
    if kind != _COMMON:
        return kind
    packet.error = packet.prohibited = 0
    header = read_header(data, at, end, version, packet)
    payload = at + header
    if header <= 0 or payload > stop:
        return _NO if header == _NOTHING else _ODD
    packet.payload_at, packet.payload_length = payload, stop - payload
    packet.payload_captured = max(min(end, stop) - payload, 0)
    packet.source_port, packet.destination_port = two(data, at), two(data, at + 2)
    if packet.icmp_type == _NOTHING:
        return _COMMON
    packet.source_port, packet.destination_port = two(data, at + 4), stop - payload
    return read_icmp(data, payload, end, version, packet)


@compiled
def read_icmp(data: Octets, at: int, end: int, version: int, packet: Any) -> int:
    """Put in the place of an ICMP error what it is about; see `_packets._errors`."""
    kind, code = packet.icmp_type, packet.icmp_code
    if kind != (3 if version == 4 else 1) or (version == 4 and code == 4):
        return _COMMON if kind in (0, 8, 13, 14, 15, 16, 17, 18, 128, 129) else _NO
    ttl, ip_id, length = packet.ttl, packet.ip_id, packet.length
    inner, begin, stop = read_network(data, at, end, version, packet)
    packet.ttl, packet.ip_id, packet.length = ttl, ip_id, length
    protocol = packet.protocol
    echo = protocol == (_ICMP if version == 4 else _ICMP6)
    # What cannot be read here, others look at.
    if inner != _COMMON or begin + 8 > end or not (echo or protocol in (_TCP, _UDP)):
        return _ODD
    packet.error = 1
    packet.prohibited = code in (9, 10, 13) if version == 4 else code in (1, 5, 6)
    packet.source_port, packet.destination_port = two(data, begin), two(data, begin + 2)
    if echo:
        packet.source_port, packet.destination_port = two(data, begin + 4), stop - begin - 8
    return _COMMON


@compiled
def sign(packet: Any, seed: np.uint64) -> None:
    """Give a packet the key of its connection, and its direction; see `_packet_keys.keys_of`."""
    high, low, to_high, to_low = (
        packet.source_high, packet.source_low, packet.destination_high, packet.destination_low,
    )  # fmt: skip
    port, to_port = np.uint64(packet.source_port), np.uint64(packet.destination_port)
    icmp = packet.protocol in (_ICMP, _ICMP6)
    same_host = high == to_high and low == to_low
    forward = (
        high < to_high or (high == to_high and low < to_low) or (same_host and (icmp or port <= to_port))
    )
    if not forward:
        high, low, to_high, to_low = to_high, to_low, high, low
        if not icmp:
            port, to_port = to_port, port
    ports = port << np.uint64(32) | to_port << np.uint64(8) | np.uint64(packet.protocol)
    key = mixed(mixed(mixed(mixed(mixed(seed ^ high) ^ to_high) ^ low) ^ to_low) ^ ports)
    # An error speaks for the side that its packet was sent to.
    packet.key, packet.forward = key, 1 if forward != (packet.error > 0) else 0


@compiled
def read_packets(
    data: Octets, start: Integers, captured: Integers, link: Integers, number: Integers, time_us: Integers,
    seed: np.uint64, packets: Records, odd: npt.NDArray[np.bool_],
) -> int:  # fmt: skip
    """Read the headers of frames into `packets`, and say in `odd` which frames are left to others.

    Returns
    -------
    int
        How many packets there are.
    """
    count = 0
    for frame in range(len(start)):
        first, size = start[frame], captured[frame]
        odd[frame] = True
        if first < 0 or size < 0 or size > len(data) - first:
            continue
        packet = packets[count]
        kind = read_packet(data, first, first + size, link[frame], packet)
        odd[frame] = kind == _ODD
        if kind == _COMMON:
            packet.frame, packet.line, packet.time_us = frame, number[frame], time_us[frame]
            sign(packet, seed)
            count += 1
    return count


@compiled
def place_of(keys: npt.NDArray[np.uint64], slots: Integers, key: np.uint64) -> Whole:
    """Find the place of a key in the index, or the free one where it would stand."""
    # Keys are mixed with a secret: nobody can choose addresses that stand in one row.
    mask = np.uint64(len(slots) - 1)
    place = key & mask
    while slots[place] != _NOTHING and keys[place] != key:
        place = (place + np.uint64(1)) & mask
    return np.int64(place)


@compiled
def index(keys: npt.NDArray[np.uint64], slots: Integers, first: Records, states: Records) -> None:
    """Put connections into an index that is empty, and larger than they are many."""
    for slot in range(len(states)):
        if states[slot].live:
            place = place_of(keys, slots, first[slot].key)
            keys[place], slots[place] = first[slot].key, slot


@compiled
def forget(keys: npt.NDArray[np.uint64], slots: Integers, key: np.uint64) -> None:
    """Take a key out of the index; those behind it move up, so that each is found from its own place on."""
    mask = len(slots) - 1
    hole = place_of(keys, slots, key)
    if slots[hole] == _NOTHING:
        return
    place = hole
    while True:
        place = (place + 1) & mask
        if slots[place] == _NOTHING:
            break
        home = np.int64(keys[place] & np.uint64(mask))
        if (place - home) & mask >= (place - hole) & mask:
            keys[hole], slots[hole] = keys[place], slots[place]
            hole = place
    slots[hole] = _NOTHING


@compiled
def describe(
    data: Octets, packet: Any, state: Any, xlogx: Integers, alphabets: Octets, counts: Integers
) -> None:
    """Note the payload of a packet as its connection's: see `_payloads.Payloads`.

    `xlogx` is of numbers up to the longest payload that is looked at; `alphabets` gives the narrowest alphabet of each
    byte's value; `counts` has a place for each, where its bytes are counted, and is all zeros before and after.
    """
    begin = packet.payload_at
    size = min(packet.payload_captured, LONGEST, len(data) - begin)
    state.payload_length = packet.payload_length
    if size <= 0 or begin < 0:
        return
    for place in range(begin, begin + size):
        counts[data[place]] += 1
    total, alphabet = np.int64(0), np.uint8(0)
    for value in range(256):
        if counts[value]:
            total += xlogx[counts[value]]
            counts[value] = 0
            alphabet = max(alphabet, alphabets[value])
    state.xlogx, state.payload_captured, state.payload_alphabet = total, size, alphabet
    state.payload_head_length = min(size, HEAD_BYTES)
    for place in range(min(size, HEAD_BYTES)):
        state.payload_head[place] = data[begin + place]


@compiled
def add(packet: Any, begun: Any, state: Any) -> None:
    """Add a packet to its connection, which another one has `begun`; see `_packet_connections._summed`."""
    mine = packet.forward == begun.forward
    state.last_line, state.last_us = packet.line, packet.time_us
    if packet.error:
        if not mine:
            state.seen |= np.uint8(PROHIBITED if packet.prohibited else UNREACHABLE)
        return
    protocol, flags = packet.protocol, packet.tcp_flags
    if mine:
        state.packets_sent += 1
        state.bytes_sent += packet.length
        if protocol == _TCP and flags & np.uint8(_ASKS) == _ACK:
            state.seen |= np.uint8(ACKNOWLEDGED)
        return
    state.packets_received += 1
    state.bytes_received += packet.length
    if protocol == _TCP:
        state.seen |= np.uint8(REPLIED)
        if flags & np.uint8(_SYN_ACK) == _SYN_ACK:
            state.seen |= np.uint8(ANSWERED)
        if flags & np.uint8(_RST):
            state.seen |= np.uint8(RESET)
    elif protocol == _UDP or packet.icmp_type in (0, 14, 16, 18, 129):
        state.seen |= np.uint8(ANSWERED | REPLIED)


@compiled
def open_state(state: Any, piece: int) -> None:
    """Make the state of a connection that has no packet yet."""
    state.piece = piece
    state.packets_sent = state.packets_received = state.bytes_sent = state.bytes_received = 0
    state.xlogx = state.payload_length = state.payload_captured = state.payload_head_length = 0
    state.payload_alphabet, state.seen, state.live = 0, 0, 1
    for place in range(HEAD_BYTES):
        state.payload_head[place] = 0


@compiled
def asks(packet: Any) -> bool:
    """Say whether a packet asks for a TCP connection; see `_packet_rows.is_syn`."""
    return bool(packet.protocol == _TCP and packet.tcp_flags & np.uint8(_ASKS) == _SYN)


@compiled
def enter_piece(state: Any, begun: Any, piece: int) -> None:
    """Forget, in a new piece, which SYNs came in earlier ones: only the first packet of the connection is known."""
    if state.piece != piece:
        asked = asks(begun)
        state.forth_seq = begun.seq if asked and begun.forward else _NOTHING
        state.back_seq = begun.seq if asked and not begun.forward else _NOTHING
        state.piece = piece


@compiled
def begins(packet: Any, state: Any, syn_silence_us: int, silence_us: int) -> bool:
    """Say whether a packet begins another connection than the last with its key; see `_packet_connections._begins`."""
    pause = packet.time_us - state.last_us
    if asks(packet):
        alike, other = state.back_seq, state.forth_seq
        if packet.forward:
            alike, other = other, alike
        another = alike != packet.seq if alike != _NOTHING else other == _NOTHING
        return bool(another or pause > syn_silence_us)
    return bool(packet.protocol != _TCP and not packet.error and pause > silence_us)


@compiled
def fold(
    packets: Records, data: Octets, piece: int, syn_silence_us: int, silence_us: int,
    keys: npt.NDArray[np.uint64], slots: Integers, first: Records, states: Records, free: Integers, left: int,
    ended: Integers, xlogx: Integers, alphabets: Octets, counts: Integers,
) -> tuple[int, int]:  # fmt: skip
    """Fold the packets of a piece into connections; see `_packet_connections._fold`.

    `keys` and `slots` are the index, larger than the connections can become; `first` and `states` the connections;
    `free` has `left` slots for at least as many connections as there are packets; `ended` takes the slots of
    connections that another one with the same key has followed.

    Returns
    -------
    tuple
        How many slots are left, and how many connections have ended.
    """
    count = 0
    for index in range(len(packets)):
        packet = packets[index]
        place = place_of(keys, slots, packet.key)
        slot = slots[place]
        forth_seq = back_seq = _NOTHING
        if slot != _NOTHING:
            enter_piece(states[slot], first[slot], piece)
            forth_seq, back_seq = states[slot].forth_seq, states[slot].back_seq
        elif packet.error:
            # An error about a packet that nobody saw is no connection.
            continue
        if slot == _NOTHING or begins(packet, states[slot], syn_silence_us, silence_us):
            if left <= 0 or count >= len(ended):
                break
            if slot != _NOTHING:
                states[slot].live = 0
                ended[count] = slot
                count += 1
            left -= 1
            slot = free[left]
            keys[place], slots[place] = packet.key, slot
            first[slot] = packet
            open_state(states[slot], piece)
        state, begun = states[slot], first[slot]
        if asks(packet):
            forth_seq = packet.seq if packet.forward else forth_seq
            back_seq = back_seq if packet.forward else packet.seq
        state.forth_seq, state.back_seq = forth_seq, back_seq
        add(packet, begun, state)
        tells = packet.forward == begun.forward and not packet.error
        if tells and packet.payload_length > 0 and state.payload_length == 0:
            describe(data, packet, state, xlogx, alphabets, counts)
    return left, count


@compiled
def give_up(
    states: Records, first: Records, before_us: int, tcp_before_us: int, ended: Integers
) -> tuple[int, int, int]:
    """Find the connections that have been silent since before some times, and count what is left of both kinds."""
    count = waiting = lasting = 0
    for slot in range(len(states)):
        state = states[slot]
        if not state.live:
            continue
        lasts = first[slot].protocol == _TCP and state.seen & np.uint8(ANSWERED) > 0
        if state.last_us < (tcp_before_us if lasts else before_us) and count < len(ended):
            ended[count] = slot
            count += 1
        elif lasts:
            lasting += 1
        else:
            waiting += 1
    return count, waiting, lasting


@compiled
def forget_all(
    keys: npt.NDArray[np.uint64], slots: Integers, first: Records, states: Records, ended: Integers
) -> None:
    """Take connections out of the index."""
    for place in range(len(ended)):
        slot = ended[place]
        states[slot].live = 0
        forget(keys, slots, first[slot].key)
