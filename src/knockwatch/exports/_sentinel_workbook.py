"""A workbook for Sentinel: the hunts as tables, those with most legs of a case first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from knockwatch.hunting import Hunt

TITLE = "Port knocking (knockwatch)"
_VERSION = "Notebook/1.0"
_QUERY = "KqlItem/1.0"
_LOGS = "microsoft.operationalinsights/workspaces"
_TEXT = 1
_PARAMETERS = 9
_KQL = 3
"""Numbers of the kinds of items (microsoft/Application-Insights-Workbooks, schema/workbook.json)."""
_HEAD = (
    "## Port knocking\n\nA service that is closed to everyone and opens after a secret signal (MITRE ATT&CK "
    "T1205.001). Read from the top: rows with three legs are doors that were used; below are openings, entries and "
    "leads."
)


def workbook(known: Sequence[Hunt]) -> dict[str, Any]:
    """Build the gallery template: hunts with most legs first."""
    ordered = sorted((hunt for hunt in known if hunt.legs), key=lambda hunt: (-len(hunt.legs), hunt.id))
    return {
        "version": _VERSION,
        "items": [
            {"type": _TEXT, "content": {"json": _HEAD}, "name": "head"},
            _time_range(),
            *(_tables(hunt) for hunt in ordered),
        ],
        "fallbackResourceIds": [],
        "$schema": (
            "https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json"
        ),
    }


def serialized(book: dict[str, Any]) -> str:
    """Write a workbook as the resource holds it: JSON in a string."""
    return json.dumps(book, ensure_ascii=False)


def _time_range() -> dict[str, Any]:
    """Build the choice of the time."""
    return {
        "type": _PARAMETERS,
        "content": {
            "version": "KqlParameterItem/1.0",
            "parameters": [
                {
                    "id": "4c7e2f7e-64a5-5b0e-9d0a-6d1a7d2c9b01",
                    "version": "KqlParameterItem/1.0",
                    "name": "TimeRange",
                    "type": 4,
                    "isRequired": True,
                    "value": {"durationMs": 86_400_000},
                    "typeSettings": {
                        "selectableValues": [
                            {"durationMs": milliseconds}
                            for milliseconds in (14_400_000, 86_400_000, 604_800_000, 2_592_000_000)
                        ]
                    },
                }
            ],
            "style": "pills",
            "queryType": 0,
            "resourceType": _LOGS,
        },
        "name": "time",
    }


def _tables(hunt: Hunt) -> dict[str, Any]:
    """Build the table of one hunt."""
    return {
        "type": _KQL,
        "content": {
            "version": _QUERY,
            "query": hunt.query,
            "size": 0,
            "title": f"{hunt.title} (legs: {', '.join(hunt.legs)})",
            "noDataMessage": f"Nothing. It needs: {hunt.data}",
            "timeContextFromParameter": "TimeRange",
            "queryType": 0,
            "resourceType": _LOGS,
            "visualization": "table",
        },
        "name": hunt.id,
    }
