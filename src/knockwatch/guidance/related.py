"""Techniques and detections that go with a case: chosen from ``content/related.toml``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from knockwatch.guidance.choice import content, tags
from knockwatch.guidance.quoting import Own

if TYPE_CHECKING:
    from knockwatch.cases import Case

_ID = re.compile(r"T\d{4}(?:\.\d{3})?", re.ASCII)
ATTACK_VERSION = "19"
"""The version of ATT&CK whose ids and names ``related.toml`` has."""


@dataclass(frozen=True)
class Technique:
    """A technique of ATT&CK, why it goes with a case, and who detects it: our rules, and public ones."""

    id: Own
    name: Own
    why: Own
    rules: tuple[Own, ...]
    public: tuple[Own, ...]

    @property
    def address(self) -> Own:
        """Its page."""
        return Own(f"https://attack.mitre.org/techniques/{self.id.replace('.', '/')}/")


def related(case: Case) -> list[Technique]:
    """Choose the techniques that go with a case, in the order of the data file."""
    known = tags(case)
    return [technique for when, technique in _techniques() if known & when]


def techniques(case: Case) -> list[str]:
    """List the current ids of techniques that a case names; a file from elsewhere may name anything."""
    return list(dict.fromkeys(current(technique) for technique in case.attack if _ID.fullmatch(technique)))


def current(technique: str) -> str:
    """Give the id that a technique has now."""
    former: dict[str, str] = content()["former"]
    return next((now for now, before in former.items() if before == technique), technique)


def before_19(technique: str) -> str:
    """Give the id that a technique had before ATT&CK 19, for products whose lists do not know the new ones."""
    former: dict[str, str] = content()["former"]
    return former.get(technique, technique)


def technique_name(technique: str) -> str | None:
    """Name a technique; None for one that the data file does not have."""
    names: dict[str, str] = {**content()["name"], **{known.id: known.name for _, known in _techniques()}}
    return names.get(current(technique))


@cache
def _techniques() -> tuple[tuple[set[str], Technique], ...]:
    """Read the data file: when each technique belongs to a case, and the technique."""
    return tuple(
        (
            set(entry["when"]),
            Technique(
                Own(entry["id"]),
                Own(entry["name"]),
                Own(entry["why"].strip()),
                tuple(map(Own, entry["rules"])),
                tuple(map(Own, entry["public"])),
            ),
        )
        for entry in content()["technique"]
    )
