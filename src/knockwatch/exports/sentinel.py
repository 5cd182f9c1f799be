"""Microsoft Sentinel: analytics rules and hunting queries as YAML, and a deployment with watchlist and workbook."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knockwatch.config import Config
from knockwatch.exports import Exported
from knockwatch.exports._kql import (
    PROOF,
    description,
    identity,
    known_techniques,
    site_hunts,
    tactics,
    unsorted,
)
from knockwatch.exports._sentinel_deployment import deployment
from knockwatch.exports._sentinel_watchlist import watched, watchlist_csv
from knockwatch.exports._sentinel_workbook import workbook
from knockwatch.exports._yaml import Value, yaml_text
from knockwatch.hunting import Hunt

if TYPE_CHECKING:
    from knockwatch.detections import Rule

VERSION = "1.0.0"
_CONNECTORS: Mapping[str, tuple[str, str]] = {
    # Ids as the content hub has them; ValidConnectorIds.json of Azure-Sentinel lists those that a template may name.
    "CommonSecurityLog": ("CefAma", "CommonSecurityLog"),
    "Syslog": ("SyslogAma", "Syslog"),
    "DeviceProcessEvents": ("MicrosoftThreatProtection", "DeviceProcessEvents"),
}
_IDENTIFIERS = {"IP": "Address", "Host": "HostName", "Account": "Name", "Process": "CommandLine"}
"""The identifier of each kind of entity (Azure-Sentinel, EntityMappingIdentifiers.cs)."""

_README = """# Port knocking for Microsoft Sentinel

`azuredeploy.json` deploys everything: the watchlist, the analytics rules, the hunting queries and the workbook.

    az deployment group create --resource-group GROUP --template-file azuredeploy.json --parameters workspace=WORKSPACE

To take single rules from `AnalyticRules` and `HuntingQueries`, make the watchlist first: import
`Watchlists/knockwatch.csv` with the alias `knockwatch` and the search key `Entry`. The queries ask it for addresses,
hosts and users that are expected; networks and authorised doors stand in the queries, so export again after changing
them in knockwatch.toml. `coverage.csv` says of each rule which legs of a case it joins, and what is lost.
"""


class Sentinel:
    """Microsoft Sentinel."""

    name = "sentinel"
    title = "Microsoft Sentinel: analytics rules, hunting queries, watchlist, workbook (YAML and ARM)"

    def write(self, folder: Path, rules: Mapping[str, Rule], config: Config) -> Sequence[Exported]:
        """Write the repository's layout, and `azuredeploy.json`, which deploys everything."""
        known = [replace(hunt, text=watched(hunt)) for hunt in site_hunts(config)]
        alerting = [hunt for hunt in known if hunt.alert]
        exported = []
        for hunt in known:
            files = [
                _put(folder / "HuntingQueries" / f"{hunt.id}.yaml", yaml_text(hunting_yaml(hunt, rules)))
            ]
            if hunt.alert:
                files.append(
                    _put(folder / "AnalyticRules" / f"{hunt.id}.yaml", yaml_text(rule_yaml(hunt, rules)))
                )
            form = "analytics rule" if hunt.alert else "hunting query"
            exported += [
                Exported(rule, hunt.id, form, "template", hunt.legs, hunt.lost, PROOF, tuple(files))
                for rule in hunt.rules
            ]
        _put(folder / "Watchlists" / "knockwatch.csv", watchlist_csv(config))
        _put(folder / "Workbooks" / "knockwatch.json", _json(workbook(known)))
        arm = deployment(
            [rule_yaml(hunt, rules) for hunt in alerting],
            [hunting_yaml(hunt, rules) for hunt in known],
            watchlist_csv(config),
            workbook(known),
        )
        _put(folder / "azuredeploy.json", _json(arm))
        _put(folder / "README.md", _README)
        return exported


def rule_yaml(hunt: Hunt, rules: Mapping[str, Rule]) -> dict[str, Value]:
    """Write an analytics rule as the Azure-Sentinel repository has it."""
    if hunt.alert is None:
        raise ValueError(f"{hunt.id} is no rule")
    return {
        "id": identity("sentinel-rule", hunt.id),
        "name": hunt.title,
        "version": VERSION,
        "kind": "Scheduled",
        "description": description(hunt, rules),
        "severity": hunt.alert.severity.capitalize(),
        "requiredDataConnectors": _connectors(hunt),
        "queryFrequency": hunt.alert.every,
        "queryPeriod": hunt.alert.over,
        "triggerOperator": "gt",
        "triggerThreshold": 0,
        "tactics": tactics(hunt),
        "relevantTechniques": known_techniques(hunt),
        "query": rule_query(hunt),
        "entityMappings": [
            {"entityType": kind, "fieldMappings": [{"identifier": _IDENTIFIERS[kind], "columnName": column}]}
            for kind, column in hunt.entities
        ],
        "eventGroupingSettings": {"aggregationKind": "AlertPerResult"},
    }


def hunting_yaml(hunt: Hunt, rules: Mapping[str, Rule]) -> dict[str, Value]:
    """Write a hunting query as the Azure-Sentinel repository has it."""
    return {
        "id": identity("sentinel-hunt", hunt.id),
        "name": hunt.title,
        "description": description(hunt, rules),
        "requiredDataConnectors": _connectors(hunt),
        "tactics": tactics(hunt),
        "relevantTechniques": known_techniques(hunt),
        "query": hunt.query,
    }


def rule_query(hunt: Hunt) -> str:
    """Make a query that alerts once: of the period it looks at, only what ended since the last run counts."""
    if hunt.alert is None:
        raise ValueError(f"{hunt.id} is no rule")
    # A few minutes more than the pause between two runs, since lines arrive late; Sentinel groups what is told twice.
    return f"{unsorted(hunt.query)}\n| where TimeGenerated > ago({hunt.alert.every}) - 5m\n"


def _connectors(hunt: Hunt) -> list[Value]:
    """Name the connectors that fill a hunt's tables."""
    named = [_CONNECTORS[table] for table in hunt.tables]
    return [{"connectorId": connector, "dataTypes": [kind]} for connector, kind in named]


def _json(value: Any) -> str:
    """Write JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _put(path: Path, text: str) -> Path:
    """Write a file, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


TARGET = Sentinel()
