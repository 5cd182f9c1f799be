"""(c) A packet capture, beside tshark and tcpdump.

A capture of an hour at the edge of a /24: probes of the internet, most of them unanswered, visits to web servers,
questions to a name server; every packet with its payload. Probes are most of the connections, visits most of the
packets; tcpdump is the slower the more connections it has to remember, knockwatch the more rows it has to write.
Before the first round our commands read a part of the capture, enough for compiled loops (the extra `fast`): what is
compiled then is kept, as after the first use of a program.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.measure import OURS, Comparison, Contender, Wanted, compare, knockwatch, scan, timed

PACKETS = 2_000_000
PROBES = 0.72
"""Share of the connections."""
START_US = 1_785_542_400_000_000
HOUR_US = 3_600_000_000
QUESTIONS = 0.08
"""Share of the connections."""
DATA_PACKETS = 11
"""Of a visit, in the mean; seven more open and close it."""
SILENT, UNREACHABLE, REFUSED = 0.75, 0.05, 0.20
"""What becomes of a probe."""
UDP_SHARE = 0.15
"""Of the probes."""
ROUND_TRIP_US, THINKING_US = 40_000, 60_000
FULL_SHARE, FULL = 0.18, 1_448
SLICE = 100_000
"""Packets written at a time."""
LEAST_BYTES = 256 << 20
"""Captures of this size are read by compiled loops where there is numba."""
SYN, ACK, FIN, RST, PSH = 2, 16, 1, 4, 8
TCP, UDP, ICMP = 6, 17, 1
DNS, HTTPS = 53, 443
QUESTION = b"\x00\x00\x01\x00\x00\x01" + bytes(6) + b"\x03www\x07example\x03com\x00\x00\x01\x00\x01"
FIELDS = ("frame.time_epoch", "ip.src", "ip.dst", "tcp.srcport", "tcp.dstport", "tcp.flags", "udp.dstport")

Integers = npt.NDArray[np.int64]


@dataclass
class Traffic:
    """Packets in the order of their times: a column for each field."""

    time_us: Integers
    protocol: Integers
    source: Integers
    destination: Integers
    port: Integers
    to_port: Integers
    flags: Integers
    seq: Integers
    ack: Integers
    payload: Integers
    about: Integers


def traffic(packets: int, probes: float, seed: int) -> Traffic:
    """Make packets: draw connections of three kinds, then what each of them consists of."""
    chance = np.random.default_rng(seed)
    count = packets // 2 + 1
    kind = np.searchsorted([probes, 1 - QUESTIONS], chance.random(count), side="right")
    fate = np.searchsorted(np.cumsum([SILENT, UNREACHABLE]), chance.random(count), side="right")
    lengths = np.select(
        [kind == 0, kind == 1], [1 + (fate > 0), 6 + chance.geometric(1 / DATA_PACKETS, count)], 2
    )
    of = np.repeat(np.arange(count), lengths)[:packets]
    at = np.arange(len(of)) - np.repeat(np.cumsum(lengths) - lengths, lengths)[:packets]
    left = lengths[of] - at
    is_visit, is_probe, is_question = kind[of] == 1, kind[of] == 0, kind[of] == 2
    is_udp = is_question | (is_probe & (chance.random(count) < UDP_SHARE)[of])
    back = np.where(is_visit & (at > 2) & (left > 3), chance.random(len(of)) < 0.5, at % 2 == 1)
    error = is_probe & back & ((fate[of] == 1) | is_udp)
    data = is_visit & (at > 2) & (left > 3)
    flags = np.select(
        [is_visit & (at == 0), is_visit & (at == 1), data, is_visit & (left <= 2), is_probe & back, is_probe],
        [SYN, SYN | ACK, PSH | ACK, FIN | ACK, RST | ACK, SYN],
        ACK,
    )
    size = np.where(chance.random(len(of)) < FULL_SHARE, FULL, chance.integers(1, 300, len(of)))
    client = chance.integers(0x01000000, 0xDF000000, count)[of]
    server = 0xCB007100 + chance.integers(1, 255, count)[of]
    port = chance.integers(1024, 65536, count)[of]
    service = np.where(is_visit, HTTPS, np.where(is_question, DNS, chance.integers(1, 65536, count)[of]))
    moment = moments(chance.integers(0, HOUR_US, count)[of], of, at, chance)
    payload = np.select([data, is_question, is_udp & ~error], [size, len(QUESTION), size % 512], 0)
    seq, ack = sequence_numbers(of, at, back, payload, chance)
    order = np.argsort(moment, kind="stable")
    columns = {
        "time_us": moment,
        "protocol": np.where(error, ICMP, np.where(is_udp, UDP, TCP)),
        "source": np.where(back, server, client),
        "destination": np.where(back, client, server),
        "port": np.where(back & ~error, service, port),
        "to_port": np.where(back & ~error, port, service),
        "flags": flags,
        "seq": seq,
        "ack": np.where(flags & ACK > 0, ack + (at == 1), 0),
        "payload": payload,
        "about": np.where(is_udp, UDP, TCP),
    }
    return Traffic(**{name: np.asarray(column, dtype=np.int64)[order] for name, column in columns.items()})


def moments(start: Integers, of: Integers, at: Integers, chance: np.random.Generator) -> Integers:
    """Give packets their times, in microseconds: `at` is a packet's place in the connection it is `of`."""
    step = np.where(at == 0, 0, chance.exponential(THINKING_US, len(of)) + ROUND_TRIP_US / 2)
    passed = np.cumsum(step)
    passed -= np.repeat(passed[at == 0], np.bincount(of))
    return START_US + start + passed.astype(np.int64)


