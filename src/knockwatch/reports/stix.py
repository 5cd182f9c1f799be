"""Cases as a STIX 2.1 bundle: what was observed, the techniques, and for alerts an indicator with its sighting.

Specification: https://docs.oasis-open.org/cti/stix/v2.1/. Ids are name-based (UUID version 5): the same case keeps
them; nothing in a pattern comes from evidence but validated addresses, ports and protocols.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any, TextIO

from knockwatch.cases import Case
from knockwatch.guidance.related import technique_name, techniques
from knockwatch.reports import Report
from knockwatch.reports.escape import json_text
from knockwatch.reports.moments import timestamp
from knockwatch.reports.words import Glyphs, one_line

NAMESPACE = uuid.UUID("5d0b2a4e-7d0c-5b0e-9c53-6b6e6f636b77")
"""Of our own objects."""
_OBSERVABLES = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""Of cyber observables: section 2.9 of the specification."""
_STEP = re.compile(r"(tcp|udp|sctp)/(\d{1,5})")
_UNKNOWN_TIME = "1970-01-01T00:00:00.000000Z"
CONFIDENCES: Mapping[str, int] = {"low": 15, "medium": 50, "high": 85}
"""The specification's table for low, medium and high (appendix A)."""
WITHIN_SECONDS = 60
"""In which the steps of an indicator come: knockd waits 25 s, patient daemons longer."""

STEPS_LEAST = 2
"""One step alone is at many places no signal."""

Made = dict[str, Any]


def write_stix(report: Report, stream: TextIO) -> None:
    """Write one bundle."""
    objects: dict[str, Made] = {}
    dated = timestamp(report.summary.get("last_time")) or _UNKNOWN_TIME
    identity = _object("identity", "knockwatch", _UNKNOWN_TIME, name="knockwatch", identity_class="system")
    for made in [identity, *(made for case in report.cases for made in _case(case, identity["id"], dated))]:
        objects.setdefault(made["id"], made)
    bundle = {"type": "bundle", "id": _id("bundle", *sorted(objects)), "objects": list(objects.values())}
    stream.write(json_text(bundle, indent=2) + "\n")


def _id(kind: str, *about: str) -> str:
    """Make the id of an object from what it is about."""
    text = json.dumps([kind, *about])
    return f"{kind}--{uuid.uuid5(NAMESPACE, text)}"


def _object(kind: str, about: str, time: str, **fields: Any) -> Made:
    """Make an object; what is not known is left out."""
    head = {"type": kind, "spec_version": "2.1", "id": _id(kind, about), "created": time, "modified": time}
    return {**head, **{key: value for key, value in fields.items() if value not in (None, [], "")}}


def _case(case: Case, author: str, read: str) -> Iterator[Made]:
    """Make the objects of one case."""
    first = timestamp(case.first_seen) or timestamp(case.last_seen) or read
    last = max(first, timestamp(case.last_seen) or first)
    by: Made = {"created_by_ref": author}
    addresses = [_address(address) for address in _addresses(case)]
    patterns = [_technique(technique, by) for technique in techniques(case)]
    yield from addresses
    yield from patterns
    about = [author]
    if addresses:
        observed = _object(
            "observed-data",
            case.id,
            first,
            **by,
            first_observed=first,
            last_observed=last,
            number_observed=max(1, len(case.attempts) + len(case.entries)),
            object_refs=[address["id"] for address in addresses],
        )
        yield observed
        about = [observed["id"]]
    indicator = _indicator(case, first, by) if case.status == "alert" else None
    if indicator:
        about.append(indicator["id"])
        yield indicator
        yield from (_indicates(indicator["id"], technique["id"], first, by) for technique in patterns)
        yield _object(
            "sighting",
            case.id,
            first,
            **by,
            first_seen=first,
            last_seen=last,
            count=max(1, len(case.attempts)),
            sighting_of_ref=indicator["id"],
            observed_data_refs=[ref for ref in about if ref.startswith("observed-data")],
        )
    yield _object(
        "note",
        case.id,
        first,
        **by,
        abstract=one_line(case, Glyphs()),
        content="\n".join(case.explanation) or one_line(case, Glyphs()),
        object_refs=about,
        labels=[case.kind, case.status, f"severity-{case.severity}"],
        confidence=CONFIDENCES[case.confidence],
    )


def _addresses(case: Case, *, sources: bool = True) -> list[str]:
    """List the addresses of a case, the target first, in the form the specification wants."""
    found = []
    for text in filter(None, [case.destination, *(case.sources if sources else ())]):
        try:
            address = ip_address(text)
        except ValueError:
            continue
        found.append(str(address).partition("%")[0])
    return list(dict.fromkeys(found))


def _kind(address: str) -> str:
    """Name the type of an address."""
    return "ipv6-addr" if ":" in address else "ipv4-addr"


def _address(value: str) -> Made:
    """Make the observable of an address; its id is the one that everybody gives it."""
    kind = _kind(value)
    name = uuid.uuid5(_OBSERVABLES, json.dumps({"value": value}, separators=(",", ":")))
    return {"type": kind, "spec_version": "2.1", "id": f"{kind}--{name}", "value": value}


def _technique(technique: str, by: Made) -> Made:
    """Make a technique of ATT&CK."""
    address = f"https://attack.mitre.org/techniques/{technique.replace('.', '/')}/"
    return _object(
        "attack-pattern",
        technique,
        _UNKNOWN_TIME,
        **by,
        name=technique_name(technique) or technique,
        external_references=[{"source_name": "mitre-attack", "external_id": technique, "url": address}],
    )


def _indicator(case: Case, time: str, by: Made) -> Made | None:
    """Make what others can look for: the signal at its target, else the sources; None where neither is known."""
    pattern = _signal_pattern(case) or _source_pattern(case)
    if not pattern:
        return None
    return _object(
        "indicator",
        case.id,
        time,
        **by,
        name=one_line(case, Glyphs()),
        indicator_types=["malicious-activity"],
        pattern=pattern,
        pattern_type="stix",
        pattern_version="2.1",
        valid_from=time,
        confidence=CONFIDENCES[case.confidence],
    )


def _signal_pattern(case: Case) -> str | None:
    """Write the steps of a signal at their target as a pattern; None unless all of them can be said."""
    steps = [_STEP.fullmatch(step) for step in case.sequence]
    at = _addresses(case, sources=False)
    if not at or len(steps) < STEPS_LEAST:
        return None
    told = [(step[1], int(step[2])) for step in steps if step and int(step[2]) <= 65535]
    if len(told) < len(steps):
        return None
    parts = [
        f"[network-traffic:dst_ref.value = '{at[0]}' AND network-traffic:dst_port = {port} "
        f"AND network-traffic:protocols[*] = '{protocol}']"
        for protocol, port in told
    ]
    joined = (" FOLLOWEDBY " if case.order_known else " AND ").join(parts)
    return f"({joined}) WITHIN {WITHIN_SECONDS} SECONDS"


def _source_pattern(case: Case) -> str | None:
    """Write the sources as a pattern."""
    at = _addresses(case, sources=False)
    told = [f"{_kind(one)}:value = '{one}'" for one in _addresses(case) if one not in at]
    return f"[{' OR '.join(told)}]" if told else None


def _indicates(indicator: str, technique: str, time: str, by: Made) -> Made:
    """Join an indicator with a technique."""
    return _object(
        "relationship",
        f"{indicator} {technique}",
        time,
        **by,
        relationship_type="indicates",
        source_ref=indicator,
        target_ref=technique,
    )
