"""Frames made of what an export tells of packets, as a capture has them, so that they are read as a capture is.

Only what `packets_of` looks at is there: addresses, ports, flags, lengths, the begin of a payload.
"""

from __future__ import annotations

import struct
from ipaddress import ip_address

import numpy as np
import numpy.typing as npt
import polars as pl

Integers = npt.NDArray[np.int64]
Octets = npt.NDArray[np.uint8]

HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
"""A pcap file's, with times in microseconds and Ethernet (draft-ietf-opsawg-pcap)."""
ETHERNET = 14
_RECORD = 16
_IP, _IP6, _UDP, _TCP, _ICMP = 20, 40, 8, 20, 8
_LONGEST_TCP = 60
_LENGTH_MOST = 0xFFFF
_QUOTED = 8
"""Bytes of the quoted packet's payload that an ICMP error must have (RFC 792)."""
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmp6": 58}
_NUMBERS = (
    "time_us", "length", "payload_length", "ttl", "ip_id", "port", "to_port", "flags", "seq", "ack", "window",
    "icmp_type", "icmp_code", "icmp_ident",
)  # fmt: skip


def frames(packets: pl.DataFrame) -> bytes:
    """Make frames.

    Parameters
    ----------
    packets
        For each packet, in order: `kind` (tcp, udp, icmp, icmp6; null: a frame that tells nothing), `source`,
        `destination` (addresses), `error` (whether it is an ICMP error about such a packet, its `error_code`), the
        numbers `_NUMBERS`, null where unknown, and `payload` (binary). `length` is the IP packet's.

    Returns
    -------
    bytes
        Records of a pcap file.
    """
    made = _Frames(packets)
    made.link()
    made.network()
    made.transport()
    made.payloads()
    return made.data.tobytes()


