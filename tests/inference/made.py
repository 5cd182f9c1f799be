"""Connections made by hand, for tests of the inference."""

from __future__ import annotations

from typing import Any

import polars as pl

from knockwatch.cases import Case
from knockwatch.cases.build import build
from knockwatch.config import Config, Thresholds
from knockwatch.detections.door import DETECTION
from knockwatch.tables import conform

SECOND = 1_000_000
SERVER = "203.0.113.10"
KNOCK = ("tcp/7000", "tcp/8000", "tcp/9000")


class Log:
    """A server's firewall log, written by saying what happened."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.port = 40_000

    def add(self, at: float, source: str, step: str, outcome: str, **more: Any) -> Log:
        """Log one packet, `at` seconds after the epoch's first day."""
        protocol, _, port = step.partition("/")
        self.port += 1
        self.rows.append(
            {
                "time_us": round((86_400 + at) * SECOND),
                "source_ip": source,
                "source_port": None if protocol == "icmp" else self.port,
                "destination_ip": SERVER,
                "destination_port": int(port) if port else None,
                "protocol": protocol,
                "icmp_type": 8 if protocol == "icmp" else None,
                "tcp_flags": "SYN" if protocol == "tcp" else None,
                "outcome": outcome,
                "forwarded": False,
                "sensor": "srv1",
                "file": 0,
                "line": len(self.rows) + 1,
            }
            | more
        )
        return self

    def knock(self, at: float, source: str, *steps: str, gap: float = 0.3) -> Log:
        """Log a knock."""
        for index, step in enumerate(steps):
            self.add(at + index * gap, source, step, "denied")
        return self

    def enter(self, at: float, source: str, step: str = "tcp/22") -> Log:
        """Log an accepted session."""
        return self.add(at, source, step, "accepted")

    def refuse(self, at: float, source: str, step: str = "tcp/22") -> Log:
        """Log a refused one."""
        return self.add(at, source, step, "denied")

    def frame(self) -> pl.DataFrame:
        """Give the log as rows of the table `connections`."""
        return conform("connections", pl.DataFrame(self.rows, infer_schema_length=None))


def cases(log: Log) -> list[Case]:
    """Tell a log as cases: doors and tries at them."""
    return build(DETECTION.findings(log.frame(), Thresholds()), Config(), lambda _: {}, str)


def only_door(log: Log) -> Case:
    """Give the one case about a door that a log makes."""
    (case,) = (case for case in cases(log) if case.kind == "door")
    return case
