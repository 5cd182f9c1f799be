"""Cases as OCSF events, one Detection Finding (class 2004) a line.

Schema 1.5.0: https://schema.ocsf.io/1.5.0/classes/detection_finding. What OCSF has no field for stands in ``unmapped``.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, TextIO

from knockwatch.cases import Case, Quote
from knockwatch.guidance.related import ATTACK_VERSION, technique_name, techniques
from knockwatch.reports import Report
from knockwatch.reports.escape import json_text
from knockwatch.reports.moments import milliseconds
from knockwatch.reports.words import Glyphs, one_line

OCSF_VERSION = "1.5.0"
SEVERITIES: Mapping[str, tuple[int, str]] = {
    "low": (2, "Low"),
    "medium": (3, "Medium"),
    "high": (4, "High"),
    "critical": (5, "Critical"),
}
CONFIDENCES: Mapping[str, tuple[int, str]] = {"low": (1, "Low"), "medium": (2, "Medium"), "high": (3, "High")}
STATUSES: Mapping[str, tuple[int, str]] = {
    "alert": (1, "New"),
    "lead": (1, "New"),
    "suppressed": (3, "Suppressed"),
}
_ADDRESS, _HOST, _USER, _RULE = 2, 1, 4, 1


def write_ocsf(report: Report, stream: TextIO) -> None:
    """Write one finding a line; a case without any time is dated by the newest evidence that was read."""
    read = milliseconds(report.summary.get("last_time")) or 0
    stream.writelines(json_text(_finding(case, read)) + "\n" for case in report.cases)


def _finding(case: Case, read: int) -> dict[str, Any]:
    """Write one case."""
    first, last = milliseconds(case.first_seen), milliseconds(case.last_seen)
    severity_id, severity = SEVERITIES[case.severity]
    confidence_id, confidence = CONFIDENCES[case.confidence]
    status_id, status = STATUSES[case.status]
    event = {
        "activity_id": 1,
        "activity_name": "Create",
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "type_uid": 200401,
        "type_name": "Detection Finding: Create",
        "time": next((time for time in (last, first) if time is not None), read),
        "start_time": first,
        "end_time": last,
        "severity_id": severity_id,
        "severity": severity,
        "confidence_id": confidence_id,
        "confidence": confidence,
        "risk_score": case.score,
        "status_id": status_id,
        "status": status,
        "status_detail": case.suppressed_by,
        "message": case.explanation[0] if case.explanation else None,
        "metadata": _metadata(case),
        "finding_info": _information(case, first, last),
        "evidences": [_evidence(quote) for quote in case.evidence],
        "observables": _observables(case),
        "resources": _resources(case),
        "remediation": _remediation(case),
        "unmapped": _unmapped(case),
    }
    return _known(event)


def _known(event: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is not known: OCSF has no null."""
    return {key: value for key, value in event.items() if value is not None and value != []}


def _metadata(case: Case) -> dict[str, Any]:
    """Say who reports, and in which version of the schema."""
    product = {"name": "knockwatch", "vendor_name": "knockwatch", "version": version("knockwatch")}
    return {"version": OCSF_VERSION, "product": product, "uid": case.id}


def _information(case: Case, first: int | None, last: int | None) -> dict[str, Any]:
    """Say what was found, by which rules, and which techniques it shows."""
    rules = [{"name": rule, "uid": rule, "type_id": _RULE, "type": "Rule"} for rule in case.rules]
    return _known(
        {
            "uid": case.id,
            "title": one_line(case, Glyphs()),
            "desc": " ".join(case.explanation) or None,
            "types": [case.kind],
            "first_seen_time": first,
            "last_seen_time": last,
            "analytic": rules[0] if rules else None,
            "related_analytics": rules[1:],
            "attacks": [_attack(technique) for technique in techniques(case)],
            "data_sources": list(dict.fromkeys(quote.file for quote in case.evidence)),
        }
    )


def _attack(technique: str) -> dict[str, Any]:
    """Write a technique; a sub-technique stands beside its parent."""
    parent = technique.partition(".")[0]
    told: dict[str, Any] = {"version": ATTACK_VERSION, "technique": _named(parent)}
    return told if parent == technique else {**told, "sub_technique": _named(technique)}


def _named(technique: str) -> dict[str, str]:
    """Write a technique's id and name."""
    return {"uid": technique, "name": technique_name(technique) or technique}


def _evidence(quote: Quote) -> dict[str, Any]:
    """Write one line of evidence with its place."""
    data = {
        "file": quote.file,
        "line": quote.line,
        "table": quote.table,
        "time": quote.time,
        "text": quote.text,
    }
    return {"name": quote.leg or "other", "data": _known(data)}


def _observables(case: Case) -> list[dict[str, Any]]:
    """List the addresses, hosts and users that acted or were acted upon."""
    named: list[tuple[str, int, str, str | None]] = [
        *(("sources", _ADDRESS, "IP Address", source) for source in case.sources),
        ("destination", _ADDRESS, "IP Address", case.destination),
        ("host", _HOST, "Hostname", case.host),
        *(("entries.user", _USER, "User Name", entry.user) for entry in case.entries),
    ]
    return [
        {"name": name, "type_id": kind, "type": caption, "value": value}
        for name, kind, caption, value in dict.fromkeys(named)
        if value
    ]


def _resources(case: Case) -> list[dict[str, Any]]:
    """Name the host that was acted upon; a client's host acted itself."""
    if case.kind == "client" or not (case.host or case.destination):
        return []
    return [_known({"type": "host", "name": case.host or case.destination, "uid": case.destination})]


def _remediation(case: Case) -> dict[str, str] | None:
    """Name the playbook."""
    if not case.playbook:
        return None
    return {"desc": f"Playbook {case.playbook}: knockwatch explain {case.id} --format markdown --cases FILE"}


def _unmapped(case: Case) -> dict[str, Any]:
    """Keep what OCSF has no field for."""
    told = {
        "case_status": case.status,
        "kind": case.kind,
        "signal": case.signal,
        "sequence": case.sequence,
        "order_known": case.order_known,
        "door": case.door,
        "legs": case.legs,
        "lateral": case.lateral,
        "playbook": case.playbook,
        "guide": case.guide,
        "hunts": case.hunts,
    }
    return _known(told)
