"""Which templates, hunts and related techniques belong to a case: by its kind, signal, legs and rules."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from knockwatch.cases import Case

_HEAD = re.compile(r"^// (Cases|Rules|Legs): (.+)$", re.MULTILINE)
SITUATIONS = ("door", "waiting", "implant", "client", "change", "probes")
"""The names of the playbooks, and of the guides that go with them."""
_KINDS = {
    "callback": "implant",
    "sniffer": "implant",
    "client": "client",
    "change": "change",
    "signal": "probes",
}
USUAL = frozenset({"tcp/22", "tcp/80", "tcp/443", "tcp/3389", "udp/1194", "udp/51820"})
"""Services that one expects behind a knock at their own port."""


def situation(case: Case) -> str:
    """Name what an analyst faces: the playbook and the guide of a case.

    A door that somebody used or tried is one thing, a door that only waits another.
    """
    if case.kind in {"door", "daemon"}:
        return "door" if case.attempts or case.entries or "opening" in case.legs else "waiting"
    return _KINDS.get(case.kind, "probes")


def tags(case: Case) -> set[str]:
    """Say in words what a case is, for the data files that choose by it."""
    found = {"any", case.kind, f"situation {situation(case)}", *(f"leg {leg}" for leg in case.legs)}
    found |= {f"signal {case.signal}"} if case.signal else set()
    entrants = {entry.source for entry in case.entries}
    senders = {attempt.source for attempt in case.attempts if attempt.complete}
    odd = case.door is not None and case.door not in USUAL
    facts = {
        "lateral": case.lateral,
        "relayed": bool(entrants and senders and entrants.isdisjoint(senders)),
        "ssh": case.door == "tcp/22" or any(entry.user for entry in case.entries),
        "odd port": odd,
        "icmp": case.signal == "icmp" or any(step.startswith("icmp") for step in case.sequence),
    }
    return found | {name for name, holds in facts.items() if holds}


@dataclass(frozen=True)
class _Hunt:
    """What the head of a hunt's file says of where it belongs."""

    name: str
    kinds: frozenset[str]
    rules: frozenset[str]
    legs: int


def hunts(case: Case) -> list[str]:
    """Name the hunts that belong to a case: first those that need the most legs, then those of its own rules."""
    known = [hunt for hunt in _hunts() if case.kind in hunt.kinds]
    known.sort(key=lambda hunt: (-hunt.legs, -len(hunt.rules & set(case.rules)), hunt.name))
    return [hunt.name for hunt in known]


@cache
def _hunts() -> tuple[_Hunt, ...]:
    """Read the heads of the hunts."""
    folder = files("knockwatch.content").joinpath("hunting")
    found = []
    for path in folder.iterdir():
        if path.name.endswith(".kql"):
            said = dict(_HEAD.findall(path.read_text(encoding="utf-8")))
            told = {
                key: frozenset(said.get(key, "").split(", ")) - {"none"} for key in ("Cases", "Rules", "Legs")
            }
            found.append(
                _Hunt(path.name.removesuffix(".kql"), told["Cases"], told["Rules"], len(told["Legs"]))
            )
    return tuple(found)


@cache
def content() -> dict[str, Any]:
    """Read which hunts and techniques go with which cases."""
    return tomllib.loads(files("knockwatch.content").joinpath("related.toml").read_text(encoding="utf-8"))