def sequence_numbers(
    of: Integers, at: Integers, back: Any, payload: Integers, chance: np.random.Generator
) -> tuple[Integers, Integers]:
    """Give TCP packets their numbers: each side's begins anywhere and goes on by what it has sent."""
    begun = chance.integers(0, 1 << 31, (2, of[-1] + 1))[:, of]
    own = payload * np.stack([~back, back])
    sent = np.cumsum(own, axis=1) - own
    sent -= np.repeat(sent[:, at == 0], np.bincount(of), axis=1)
    numbers, side, index = begun + sent + (at > 1), back.astype(int), np.arange(len(of))
    return numbers[side, index], numbers[1 - side, index]


def frames(part: dict[str, Any], chance: np.random.Generator) -> bytes:
    """Write packets as records of a pcap: Ethernet, IPv4 and TCP, UDP or an ICMP error that quotes the packet."""
    tcp, icmp = part["protocol"] == TCP, part["protocol"] == ICMP
    header = np.where(tcp, 20, np.where(icmp, 36, 8))
    length = 14 + 20 + header + part["payload"]
    start = np.cumsum(length + 16) - length - 16
    data = chance.integers(32, 127, int((length + 16).sum()), dtype=np.uint8)

    def put(at: Any, value: Any, width: int, which: Any = slice(None), *, little: bool = False) -> None:
        place, value = start[which] + at, np.broadcast_to(value, start.shape)[which]
        for index in range(width):
            shift = 8 * (index if little else width - 1 - index)
            data[place + index] = value >> shift & 255

    put(0, part["time_us"] // 1_000_000, 4, little=True)
    put(4, part["time_us"] % 1_000_000, 4, little=True)
    put(8, length, 4, little=True)
    put(12, length, 4, little=True)
    put(16, 0x0200_0000_0001, 6)
    put(22, 0x0200_0000_0002, 6)
    put(28, 0x0800, 2)
    ip(put, 30, slice(None), part, length - 14)
    put(50, part["port"], 2, ~icmp)
    put(52, part["to_port"], 2, ~icmp)
    put(54, part["seq"], 4, tcp)
    put(58, part["ack"], 4, tcp)
    put(62, 0x5000 | part["flags"], 2, tcp)
    put(64, 64_240, 2, tcp)
    put(66, 0, 4, tcp)
    put(54, length - 34, 2, ~tcp & ~icmp)
    put(56, 0, 2, ~tcp & ~icmp)
    question = ~tcp & ~icmp & ((part["port"] == DNS) | (part["to_port"] == DNS))
    for index, value in enumerate(QUESTION):
        put(58 + index, value, 1, question & (part["payload"] == len(QUESTION)))
    put(58, part["port"] + part["to_port"], 2, question)
    put(60, 0x8180, 2, question & (part["port"] == DNS))
    put(50, 0x0303, 2, icmp)
    put(52, 0, 6, icmp)
    quoted = part | {"source": part["destination"], "destination": part["source"], "protocol": part["about"]}
    ip(put, 58, icmp, quoted, 40)
    put(78, part["port"], 2, icmp)
    put(80, part["to_port"], 2, icmp)
    put(82, part["ack"] - 1, 4, icmp)
    return data.tobytes()


def ip(put: Any, at: int, which: Any, part: dict[str, Any], length: Any) -> None:
    """Write IPv4 headers."""
    put(at, 0x4500, 2, which)
    put(at + 2, length, 2, which)
    put(at + 4, part["seq"] & 0xFFFF, 2, which)
    put(at + 6, 0x4000, 2, which)
    put(at + 8, 57, 1, which)
    put(at + 9, part["protocol"], 1, which)
    put(at + 10, 0, 2, which)
    put(at + 12, part["source"], 4, which)
    put(at + 16, part["destination"], 4, which)


def make(path: Path, packets: int, probes: float, seed: int) -> int:
    """Write the capture and give its number of packets."""
    columns, chance = vars(traffic(packets, probes, seed)), np.random.default_rng(seed)
    count = len(columns["time_us"])
    with path.open("wb") as capture:
        header = (0xA1B2C3D4, 2 | 4 << 16, 0, 0, 262_144, 1)
        capture.write(np.array(header, dtype="<u4").tobytes())
        for begin in range(0, count, SLICE):
            part = {name: column[begin : begin + SLICE] for name, column in columns.items()}
            capture.write(frames(part, chance))
    return count


def contenders(capture: Path, count: int, folder: Path) -> dict[str, Contender]:
    """Give the commands that are compared."""
    fields = [word for field in FIELDS for word in ("-e", field)]
    commands = {
        "tshark -n -T fields": ["tshark", "-n", "-r", str(capture), "-T", "fields", *fields],
        "tcpdump -nn": ["tcpdump", "-nn", "-r", str(capture)],
        "knockwatch scan": scan(capture),
        "knockwatch tables": knockwatch(
            "tables", "--quiet", "--no-cache", capture, "--to", folder / "tables"
        ),
    }
    return {name: Contender(command, count) for name, command in commands.items()}


def warm(capture: Path, folder: Path) -> None:
    """Run our commands once on the first packets, enough for compiled loops: what they are made of is compiled then."""
    few = folder / "few.pcap"
    with capture.open("rb") as whole:
        few.write_bytes(whole.read(LEAST_BYTES))
    for name, contender in contenders(few, 1, folder).items():
        if name.startswith(OURS):
            timed(contender.command)


def comparisons(wanted: Wanted) -> Iterator[Comparison]:
    """Compare on one capture."""
    capture = wanted.folder / "edge.pcap"
    # Elsewhere: what a process took at most counts from the one that started it.
    with ProcessPoolExecutor(max_workers=1) as aside:
        count = aside.submit(make, capture, wanted.rows(PACKETS, 10_000), PROBES, wanted.seed).result()
    warm(capture, wanted.folder)
    yield compare("c", "packets", contenders(capture, count, wanted.folder), wanted)
