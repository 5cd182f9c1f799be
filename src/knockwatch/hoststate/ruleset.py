"""Rules of a firewall, whatever their dialect: what they match, which marks they ask for and set, what they do."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["accept", "block", "next"]
ANY = "*"
"""Key of a mark that holds whatever port the packet has."""


@dataclass(frozen=True)
class Mark:
    """What is remembered of a source: in which list, and under which further key (a port, say)."""

    name: str
    key: str = ""


@dataclass(frozen=True)
class Need:
    """A mark that a rule asks for: set within `seconds`, `times` times; `bound` tells whether by this very source."""

    mark: Mark
    seconds: int | None = None
    times: int = 1
    bound: bool = True


@dataclass(frozen=True)
class Rule:
    """One rule, whatever its dialect.

    Parameters
    ----------
    line, text
        Where it stands, and how it is written.
    protocol, ports
        What it matches: None and () for all. ICMP has no port.
    needs, gives
        Marks asked for, and marks set with the seconds they last.
    knocked
        Steps that the rule itself waits for (xt_pknock and its kin).
    verdict, jump
        What becomes of a packet that matches; the chain that goes on with it.
    source, destination
        Addresses it matches; None for all.
    signal
        Kind of the signal it waits for, where that is not told by the steps.
    version
        4 or 6, where it matches one of IPv4 and IPv6 alone.
    """

    line: int
    text: str
    protocol: str | None = None
    ports: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    gives: tuple[tuple[Mark, int | None], ...] = ()
    knocked: tuple[str, ...] = ()
    verdict: Verdict = "next"
    jump: str | None = None
    source: str | None = None
    destination: str | None = None
    signal: str | None = None
    version: int | None = None


@dataclass
class RuleSet:
    """Chains of rules, and the chains that packets to the host come to first.

    Parameters
    ----------
    chains
        Name to rules.
    entrances
        Names of the chains a packet comes to first.
    version
        4 or 6, where the rules are for one of them alone.
    """

    chains: dict[str, list[Rule]] = field(default_factory=lambda: defaultdict(list))
    entrances: list[str] = field(default_factory=list)
    version: int | None = None
