"""What the state of a host says: configured doors, listeners, sockets and filters, read from text without any I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from knockwatch.tables import CONFIGURED

Numbered = tuple[int, str]
"""A line of evidence: its number and its text."""


@dataclass(frozen=True)
class ConfiguredDoor:
    """A door that a rule set or a daemon's configuration names.

    Parameters
    ----------
    steps
        The signal in order, as ``tcp/7000`` or ``icmp``.
    service
        What opens, as ``tcp/22``; None where the text does not say, or where everything opens.
    signal
        ``sequence``, ``icmp`` or ``spa``.
    lines
        The lines that make it, in their order.
    name
        What the configuration calls it.
    seconds
        Within how many seconds the next step, or the use of the door, must follow; None for any time.
    source_bound
        Whether it opens for the sender alone; None where the text does not say.
    source
        Address or network that alone may signal; None for any.
    destination
        Address the signal must be sent to; None for any of the host's.
    version
        4 or 6 where the door is one of IPv4 or IPv6 alone.
    order_known
        Whether the steps are in their order.
    """

    steps: tuple[str, ...]
    service: str | None
    signal: str
    lines: tuple[Numbered, ...]
    name: str | None = None
    seconds: int | None = None
    source_bound: bool | None = True
    source: str | None = None
    destination: str | None = None
    version: int | None = None
    order_known: bool = True

    def rows(self, actor: str | None = None) -> list[dict[str, Any]]:
        """Write it as rows of `changes`: one for each line that makes it, all alike but for the line."""
        protocol, _, port = (self.service or "").partition("/")
        alike = {
            "kind": CONFIGURED,
            "actor": actor,
            "name": self.name,
            "signal": self.signal,
            "steps": " ".join(self.steps),
            "order_known": self.order_known,
            "seconds": self.seconds,
            "source_bound": self.source_bound,
            "source_ip": self.source,
            "destination_ip": self.destination,
            "ip_version": self.version,
            "protocol": protocol or None,
            "port": int(port) if port else None,
        }
        return [{"line": line, "rule_text": text, **alike} for line, text in self.lines]


@dataclass
class State:
    """What was read from one text.

    Parameters
    ----------
    rows
        Rows of `changes`, without the host.
    known
        Numbers of the lines that were understood.
    misfits
        Lines that should have been understood and were not.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    known: set[int] = field(default_factory=set)
    misfits: list[Numbered] = field(default_factory=list)

    def told(self, doors: Iterable[ConfiguredDoor], actor: str | None = None) -> State:
        """Add doors."""
        for door in doors:
            self.rows += door.rows(actor)
        return self


def signal_of(steps: Iterable[str]) -> str:
    """Tell the kind of signal that steps are."""
    return "icmp" if all(step.startswith("icmp") for step in steps) else "sequence"
