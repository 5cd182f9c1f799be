"""The ARM template that deploys everything to a workspace: watchlist, analytics rules, hunting queries, workbook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from knockwatch.exports._kql import identity
from knockwatch.exports._sentinel_watchlist import ALIAS, SEARCH_KEY
from knockwatch.exports._sentinel_workbook import TITLE, serialized

_SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
_INSIGHTS = "Microsoft.OperationalInsights/workspaces/providers"
_OPERATORS = {"gt": "GreaterThan", "lt": "LessThan", "eq": "Equal", "ne": "NotEqual"}


def deployment(
    rules: Sequence[Mapping[str, Any]],
    queries: Sequence[Mapping[str, Any]],
    watchlist: str,
    book: dict[str, Any],
) -> dict[str, Any]:
    """Build the template.

    Parameters
    ----------
    rules, queries
        Analytics rules and hunting queries, as their YAML says them.
    watchlist, book
        The watchlist's CSV, and the workbook.
    """
    return {
        "$schema": _SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": {
            "workspace": {
                "type": "string",
                "metadata": {
                    "description": "Name of the Log Analytics workspace that Microsoft Sentinel runs on."
                },
            },
            "location": {"type": "string", "defaultValue": "[resourceGroup().location]"},
        },
        "resources": [
            _watchlist(watchlist),
            *(_rule(rule) for rule in rules),
            *(_query(query) for query in queries),
            _workbook(book),
        ],
    }


def literal(text: str) -> str:
    """Write text that ARM takes for text: a bracket at its start would make it an expression."""
    return f"[{text}" if text.startswith("[") else text


def iso_duration(span: str) -> str:
    """Write ``15m`` as ISO 8601 has it."""
    return f"P{span.upper()}" if span.endswith("d") else f"PT{span.upper()}"


def _name(last: str) -> str:
    """Write the name of a resource of Sentinel's."""
    return f"[concat(parameters('workspace'), '/Microsoft.SecurityInsights/{last}')]"


def _watchlist(content: str) -> dict[str, Any]:
    """Build the watchlist; its alias is its resource's name."""
    return {
        "type": f"{_INSIGHTS}/Watchlists",
        "apiVersion": "2023-02-01",
        "name": _name(ALIAS),
        "properties": {
            "displayName": ALIAS,
            "description": "Who is expected to knock, to scan and to check: the context of knockwatch.toml.",
            "provider": "knockwatch",
            "source": "knockwatch.csv",
            "sourceType": "Local file",
            "itemsSearchKey": SEARCH_KEY,
            "contentType": "text/csv",
            "numberOfLinesToSkip": 0,
            "rawContent": literal(content),
        },
    }


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Build an analytics rule; it asks the watchlist, so that comes first."""
    parts = [technique for technique in rule["relevantTechniques"] if "." in technique]
    return {
        "type": f"{_INSIGHTS}/alertRules",
        "apiVersion": "2023-12-01-preview",
        "name": _name(rule["id"]),
        "kind": "Scheduled",
        "dependsOn": [
            f"[resourceId('{_INSIGHTS}/Watchlists', parameters('workspace'), 'Microsoft.SecurityInsights', '{ALIAS}')]"
        ],
        "properties": {
            "displayName": literal(rule["name"]),
            "description": literal(rule["description"]),
            "severity": rule["severity"],
            "enabled": True,
            "query": literal(rule["query"]),
            "queryFrequency": iso_duration(rule["queryFrequency"]),
            "queryPeriod": iso_duration(rule["queryPeriod"]),
            "triggerOperator": _OPERATORS[rule["triggerOperator"]],
            "triggerThreshold": rule["triggerThreshold"],
            "suppressionDuration": "PT5H",
            "suppressionEnabled": False,
            "tactics": rule["tactics"],
            "techniques": list(dict.fromkeys(one.partition(".")[0] for one in rule["relevantTechniques"])),
            "subTechniques": parts,
            "entityMappings": rule["entityMappings"],
            "eventGroupingSettings": rule["eventGroupingSettings"],
            "incidentConfiguration": {
                "createIncident": True,
                "groupingConfiguration": {
                    "enabled": True,
                    "reopenClosedIncident": False,
                    "lookbackDuration": "PT5H",
                    "matchingMethod": "AllEntities",
                    "groupByEntities": [],
                    "groupByAlertDetails": [],
                    "groupByCustomDetails": [],
                },
            },
        },
    }


def _query(query: Mapping[str, Any]) -> dict[str, Any]:
    """Build a hunting query."""
    tags = {
        "description": query["description"],
        "tactics": ",".join(query["tactics"]),
        "techniques": ",".join(dict.fromkeys(one.partition(".")[0] for one in query["relevantTechniques"])),
    }
    return {
        "type": "Microsoft.OperationalInsights/workspaces/savedSearches",
        "apiVersion": "2020-08-01",
        "name": f"[concat(parameters('workspace'), '/{query['id']}')]",
        "properties": {
            "category": "Hunting Queries",
            "displayName": literal(query["name"]),
            "query": literal(query["query"]),
            "version": 2,
            "tags": [{"name": name, "value": literal(value)} for name, value in tags.items()],
        },
    }


def _workbook(book: dict[str, Any]) -> dict[str, Any]:
    """Build the workbook."""
    workspace = "[resourceId('Microsoft.OperationalInsights/workspaces', parameters('workspace'))]"
    return {
        "type": "Microsoft.Insights/workbooks",
        "apiVersion": "2022-04-01",
        "name": identity("sentinel-workbook", "knockwatch"),
        "location": "[parameters('location')]",
        "kind": "shared",
        "properties": {
            "displayName": TITLE,
            "serializedData": serialized(book),
            "version": "1.0",
            "sourceId": workspace,
            "category": "sentinel",
        },
    }