class _Frames:
    """Room for frames, and their parts at their places."""

    def __init__(self, packets: pl.DataFrame) -> None:
        self.packets = packets
        self.number = {name: packets[name].cast(pl.Int64).fill_null(0).to_numpy() for name in _NUMBERS}
        kind = packets["kind"].replace_strict(PROTOCOLS, default=0, return_dtype=pl.Int64)
        self.protocol = kind.fill_null(0).to_numpy()
        self.error = packets["error"].fill_null(value=False).to_numpy() & (self.protocol > 0)
        self.six = packets["source"].str.contains(":", literal=True).fill_null(value=False).to_numpy()
        self.told = packets["payload"].bin.size().fill_null(0).cast(pl.Int64).to_numpy()
        network = np.where(self.six, _IP6, _IP)
        self.ip_header = network
        # Of an error, the packet it quotes stands behind its own headers.
        self.quoted = np.where(self.error, network + _ICMP, 0)
        self.length = self._lengths()
        self.header = self._transport_header()
        room = np.where(self.error, _QUOTED, self.header + self.told)
        size = np.where(self.protocol > 0, ETHERNET + self.quoted + network + room, ETHERNET)
        self.captured = size
        ends = np.cumsum(size + _RECORD)
        self.start = ends - size - _RECORD
        self.frame = self.start + _RECORD
        self.ip = self.frame + ETHERNET + self.quoted
        self.at = self.ip + network
        self.data: Octets = np.zeros(int(ends[-1]) if len(ends) else 0, dtype=np.uint8)

    def _lengths(self) -> Integers:
        """Give the lengths of the IP packets; where nobody tells, of headers and payload."""
        least = self.ip_header + np.where(self.protocol == PROTOCOLS["tcp"], _TCP, _UDP)
        payload = np.maximum(self.number["payload_length"], self.told)
        known = self.packets["length"].is_not_null().to_numpy()
        # A frame may be filled up, a datagram is not.
        known &= (self.protocol != PROTOCOLS["udp"]) | self.packets["payload_length"].is_null().to_numpy()
        length = np.where(known, self.number["length"], least + payload)
        lengths: Integers = np.clip(np.maximum(length, least), 0, _LENGTH_MOST)
        return lengths

    def _transport_header(self) -> Integers:
        """Give the lengths of transport headers: of TCP's, what the payload leaves of the packet."""
        tcp = self.protocol == PROTOCOLS["tcp"]
        payload = np.maximum(self.number["payload_length"], self.told)
        left = np.clip(self.length - self.ip_header - payload, _TCP, _LONGEST_TCP) // 4 * 4
        header: Integers = np.where(tcp, left, _UDP)
        return header

    def put(self, where: npt.NDArray[np.bool_], at: Integers, values: Integers | int, width: int) -> None:
        """Write numbers, most significant byte first, into the frames that a mask selects."""
        numbers = np.broadcast_to(np.asarray(values), where.shape)[where]
        for octet in range(width):
            self.data[at[where] + octet] = numbers >> 8 * (width - 1 - octet) & 0xFF

    def link(self) -> None:
        """Write the records' headers, little-endian, and Ethernet's type."""
        every = np.ones(len(self.start), dtype=np.bool_)
        wire = np.where(self.protocol > 0, ETHERNET + self.quoted + self.length, ETHERNET)
        wire = np.maximum(wire, self.captured)
        time = np.maximum(self.number["time_us"], 0)
        words = np.stack([time // 1_000_000, time % 1_000_000, self.captured, wire], axis=1).astype("<u4")
        octets = words.view(np.uint8).reshape(len(every), _RECORD)
        self.data[self.start[:, None] + np.arange(_RECORD)] = octets
        # What tells nothing is ARP: of no business to anybody.
        kind = np.where(self.protocol == 0, 0x0806, np.where(self.six, 0x86DD, 0x0800))
        self.put(every, self.frame + 12, kind, 2)

    def network(self) -> None:
        """Write IP headers; of an error, both."""
        ends = [_halves(self.packets[name]) for name in ("source", "destination")]
        outer = self.ip - self.quoted
        icmp = np.where(self.six, PROTOCOLS["icmp6"], PROTOCOLS["icmp"])
        self._network(self.error, outer, ends[::-1], icmp, self.length + self.quoted)
        self.put(self.error, outer + self.ip_header, np.where(self.six, 1, 3), 1)
        code = self.packets["error_code"].cast(pl.Int64).fill_null(0).to_numpy()
        self.put(self.error, outer + self.ip_header + 1, code, 1)
        self._network(self.protocol > 0, self.ip, ends, self.protocol, self.length)

    def _network(
        self,
        where: npt.NDArray[np.bool_],
        at: Integers,
        ends: list[tuple[Integers, Integers]],
        protocol: Integers,
        length: Integers,
    ) -> None:
        """Write the IP header of each of some frames."""
        four, six = where & ~self.six, where & self.six
        self.put(four, at, 0x45, 1)
        self.put(four, at + 2, length, 2)
        self.put(four, at + 4, self.number["ip_id"], 2)
        self.put(four, at + 8, self.number["ttl"], 1)
        self.put(four, at + 9, protocol, 1)
        self.put(six, at, 0x60, 1)
        self.put(six, at + 4, length - _IP6, 2)
        self.put(six, at + 6, protocol, 1)
        self.put(six, at + 7, self.number["ttl"], 1)
        for which, (high, low) in enumerate(ends):
            self.put(four, at + 12 + 4 * which, low, 4)
            self.put(six, at + 8 + 16 * which, high, 8)
            self.put(six, at + 16 + 16 * which, low, 8)

    def transport(self) -> None:
        """Write TCP, UDP and ICMP headers."""
        at, number = self.at, self.number
        tcp, udp = self.protocol == PROTOCOLS["tcp"], self.protocol == PROTOCOLS["udp"]
        icmp = (self.protocol > 0) & ~tcp & ~udp
        for place, name in ((0, "port"), (2, "to_port")):
            self.put(tcp | udp, at + place, number[name], 2)
        self.put(udp, at + 4, self.length - self.ip_header, 2)
        whole = tcp & ~self.error
        for place, name, width in ((4, "seq", 4), (8, "ack", 4), (13, "flags", 1), (14, "window", 2)):
            self.put(whole, at + place, number[name], width)
        self.put(whole, at + 12, self.header // 4 << 4, 1)
        for place, name, width in ((0, "icmp_type", 1), (1, "icmp_code", 1), (4, "icmp_ident", 2)):
            self.put(icmp, at + place, number[name], width)

    def payloads(self) -> None:
        """Write payloads."""
        there = np.flatnonzero((self.told > 0) & (self.protocol > 0) & ~self.error)
        for row, payload in zip(there.tolist(), self.packets["payload"].gather(there), strict=True):
            begin = int(self.at[row] + self.header[row])
            self.data[begin : begin + len(payload)] = np.frombuffer(payload, dtype=np.uint8)


def _halves(addresses: pl.Series) -> tuple[Integers, Integers]:
    """Give addresses as two 64-bit halves."""
    texts = addresses.unique().drop_nulls()
    numbers = [int(ip_address(text)) for text in texts]
    halves = []
    for shift in (64, 0):
        parts = np.array([number >> shift & (1 << 64) - 1 for number in numbers], dtype=np.uint64).view(
            np.int64
        )
        read = addresses.replace_strict(texts, pl.Series(parts), default=None, return_dtype=pl.Int64)
        halves.append(read.fill_null(0).to_numpy())
    return halves[0], halves[1]
