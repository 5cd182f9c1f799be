"""Microsoft Defender XDR: custom detections as Microsoft Graph takes them, and the hunts for advanced hunting."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knockwatch.config import Config
from knockwatch.exports import Exported
from knockwatch.exports._kql import PROOF, description, known_techniques, site_hunts, tactics, unsorted
from knockwatch.hunting import Hunt

if TYPE_CHECKING:
    from knockwatch.detections import Rule

_DEVICE_TABLE = "DeviceProcessEvents"
_PERIOD = "1H"
"""How often; Defender knows 0 (at once), 1H, 3H, 12H and 24H, and hourly rules look at the last four hours."""
_ONLY_HOSTS = (
    "What firewalls and daemons log, which a custom detection cannot join without Sentinel's tables."
)


class Defender:
    """Microsoft Defender XDR."""

    name = "defender"
    title = "Microsoft Defender XDR: custom detections (Microsoft Graph) and advanced hunting"

    def write(self, folder: Path, rules: Mapping[str, Rule], config: Config) -> Sequence[Exported]:
        """Write a detection for every hunt that alerts on processes alone, and the other hunts as queries."""
        exported = []
        for hunt in site_hunts(config):
            path = folder / "hunting" / f"{hunt.id}.kql"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(hunt.text, "utf-8")
            files, form, lost = [path], "advanced hunting query", hunt.lost
            if hunt.alert and hunt.tables == (_DEVICE_TABLE,):
                path = folder / "detections" / f"{hunt.id}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                text = json.dumps(detection(hunt, rules), indent=2, ensure_ascii=False)
                path.write_text(f"{text}\n", "utf-8")
                files, form, lost = [path, *files], "custom detection", f"{hunt.lost} {_ONLY_HOSTS}"
            exported += [
                Exported(rule, hunt.id, form, "template", hunt.legs, lost, PROOF, tuple(files))
                for rule in hunt.rules
            ]
        return exported


def detection(hunt: Hunt, rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Write a hunt as a detectionRule of Microsoft Graph (POST /beta/security/rules/detectionRules).

    Its rows have Timestamp, DeviceId and ReportId, as a detection on a table of devices must.
    """
    if hunt.alert is None:
        raise ValueError(f"{hunt.id} is no rule")
    return {
        "displayName": hunt.title,
        "isEnabled": True,
        "queryCondition": {"queryText": unsorted(hunt.query) + "\n"},
        "schedule": {"period": _PERIOD},
        "detectionAction": {
            "alertTemplate": {
                "title": hunt.title,
                "description": description(hunt, rules),
                "severity": hunt.alert.severity,
                "category": tactics(hunt)[0],
                "recommendedActions": hunt.reading,
                "mitreTechniques": known_techniques(hunt),
                "impactedAssets": [
                    {"@odata.type": "#microsoft.graph.security.impactedDeviceAsset", "identifier": "deviceId"}
                ],
            },
            "organizationalScope": None,
            "responseActions": [],
        },
    }


TARGET = Defender()
