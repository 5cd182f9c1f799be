"""What other systems are given is what their own schemas and libraries take, whatever evidence holds."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
import stix2
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt
from py_ocsf_models.events.findings.detection_finding import DetectionFinding
from stix2validator import ValidationOptions, validate_instance

from knockwatch.cases import Case
from knockwatch.guidance import name_guidance
from knockwatch.reports import FORMATS, Report, writer
from knockwatch.reports.escape import visible
from knockwatch.reports.prose import write_guidance
from tests.conftest import ROOT
from tests.guidance.cases import HOSTILE, every
from tests.reports.made import client, door, lead, suppressed, tries

EVERY = dict(every())
CASES = (door(), client(), lead(), tries(), suppressed())
EXPORTS = ("markdown", "ocsf", "stix", "navigator", "timesketch")
SCHEMAS = ROOT / "tests" / "data" / "schemas"
SUMMARY = {"last_time": "2026-11-22T12:00:00Z"}


def written(form: str, *cases: Case, summary: dict[str, Any] | None = None) -> str:
    """Write cases in a format."""
    stream = io.StringIO()
    writer(form)(Report(cases, SUMMARY if summary is None else summary), stream)
    return stream.getvalue()


def schema(name: str) -> Draft202012Validator:
    """Load one of the schemas that were written down from a format's own definition."""
    return Draft202012Validator(json.loads((SCHEMAS / f"{name}.json").read_text("utf-8")))


def lines(text: str) -> list[dict[str, Any]]:
    """Read JSON Lines."""
    return [json.loads(line) for line in text.splitlines()]


def test_every_export_is_a_format_of_scan() -> None:
    assert set(EXPORTS) <= set(FORMATS)


@pytest.mark.parametrize("form", EXPORTS)
def test_an_export_is_the_same_every_time_and_shows_a_terminal_nothing_to_obey(form: str) -> None:
    text = written(form, *EVERY.values())
    assert text == written(form, *EVERY.values())
    assert all(visible(line) == line for line in text.split("\n"))


@pytest.mark.parametrize("form", EXPORTS)
def test_no_case_at_all_is_an_export_too(form: str) -> None:
    written(form, summary={})


@pytest.mark.parametrize("name", EVERY)
def test_ocsf_takes_every_case_as_a_detection_finding(name: str) -> None:
    name_guidance([case := EVERY[name]])
    (event,) = lines(written("ocsf", case))
    # The model passes over what the class does not have: what it gives back must be what it got.
    read = DetectionFinding(**event).model_dump(mode="json", exclude_none=True)
    for evidence in read.get("evidences", []):
        evidence.pop("verdict_id")
    assert read == event
    assert (event["class_uid"], event["type_uid"], event["metadata"]["version"]) == (2004, 200401, "1.5.0")


def test_ocsf_says_when_who_and_how_bad() -> None:
    (event,) = lines(written("ocsf", door()))
    assert event["start_time"] == 1_795_346_614_120
    assert (event["severity"], event["confidence"], event["risk_score"]) == ("Critical", "High", 92)
    assert {seen["value"] for seen in event["observables"]} == {
        "198.51.100.7",
        "198.51.100.8",
        "192.0.2.10",
        "srv1",
        "alice",
    }
    assert event["finding_info"]["attacks"] == [
        {
            "version": "19",
            "technique": {"uid": "T1205", "name": "Traffic Signaling"},
            "sub_technique": {"uid": "T1205.001", "name": "Port Knocking"},
        }
    ]


def test_ocsf_dates_a_case_without_times_by_what_was_read() -> None:
    (event,) = lines(written("ocsf", EVERY["door-alert-bare"]))
    assert event["time"] == 1_795_348_800_000
    assert "start_time" not in event


@pytest.mark.parametrize("name", EVERY)
def test_stix_takes_every_case(name: str) -> None:
    bundle = json.loads(written("stix", EVERY[name]))
    stix2.parse(bundle, allow_custom=False)
    result = validate_instance(bundle, ValidationOptions(version="2.1", disabled=["features"]))
    assert result.is_valid, [str(error) for error in result.errors]


def test_stix_takes_all_cases_in_one_bundle() -> None:
    bundle = json.loads(written("stix", *CASES))
    stix2.parse(bundle, allow_custom=False)
    ids = [made["id"] for made in bundle["objects"]]
    assert len(ids) == len(set(ids))
    kinds = {made["type"] for made in bundle["objects"]}
    assert kinds >= {"indicator", "sighting", "observed-data", "attack-pattern", "note", "relationship"}
    refs = {
        ref for ref in re.findall(r'"([a-z0-9-]+--[0-9a-f-]{36})"', json.dumps(bundle)) if "bundle" not in ref
    }
    assert refs == set(ids)


