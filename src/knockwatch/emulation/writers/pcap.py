"""A capture beside the servers, in pcap's classic format: SYNs that nobody answers, and short sessions.

What was let in is a handshake, a request and an answer of a few bytes: the sizes of the stream are not sent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from knockwatch.emulation.planted import Site
from knockwatch.emulation.stream import ICMP, TCP, UDP, Rows
from knockwatch.emulation.writers import Writer

_PIECE_ROWS = 50_000
_HEADER = np.array([(0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)], dtype="<u4,<u2,<u2,<i4,<u4,<u4,<u4").tobytes()
"""Of little endian numbers, microseconds and Ethernet (https://www.tcpdump.org/manpages/pcap-savefile.5.html)."""
_RECORD = np.dtype([("seconds", "<u4"), ("micros", "<u4"), ("kept", "<u4"), ("length", "<u4")])
_ETHERNET = [("to", "V6"), ("from", "V6"), ("type", ">u2")]
_IPV4 = [
    ("version", "u1"), ("service", "u1"), ("total", ">u2"), ("id", ">u2"), ("fragment", ">u2"), ("ttl", "u1"),
    ("protocol", "u1"), ("check", ">u2"), ("source", ">u4"), ("destination", ">u4"),
]  # fmt: skip
_TCP = [
    ("source_port", ">u2"), ("destination_port", ">u2"), ("seq", ">u4"), ("ack", ">u4"), ("offset", "u1"),
    ("flags", "u1"), ("window", ">u2"), ("sum", ">u2"), ("urgent", ">u2"), ("options", "V20"),
]  # fmt: skip
_UDP = [("source_port", ">u2"), ("destination_port", ">u2"), ("size", ">u2"), ("sum", ">u2"), ("data", "V2")]
_ICMP = [("kind", "u1"), ("code", "u1"), ("sum", ">u2"), ("echo", ">u2"), ("seq", ">u2"), ("data", "V56")]
_OPTIONS = bytes.fromhex("020405b40402080a00000001000000000103030701010101"[:40])
"""Of a SYN of Linux: segment size, selective acknowledgement, time stamps, window scale."""
_SYN, _ACK, _PSH, _FIN = 0x02, 0x10, 0x08, 0x01
_SESSION = (
    (0, True, _SYN, 0, 0),
    (180, False, _SYN | _ACK, 0, 1),
    (300, True, _ACK, 1, 1),
    (420, True, _PSH | _ACK, 1, 1),
    (900, False, _PSH | _ACK, 1, 21),
    (1200, True, _FIN | _ACK, 21, 21),
)
"""Packets of a session: microseconds after its begin, whether the client sends it, flags; and how far both ends'
sequence numbers have come."""
_REQUEST = 20
"""Bytes of what is said, which stand where a SYN has its options."""


class Pcap(Writer):
    """Writer of captures."""

    name = "pcap"
    title = "a capture beside the servers, pcap"
    suffix = ".pcap"
    source = "pcap"

    def open(self, path: Path, site: Site) -> _File:
        """Begin a file."""
        del site
        return _File(path)


class _File:
    """A capture file."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self.file.write(_HEADER)

    def write(self, rows: Rows) -> None:
        """Add a slice, piece by piece."""
        for first in range(0, len(rows), _PIECE_ROWS):
            self.file.write(_frames(rows[first : first + _PIECE_ROWS]))

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _frames(rows: Rows) -> bytes:
    """Write the frames of rows, each session's at its own times, in the order of rows for what is of one time."""
    tcp, udp, ping = (rows[rows["protocol"] == number] for number in (TCP, UDP, ICMP))
    accepted = tcp["accepted"] == 1
    parts = [_tcp(tcp[~accepted], *_SESSION[0]), _udp(udp, answers=False), _ping(ping)]
    parts += [_tcp(tcp[accepted], *packet) for packet in _SESSION]
    parts.append(_udp(udp[udp["accepted"] == 1], answers=True))
    return _interleaved([part for part in parts if len(part)])


def _interleaved(parts: list[npt.NDArray[np.void]]) -> bytes:
    """Put frames of several sizes in order of time, unless their rows are not."""
    times = np.concatenate([part["seconds"].astype(np.int64) * 1_000_000 + part["micros"] for part in parts])
    sizes = np.concatenate([np.full(len(part), part.dtype.itemsize) for part in parts])
    order = np.argsort(times, kind="stable")
    ends = np.cumsum(sizes[order])
    begins = np.empty(len(sizes), np.int64)
    begins[order] = ends - sizes[order]
    whole = np.empty(int(ends[-1]), np.uint8)
    done = 0
    for part in parts:
        size = part.dtype.itemsize
        places = begins[done : done + len(part), None] + np.arange(size)
        whole[places] = part.view(np.uint8).reshape(len(part), size)
        done += len(part)
    return whole.tobytes()


def _frame(
    rows: Rows, after_us: int, layer: list[tuple[str, str]], *, client: bool
) -> tuple[npt.NDArray[np.void], Any]:
    """Give frames of rows with all but what the layer above IP says."""
    dtype = np.dtype([*_RECORD.descr, *_ETHERNET, *_IPV4, *layer])
    frames = np.zeros(len(rows), dtype)
    moment = rows["time_us"].astype(np.int64) + after_us
    frames["seconds"], frames["micros"] = moment // 1_000_000, moment % 1_000_000
    frames["kept"] = frames["length"] = dtype.itemsize - _RECORD.itemsize
    ends = (bytes.fromhex("06a8ab794c76"), bytes.fromhex("76df0e200424"))
    frames["to"], frames["from"] = (np.void(end) for end in (ends if client else ends[::-1]))
    frames["type"], frames["version"] = 0x0800, 0x45
    frames["total"] = dtype.itemsize - _RECORD.itemsize - 14
    frames["id"] = moment % 65_536
    frames["fragment"], frames["ttl"] = 0x4000, 58 if client else 64
    frames["protocol"] = rows["protocol"]
    here, there = ("source", "destination") if client else ("destination", "source")
    frames[here], frames[there] = rows["source"], rows["destination"]
    frames["check"] = _summed(_words(frames, 30, 50))
    return frames, (here, there)


def _tcp(
    rows: Rows,
    after_us: int,
    client: bool,  # noqa: FBT001 - a row of the table of packets
    flags: int,
    said: int,
    heard: int,
) -> npt.NDArray[np.void]:
    """Give one TCP packet of each row."""
    frames, (here, there) = _frame(rows, after_us, _TCP, client=client)
    frames[f"{here}_port"], frames[f"{there}_port"] = rows["source_port"], rows["destination_port"]
    clients = rows["time_us"] % 0xFFFF0000
    servers = clients // 3
    own, other = (clients, servers) if client else (servers, clients)
    frames["seq"] = own + said
    if flags & _ACK:
        frames["ack"] = other + heard
    frames["flags"], frames["window"] = flags, 64_240 if flags & _SYN else 502
    frames["offset"] = 0xA0 if flags & _SYN else 0x50
    frames["options"] = np.void(_OPTIONS if flags & _SYN else b"x" * _REQUEST)
    if not flags & (_SYN | _PSH):
        frames = _without_data(frames)
    return _closed(frames, TCP)


def _without_data(frames: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Take the place of options and data off packets that have neither."""
    names = [name for name in (frames.dtype.names or ()) if name != "options"]
    short = np.zeros(len(frames), np.dtype([(name, frames.dtype[name]) for name in names]))
    for name in names:
        short[name] = frames[name]
    short["kept"] = short["length"] = short.dtype.itemsize - _RECORD.itemsize
    short["total"] = short.dtype.itemsize - _RECORD.itemsize - 14
    short["check"] = 0
    short["check"] = _summed(_words(short, 30, 50))
    return short


def _udp(rows: Rows, *, answers: bool) -> npt.NDArray[np.void]:
    """Give the datagrams of rows, or the answers to them."""
    frames, (here, there) = _frame(rows, 200 if answers else 0, _UDP, client=not answers)
    frames[f"{here}_port"], frames[f"{there}_port"] = rows["source_port"], rows["destination_port"]
    frames["size"] = 10
    return _closed(frames, UDP)


def _ping(rows: Rows) -> npt.NDArray[np.void]:
    """Give echo requests of the usual size."""
    frames, _ = _frame(rows, 0, _ICMP, client=True)
    frames["kind"], frames["seq"], frames["echo"] = 8, 1, rows["time_us"] % 65_521
    frames["sum"] = _summed(_words(frames, 50, frames.dtype.itemsize))
    return frames


def _closed(frames: npt.NDArray[np.void], protocol: int) -> npt.NDArray[np.void]:
    """Add the checksum of TCP or UDP, which counts the addresses in (RFC 9293 section 3.1)."""
    words = _words(frames, 50, frames.dtype.itemsize)
    pseudo = np.full((len(frames), 1), protocol + frames.dtype.itemsize - 50, np.uint32)
    frames["sum"] = _summed(np.concatenate([words, _words(frames, 42, 50), pseudo], axis=1))
    return frames


def _words(frames: npt.NDArray[np.void], begin: int, end: int) -> npt.NDArray[np.uint32]:
    """Give some bytes of frames as 16-bit words."""
    octets = frames.view(np.uint8).reshape(len(frames), frames.dtype.itemsize)[:, begin:end].astype(np.uint32)
    return (octets[:, ::2] << np.uint32(8)) | octets[:, 1::2]


def _summed(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Give the internet checksum of words (RFC 1071)."""
    total: npt.NDArray[np.uint32] = words.sum(axis=1, dtype=np.uint32)
    for _ in range(2):
        total = (total & np.uint32(0xFFFF)) + (total >> np.uint32(16))
    total ^= np.uint32(0xFFFF)
    return total


WRITER = Pcap()
