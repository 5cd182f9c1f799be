"""What knock daemons write, read from `content/daemon_phrases.csv`; no judgement of what it adds up to."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from ipaddress import ip_address
from typing import Literal, cast, get_args

Meaning = Literal[
    "running",
    "signal",
    "stage",
    "opened",
    "command",
    "command-failed",
    "commanded",
    "failed",
    "closing",
    "closed",
    "entered",
]
MEANINGS: tuple[Meaning, ...] = get_args(Meaning)

_PACKET = re.compile(r"\b(SRC|DST|PROTO|SPT|DPT)=([^\s=]+)")
_PACKET_FIELDS = {
    "SRC": "source",
    "DST": "destination",
    "PROTO": "protocol",
    "SPT": "source_port",
    "DPT": "destination_port",
}


@dataclass(frozen=True)
class Phrase:
    """One line of the phrase table.

    Parameters
    ----------
    daemon
        Who writes it.
    program
        Pattern that the line's program has to hold, where the line names one; empty for any.
    meaning
        What it says happened.
    marker
        Text that every such line holds, for the engine to find candidates by.
    pattern
        Anchored pattern; its groups are facts.
    says
        What the source did, as half a sentence.
    source
        Where the phrase comes from.
    sample
        A line that fits.
    """

    daemon: str
    program: re.Pattern[str]
    meaning: Meaning
    marker: str
    pattern: re.Pattern[str]
    says: str
    source: str
    sample: str


@dataclass(frozen=True)
class Spoken:
    """A message that fits a phrase, with the facts it tells: addresses in shortest form, numbers as text."""

    phrase: Phrase
    facts: Mapping[str, str]


@cache
def phrases() -> tuple[Phrase, ...]:
    """Load the phrase table, in its order: the first that fits decides."""
    text = (files("knockwatch.content") / "daemon_phrases.csv").read_text("utf-8")
    table = []
    for row in csv.DictReader(text.splitlines()):
        if row["meaning"] not in MEANINGS:
            raise ValueError(f"daemon_phrases.csv: no meaning {row['meaning']!r}")
        table.append(
            Phrase(
                row["daemon"],
                re.compile(row["program"]),
                cast(Meaning, row["meaning"]),
                row["marker"],
                re.compile(row["pattern"]),
                row["says"],
                row["source"],
                row["sample"],
            )
        )
    return tuple(table)


def understand(program: str | None, message: str) -> Spoken | None:
    """Find the phrase that a message is; None where it is none, or names an address or port that is none."""
    for phrase in phrases():
        if program and not phrase.program.search(program):
            continue
        match = phrase.pattern.match(message) if phrase.marker in message else None
        if match is None:
            continue
        facts = {name: value for name, value in match.groupdict().items() if value is not None}
        if phrase.daemon == "kernel":
            facts = {**_packet(message), **facts}
        return Spoken(phrase, facts) if _shorten(facts) else None
    return None


def _packet(message: str) -> dict[str, str]:
    """Read whose packet a kernel line is about."""
    return {
        _PACKET_FIELDS[key]: value for key, value in reversed(_PACKET.findall(message.partition("[SRC=")[0]))
    }


def _shorten(facts: dict[str, str]) -> bool:
    """Bring addresses to their shortest form and protocols to small letters; False where one is impossible."""
    for name in ("source", "destination"):
        if name in facts:
            try:
                facts[name] = str(ip_address(facts[name]))
            except ValueError:
                return False
    for name in ("port", "source_port", "destination_port"):
        if name in facts and not (facts[name].isdigit() and int(facts[name]) <= 65535):
            return False
    if "protocol" in facts:
        facts["protocol"] = facts["protocol"].lower()
    return True
