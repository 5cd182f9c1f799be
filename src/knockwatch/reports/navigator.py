"""Cases as a layer of the ATT&CK Navigator: which techniques were seen, and how sure it is.

Format 4.5: mitre-attack/attack-navigator, layers/spec/v4.5/layerformat.md.
"""

from __future__ import annotations

from typing import Any, TextIO

from knockwatch.cases import Case
from knockwatch.guidance.related import ATTACK_VERSION, techniques
from knockwatch.reports import Report
from knockwatch.reports.escape import json_text
from knockwatch.reports.words import Glyphs, one_line, plural

LAYER_VERSION = "4.5"
NAVIGATOR_VERSION = "5.2.0"
CASES_NAMED = 20
"""Cases named at a technique; a tooltip holds no more."""


def write_navigator(report: Report, stream: TextIO) -> None:
    """Write one layer; a technique's score is that of its best case."""
    shown: dict[str, list[Case]] = {}
    for case in report.cases:
        for technique in techniques(case):
            shown.setdefault(technique, []).append(case)
    layer = {
        "name": "knockwatch",
        "versions": {"attack": ATTACK_VERSION, "navigator": NAVIGATOR_VERSION, "layer": LAYER_VERSION},
        "domain": "enterprise-attack",
        "description": f"{plural(len(report.cases), 'case')} of port knocking and traffic signaling",
        "sorting": 3,
        "layout": {"layout": "side", "showID": True, "showName": True, "expandedSubtechniques": "annotated"},
        "techniques": [_technique(technique, shown[technique]) for technique in sorted(shown)],
        "gradient": {"colors": ["#fff4c2", "#d1242f"], "minValue": 0, "maxValue": 100},
        "legendItems": [],
        "selectTechniquesAcrossTactics": True,
        "selectSubtechniquesWithParent": False,
    }
    stream.write(json_text(layer, indent=2) + "\n")


def _technique(technique: str, cases: list[Case]) -> dict[str, Any]:
    """Write one technique with the cases that show it."""
    alerts = sum(case.status == "alert" for case in cases)
    return {
        "techniqueID": technique,
        "score": max(case.score for case in cases),
        "comment": f"{plural(len(cases), 'case')}, {plural(alerts, 'alert')}",
        "enabled": True,
        "showSubtechniques": True,
        "metadata": [
            {"name": f"{case.status} {case.id}"[:80], "value": one_line(case, Glyphs())}
            for case in cases[:CASES_NAMED]
        ],
    }