def test_stix_tells_others_what_to_look_for() -> None:
    (indicator,) = (
        made for made in json.loads(written("stix", door()))["objects"] if made["type"] == "indicator"
    )
    assert indicator["pattern"].count(" FOLLOWEDBY ") == 2
    assert indicator["pattern"].endswith("WITHIN 60 SECONDS")
    unordered = written("stix", replace(door(), order_known=False))
    assert "FOLLOWEDBY" not in unordered
    sources = json.loads(written("stix", door(sequence=[])))["objects"]
    (indicator,) = (made for made in sources if made["type"] == "indicator")
    assert indicator["pattern"] == "[ipv4-addr:value = '198.51.100.7' OR ipv4-addr:value = '198.51.100.8']"


def test_stix_gives_an_address_the_id_that_everybody_gives_it() -> None:
    made = {made.get("value"): made["id"] for made in json.loads(written("stix", door()))["objects"]}
    assert made["198.51.100.7"] == stix2.IPv4Address(value="198.51.100.7").id


def test_a_lead_and_a_suppressed_case_are_no_indicator() -> None:
    kinds = {made["type"] for made in json.loads(written("stix", lead(), suppressed()))["objects"]}
    assert not {"indicator", "sighting"} & kinds


@pytest.mark.parametrize("cases", [CASES, tuple(EVERY.values()), ()], ids=["few", "every", "none"])
def test_navigator_takes_the_layer(cases: tuple[Case, ...]) -> None:
    layer = json.loads(written("navigator", *cases))
    assert [error.message for error in schema("navigator-layer-4.5").iter_errors(layer)] == []


def test_navigator_library_takes_the_layer() -> None:
    library = pytest.importorskip(
        "mitreattack.navlayers.core.layer", reason="mitreattack-python is not installed"
    )
    text = written("navigator", *CASES)
    layer = library.Layer(strict=True)
    layer.from_str(text)
    told = {technique["techniqueID"]: technique["score"] for technique in layer.to_dict()["techniques"]}
    assert told == {"T1205.001": 92}


def test_timesketch_takes_every_event() -> None:
    told = lines(written("timesketch", *EVERY.values()))
    assert told
    check = schema("timesketch-event")
    for event in told:
        assert [error.message for error in check.iter_errors(event)] == []
        assert datetime.fromisoformat(event["datetime"]).tzinfo is not None
    assert [event["timestamp"] for event in told] == sorted(event["timestamp"] for event in told)


def test_timesketch_tells_signal_entry_and_evidence() -> None:
    told = [(event["timestamp_desc"], event["message"]) for event in lines(written("timesketch", door()))]
    assert told == [
        ("Signal Sent", "198.51.100.7 sent tcp/7000 udp/8000 tcp/9000"),
        ("Opening Evidence", "Nov 22 11:23:35 srv1 knockd: 198.51.100.7: ssh: OPEN SESAME"),
        ("Door Entered", "198.51.100.7 entered as alice"),
        ("Signal Sent", "198.51.100.8 sent tcp/7000"),
    ]


@pytest.mark.parametrize("name", [name for name in EVERY if name.endswith("hostile")])
def test_what_evidence_says_has_no_meaning_in_a_ticket(name: str) -> None:
    text = written("markdown", EVERY[name])
    for token in MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(text):
        assert token.type != "html_block"
        for inline in token.children or []:
            assert inline.type not in {"html_inline", "image"}
            assert inline.type != "link_open" or str(inline.attrGet("href")).startswith(
                "https://attack.mitre.org/"
            )
            assert inline.type != "text" or "evil" not in inline.content


def test_a_ticket_holds_the_whole_of_an_alert_and_the_names_of_the_rest() -> None:
    assert "## Playbook: a door that was used" in written("markdown", door())
    assert "## Playbook" not in written("markdown", lead())
    assert HOSTILE not in written("markdown", EVERY["door-alert-hostile"])


def test_a_terminal_is_told_what_to_do_with_whole_commands() -> None:
    out = io.StringIO()
    write_guidance(door(), out)
    told = out.getvalue().splitlines()
    assert (
        "    iptables -t raw -I OUTPUT 1 -d 198.51.100.7 -m comment --comment knockwatch-3f9ac2d1 -j DROP"
        in told
    )
    assert not any(line.startswith("```") for line in told)
    assert all(len(line) <= 80 for line in told if not line.startswith(("    ", "|")))
