"""What Microsoft's targets share: hunts with the site's values, made into rules; their words, tactics and names."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

from knockwatch.config import Config
from knockwatch.guidance.related import before_19
from knockwatch.hunting import Hunt, hunts
from knockwatch.hunting.site import fitted

if TYPE_CHECKING:
    from knockwatch.detections import Rule

PROOF = "executed on the lab's evidence with expected rows (duckdb-kql); no diagnostics of Microsoft's language service"
_LAST_SORT = re.compile(r"\| sort by [^|]+\Z")
_TACTICS: Mapping[str, tuple[str, ...]] = {
    "T1014": ("DefenseEvasion",),
    "T1021": ("LateralMovement",),
    "T1040": ("CredentialAccess", "Discovery"),
    "T1090": ("CommandAndControl",),
    "T1095": ("CommandAndControl",),
    "T1205": ("Persistence", "DefenseEvasion", "CommandAndControl"),
    "T1562": ("DefenseEvasion",),
    "T1571": ("CommandAndControl",),
}
"""Tactics of a technique as Sentinel names them; a rule must name all of its techniques' tactics.

Azure/Azure-Sentinel ``.script/tests/detectionTemplateSchemaValidation``, KillChainTechniquesHelper.cs and
NoTechniquesWithoutMatchingTactics.cs. ATT&CK v19 renames Defense Evasion; Sentinel's lists had not followed.
"""


def site_hunts(config: Config) -> list[Hunt]:
    """Give all hunts with the site's values."""
    return [fitted(hunt, config) for hunt in hunts().values()]


def identity(target: str, name: str) -> str:
    """Give a GUID that an export keeps, so that a newer one takes its place."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"knockwatch:{target}:{name}"))


def tactics(hunt: Hunt) -> list[str]:
    """Name the tactics of a hunt's techniques."""
    named = [
        tactic for technique in known_techniques(hunt) for tactic in _TACTICS[technique.partition(".")[0]]
    ]
    return list(dict.fromkeys(named))


def techniques(hunt: Hunt) -> list[str]:
    """Name a hunt's techniques without their parts."""
    return list(dict.fromkeys(technique.partition(".")[0] for technique in known_techniques(hunt)))


def known_techniques(hunt: Hunt) -> list[str]:
    """Name a hunt's techniques as Sentinel and Defender know them: their lists had not followed ATT&CK 19."""
    return list(map(before_19, hunt.attack))


def unsorted(query: str) -> str:
    """Take away the order of a query's rows: a rule has none."""
    return _LAST_SORT.sub("", query.rstrip("\n")).rstrip()


def description(hunt: Hunt, rules: Mapping[str, Rule]) -> str:
    """Describe an export: why it finds something, which legs it joins, what is lost, what may be innocent."""
    innocent = [one for name in hunt.rules if name in rules for one in rules[name].false_positives]
    paragraphs = [
        hunt.hypothesis,
        f"Legs of a case that it joins: {', '.join(hunt.legs) or 'none'}.",
        f"Lost against knockwatch's own detection ({', '.join(hunt.rules)}): {hunt.lost}",
        f"Data: {hunt.data}",
        f"Reading: {hunt.reading}",
        *(f"Innocent: {one}" for one in dict.fromkeys(innocent)),
    ]
    return "\n".join(paragraphs)
