"""More noise of the kind a lab run has: copies of lines about unanswered packets, changed alike in every log."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable, Iterator

from tests.variants.evidence_text import SECOND
from tests.variants.numbers import ADDRESS, OPEN_PORTS, PORT, door_ports
from tests.variants.run import Label, Run

NETWORK = ipaddress.IPv4Address("198.18.64.0")
"""Sources of added noise are counted up from here."""

_UPTIME = re.compile(r"(?<=kernel: )\[ *(\d+)\.(\d{6})\]")
_FLOW_ID = re.compile(r"\bid=(\d+)$")
_PACKETS = (
    re.compile(r"SRC=(?P<src>\S+) DST=(?P<dst>\S+) .*?SPT=(?P<sport>\d+) DPT=(?P<dport>\d+)"),
    re.compile(r"src=(?P<src>\S+) dst=(?P<dst>\S+) sport=(?P<sport>\d+) dport=(?P<dport>\d+)"),
    re.compile(
        r'"src_port": (?P<sport>\d+), "dest_port": (?P<dport>\d+)'
        r'.*"src_ip": "(?P<src>[^"]+)", "dest_ip": "(?P<dst>[^"]+)"'
    ),
)


class Copier:
    """Makes copies of noise; what a copy is follows from the packet, so it is the same in every log."""

    def __init__(self, run: Run, seed: int) -> None:
        self.seed = seed
        self.noise = [label for label in run.labels if label["kind"] == "noise"]
        sources = {source for label in self.noise for source in label["src"]}
        self.number = {source: number for number, source in enumerate(sorted(sources))}
        self.begin = min(label["start"] for label in run.labels)
        self.end = max(label["end"] for label in run.labels)
        # A copy's whole time lies within the run's.
        self.earliest = self.begin - min((label["start"] for label in self.noise), default=0.0)
        self.latest = self.end - max((label["end"] for label in self.noise), default=0.0)
        used = door_ports(run) | OPEN_PORTS
        self.ports = [port for port in range(1, 65536) if port not in used]

    def labels(self, copies: int) -> Iterator[Label]:
        """Label the copies."""
        for label in self.noise:
            sources = [self._source(source, copy) for source in label["src"] for copy in range(copies)]
            what = {"id": f"{label['id']}-more", "title": f"{label['title']}, {copies} times more"}
            yield {**label, **what, "src": sources, "start": self.begin, "end": self.end}

    def copies(self, text: str, copies: int) -> Iterator[tuple[int, str]]:
        """Copy a line of noise: by how much later (microseconds), and the line, but for its own time.

        A rate-limited log (UFW) is not copied, and neither is what was answered.
        """
        packet = _packet(text)
        if packet is None or packet[0] not in self.number or packet[3] in OPEN_PORTS or "[UFW " in text:
            return
        for copy in range(copies):
            share = self._chance(copy, packet[0]) / 2**64
            offset = round((self.earliest + share * (self.latest - self.earliest)) * SECOND)
            yield offset, self._changed(text, packet, copy, offset)

    def _changed(self, text: str, packet: tuple[str, int, str, int], copy: int, offset: int) -> str:
        """Give a line another source, other ports, another flow id and uptime."""
        source, sport, _, dport = packet
        chance = self._chance(copy, *map(str, packet))
        ports = {sport: 1024 + chance % 64000, dport: self.ports[(chance >> 16) % len(self.ports)]}
        address = self._source(source, copy)
        text = ADDRESS.sub(lambda found: address if found[0] == source else found[0], text)
        text = PORT.sub(lambda found: f"{found[1]}{ports.get(int(found[2]), found[2])}", text)
        text = _FLOW_ID.sub(lambda found: f"id={self._chance(copy, found[1]) % 2**32}", text)
        return uptime(text, lambda at: at + offset)

    def _source(self, source: str, copy: int) -> str:
        """Give the source that stands for a source of noise in a copy."""
        return str(NETWORK + copy * len(self.number) + self.number[source])

    def _chance(self, copy: int, *what: str) -> int:
        """Draw a number of 64 bits that follows from what it is drawn for."""
        text = "/".join((str(self.seed), str(copy), *what))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def uptime(text: str, change: Callable[[int], int]) -> str:
    """Rewrite the kernel's stamp (microseconds since its start) as printk pads it."""

    def other(found: re.Match[str]) -> str:
        at = max(0, change(int(found[1]) * SECOND + int(found[2])))
        return f"[{at // SECOND:5}.{at % SECOND:06}]"

    return _UPTIME.sub(other, text, count=1)


def _packet(text: str) -> tuple[str, int, str, int] | None:
    """Find source, its port, destination, its port of the TCP or UDP packet or flow that a line is about."""
    for form in _PACKETS:
        if found := form.search(text):
            return found["src"], int(found["sport"]), found["dst"], int(found["dport"])
    return None
