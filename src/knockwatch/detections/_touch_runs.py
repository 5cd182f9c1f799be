"""Runs of touches by general tools: several ports of one host, within seconds, by one user; which may be knocks.

A check of services touches ports that services have, a scan touches many: neither is a run. Whether a run opened
anything is for the cases to say; one that ends in a log-in at the same host tells so itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from knockwatch.config import Thresholds
from knockwatch.detections import Pointer
from knockwatch.detections._port_touches import Touch, touches

TOUCHED = "PortsTouchedInARow"
"""Label of runs that alone are no more than leads."""
ENTERED = "PortsTouchedBeforeLogIn"
FEWEST = 3
"""Steps of a run: two ports of a host are touched all day (ATT&CK DET0302, MinSequenceLen)."""
FEWEST_ODD = 2
"""Steps that no common service has."""
FOLLOWS_US = 10_000_000
"""How soon after the last step a log-in is its use: doors stay open 10 to 30 s, and scripts wait a second."""
PAUSE_US = 2_000_000
PAUSE_TIMES = 3
"""After a pause of 2 s that is thrice as long as any before it another run begins: tools and loops have their pace."""
_SAME_US = 2_000_000
"""Within this a repeated step is another record of the same start, as a wrapper's and the tool's own."""
_COMMON = frozenset({
    20, 21, 22, 23, 25, 53, 69, 79, 80, 81, 88, 110, 111, 113, 119, 123, 135, 137, 138, 139, 143, 161,
    162, 179, 194, 389, 427, 443, 445, 464, 465, 500, 514, 515, 543, 544, 548, 554, 587, 593, 623, 631,
    636, 873, 902, 989, 990, 993, 995, 1080, 1194, 1433, 1434, 1521, 1701, 1723, 1812, 1883, 2049,
    2181, 2222, 2375, 2376, 2379, 2380, 3000, 3128, 3260, 3268, 3269, 3306, 3389, 4369, 4500, 5000,
    5060, 5061, 5222, 5432, 5601, 5671, 5672, 5900, 5985, 5986, 6379, 6443, 8006, 8080, 8081, 8086,
    8088, 8089, 8140, 8443, 8500, 8883, 8888, 9042, 9090, 9091, 9092, 9093, 9100, 9200, 9300, 9418,
    10050, 10051, 10250, 11211, 15672, 25565, 27017, 27018, 50000,
})  # fmt: skip
"""Ports of services that administrators and monitors check (IANA's list, and what common software has by default)."""
_MONITORS = re.compile(
    r"nagios|nrpe|icinga|zabbix|telegraf|check_?mk|cmk|monit|sensu|collectd|prometheus|blackbox|datadog|dd-agent|consul|"
    r"munin|netdata|newrelic|uptime",
    re.IGNORECASE,
)


@dataclass
class Run:
    """Touches of one host that follow each other.

    Parameters
    ----------
    row
        The first record.
    target
        The host as the tools name it: an address in its shortest form, else a name.
    steps
        What was touched, in order.
    """

    row: Mapping[str, Any]
    target: str
    address: str | None
    start_us: int
    end_us: int
    steps: list[str] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    pointers: list[Pointer] = field(default_factory=list)
    order_known: bool = True
    scripted: bool = False
    entered: bool = False
    monitor: bool = False
    longest_gap_us: int = 0

    def add(self, row: Mapping[str, Any], found: list[Touch]) -> None:
        """Add what one record touches."""
        at = row["time_us"] or 0
        steps = [touch.step for touch in found if touch.step]
        known = set(self.steps)
        # The script was read already, or a wrapper told of the very same start.
        again = (self.scripted and known.issuperset(steps)) or (
            self.steps[-1:] == steps and at - self.end_us <= _SAME_US
        )
        if steps and not again:
            self.order_known &= not self.steps or at > self.end_us
            # nmap tries the ports of a list in any order unless told otherwise.
            shuffled = any(touch.tool == "nmap" for touch in found) and len(steps) > 1
            self.order_known &= not shuffled or bool(re.search(r"\s-r\b", row["command_line"] or ""))
            self.longest_gap_us = max(self.longest_gap_us, at - self.end_us)
            self.steps += steps
            self.scripted |= len(steps) > 1
        self.entered |= bool(self.steps) and found[-1].step is None
        self.end_us = max(self.end_us, at)
        self.tools += [touch.tool for touch in found if touch.tool not in self.tools]
        text = row["command_line"] or row["image"] or ""
        self.texts += [text] if text not in self.texts else []
        self.monitor |= bool(_MONITORS.search(f"{row['parent_image']} {row['parent_command_line']}"))
        self.pointers.append(Pointer("processes", row["file"], row["line"], row["time_us"]))

    def is_over(self, at: int, found: list[Touch], gap_us: int) -> bool:
        """Tell whether what is touched at a time belongs to another run."""
        pause = at - self.end_us
        if self.entered or all(touch.step is None for touch in found):
            return self.entered or pause > FOLLOWS_US
        whole = len(set(self.steps)) >= FEWEST
        begins_again = whole and found[0].step == self.steps[0] and pause > 0 and not self.scripted
        paused = whole and pause > max(PAUSE_US, PAUSE_TIMES * self.longest_gap_us)
        return pause > gap_us or begins_again or paused

    def may_knock(self, thresholds: Thresholds) -> bool:
        """Tell whether it is neither a check of services nor a scan."""
        distinct = set(self.steps)
        odd = [step for step in distinct if int(step.partition("/")[2]) not in _COMMON]
        return (
            FEWEST <= len(distinct) <= thresholds.sequence_ports_max
            and len(self.steps) <= thresholds.sequence_probes_max
            and len(odd) >= FEWEST_ODD
        )


def runs(rows: Iterable[Mapping[str, Any]], thresholds: Thresholds) -> Iterator[Run]:
    """Gather records of processes, given by time, into runs that may be knocks."""
    gap_us = int(thresholds.sequence_gap_seconds * 1_000_000)
    open_: dict[tuple[object, ...], Run] = {}
    read: dict[tuple[str, str | None], list[Touch]] = {}
    for row in rows:
        text = (row["command_line"] or row["image"] or "", row["image"])
        if text not in read:
            read[text] = touches(*text)
        for target, found in _by_target(read[text]).items():
            key = (row["host"], row["user"], target)
            at, run = row["time_us"] or 0, open_.get(key)
            logs_in = all(touch.step is None for touch in found)
            if run is not None and run.is_over(at, found, gap_us):
                yield from _closed(run, thresholds)
                run = open_.pop(key) and None
            if run is None and not logs_in:
                run = open_[key] = Run(row, target, found[0].address, at, at)
            if run is not None:
                run.add(row, found)
    for run in open_.values():
        yield from _closed(run, thresholds)


def _closed(run: Run, thresholds: Thresholds) -> Iterator[Run]:
    """Give a run that is over, if it may be a knock."""
    if run.may_knock(thresholds):
        yield run


def _by_target(found: Iterable[Touch]) -> dict[str, list[Touch]]:
    """Part touches by host."""
    parted: dict[str, list[Touch]] = {}
    for touch in found:
        parted.setdefault(touch.address or touch.target.lower(), []).append(touch)
    return parted
