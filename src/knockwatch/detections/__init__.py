"""Detections: one module each, found by scanning this package.

A detection is an Ibis expression over the tables that sees every row and returns few candidates, and plain Python
that turns those into findings. It knows the tables and the thresholds, nothing of sources or cases.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal, Protocol

from knockwatch.config import Thresholds

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import polars as pl

UNTIMED_US = 0
"""Start and end of what is a state and no event: a configuration says what is, not since when."""

Kind = Literal["door", "signal", "callback", "daemon", "client", "change", "sniffer"]
Leg = Literal["signal", "opening", "entry"]
Signal = Literal["sequence", "spa", "icmp", "magic-packet", "unknown"]
Level = Literal["low", "medium", "high", "critical"]


@dataclass(frozen=True)
class Rule:
    """What an analyst or a SIEM needs to know of a detection.

    Parameters
    ----------
    id
        Stable name, as in ``daemon-activity``.
    title, description
        In a line; in a paragraph.
    labels
        The branch labels its findings carry.
    attack
        ATT&CK technique ids.
    data_sources
        ATT&CK data sources it needs.
    tables
        Canonical tables it reads.
    false_positives
        What innocent activity looks the same, in our words.
    severity, confidence
        Of a finding on its own.
    references
        Where its facts come from.
    specification
        Whether `--rules seed` runs its `specification`.
    """

    id: str
    title: str
    description: str
    labels: tuple[str, ...]
    attack: tuple[str, ...]
    data_sources: tuple[str, ...]
    tables: tuple[str, ...]
    false_positives: tuple[str, ...]
    severity: Level
    confidence: Literal["low", "medium", "high"]
    references: tuple[str, ...]
    specification: bool = False


@dataclass(frozen=True, order=True)
class Pointer:
    """A place in the evidence: table, file number, line, and the row's time."""

    table: str
    file: int
    line: int
    time_us: int | None = None


@dataclass(frozen=True)
class Use:
    """One use of a signal, or one try.

    Parameters
    ----------
    source, entrant
        Who sent it, and who entered; the same but for relayed signals.
    start_us, end_us, entry_us
        First step, last step, and the entry (None: nobody got in).
    steps
        What was sent, in order.
    complete
        Whether the signal was whole and worked (True), did not (False), or nobody can tell (None).
    pointers, entry_pointers
        The evidence of the steps, and of the entry.
    """

    source: str
    entrant: str
    start_us: int
    end_us: int
    entry_us: int | None
    steps: tuple[str, ...]
    complete: bool | None
    pointers: tuple[Pointer, ...] = ()
    entry_pointers: tuple[Pointer, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What one detection says of one thing that happened.

    Parameters
    ----------
    rule, label
        Id of the rule and which of its branches spoke.
    kind, leg
        What kind of case it makes on its own, and which leg of a case it is evidence for.
    start_us, end_us
        When, in microseconds UTC; `UNTIMED_US` for a state.
    sources
        Addresses that acted.
    destination, host
        Address acted upon, and name of the host concerned; None where the evidence names neither.
    door
        The service it concerns, as ``tcp/22``.
    door_name
        What the daemon calls the door.
    sequence, order_known
        Steps observed, as ``tcp/7000`` or ``icmp``, and whether their order is certain.
    complete
        Whether the signal is known to have been complete (True), known to have failed (False), or neither.
    conclusive
        Whether this alone proves an opening (a daemon's own word).
    user, command_line
        Of a process.
    signal
        What kind of signal it is, where the detection can tell.
    uses
        Of a door: every use and every try, in order of time.
    facts
        Of a door: the numbers its score is made of.
    note
        One plain sentence for the explanation.
    pointers
        The evidence, most telling first.
    """

    rule: str
    label: str
    kind: Kind
    leg: Leg | None
    start_us: int
    end_us: int
    sources: tuple[str, ...] = ()
    destination: str | None = None
    host: str | None = None
    door: str | None = None
    door_name: str | None = None
    sequence: tuple[str, ...] = ()
    order_known: bool = True
    complete: bool | None = None
    conclusive: bool = False
    user: str | None = None
    command_line: str | None = None
    signal: Signal | None = None
    uses: tuple[Use, ...] = ()
    facts: Mapping[str, float] = field(default_factory=dict, hash=False)
    note: str = ""
    pointers: tuple[Pointer, ...] = field(default=())


class Detection(Protocol):
    """One way to find a leg of port knocking."""

    rule: Rule

    def candidates(self, tables: Mapping[str, ir.Table], thresholds: Thresholds) -> ir.Table:
        """Select, in the engine, the few rows or groups worth reasoning about."""

    def findings(self, candidates: pl.DataFrame, thresholds: Thresholds) -> Iterator[Finding]:
        """Turn the executed candidates into findings."""


class Specified(Protocol):
    """A detection that is also a branch of the specification every defender starts from."""

    rule: Rule

    def specification(self, views: Mapping[str, ir.Table]) -> ir.Table:
        """Give the specification's branch over Microsoft's views, with its exact columns."""


@cache
def detections() -> tuple[Detection, ...]:
    """Load every detection of this package."""
    import knockwatch.detections as package

    return tuple(
        importlib.import_module(module.name).DETECTION
        for module in pkgutil.iter_modules(package.__path__, "knockwatch.detections.")
        if not module.name.rpartition(".")[2].startswith("_")
    )
