"""What every observer says of the same knocks agrees, event by event; what one cannot hold is listed with why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from knockwatch.config import EvidenceSettings, Thresholds
from knockwatch.detections import Finding
from knockwatch.detections._pairs import beginnings
from knockwatch.detections.configured_door import DETECTION as CONFIGURED_DOOR
from knockwatch.detections.daemon_activity import DETECTION as DAEMON_ACTIVITY
from knockwatch.detections.opening import DETECTION as OPENING
from knockwatch.engines.embedded import Engine
from knockwatch.inference.contacts import COLUMNS, contacts
from knockwatch.ingest import Workspace, ingest
from tests.rows import found

Event = Mapping[str, Any]

SECOND = 1_000_000
EARLY_S, LATE_S = 1.5, 0.5
"""How far a recorder may place a packet before and behind the capture: logs with whole seconds are early."""
OPENS_WITHIN_S = 5.0

VIEWS = {
    "packets": "pcap/*.pcap",
    "tshark": "tshark/*.tsv",
    "argus": "argus/*.csv",
    "nfdump": "nfdump/*.txt",
    "nfdump csv": "nfdump/*.csv",
    "server firewall": "srv*-syslog.iso.log",
    "server firewall, whole seconds": "srv*-syslog.log",
    "ulogd JSON": "srv1-ulogd.json",
    "ulogd LOGEMU": "srv1-ulogd.log",
    "edge firewall": "router-syslog.iso.log",
    "edge conntrack": "router-conntrack.out",
    "server conntrack": "srv*-conntrack.out",
}
EXPORTED_WITH_NFDUMP = {"a1", "d1", "h1", "o1"}
SRV1 = {"203.0.113.10", "2001:db8:5::10"}
"""The addresses of the only host with ulogd, which it hears on IPv4 alone."""
UNORDERED = {"nfdump csv"}
"""Views whose times are too coarse for an order, and which have no other clock."""
ONLY_ANSWERED = {"server conntrack"}
"""Views without what a firewall dropped: the kernel confirms no connection of a dropped packet."""
FORWARDING = {"edge firewall"}
"""Views that pass packets on and see no answer."""


def held(view: str, event: Event) -> bool:
    """Whether a view can hold what was sent in an event."""
    if view.startswith("nfdump"):
        return event["id"] in EXPORTED_WITH_NFDUMP
    if view.startswith("ulogd"):
        return event["dst"] in SRV1 and ":" not in event["dst"]
    if view.startswith("server firewall"):
        # UFW's level low writes three lines a minute; by then this host's were used up.
        return str(event["id"]) != "k7"
    return True


@cache
def events(corpus: Path) -> tuple[Event, ...]:
    """The labelled knocks, whole or failed, with what the capture saw of each."""
    labels = json.loads((corpus / "lab-a" / "labels.json").read_text())
    return tuple(
        event for event in labels if event["kind"] in {"knock", "spa", "failed"} and event.get("observed")
    )


@cache
def told(corpus: Path, view: str) -> pl.DataFrame:
    """All contacts of one view."""
    files = [str(file) for file in sorted((corpus / "lab-a").glob(VIEWS[view]))]
    with Workspace.temporary() as workspace:
        ingest(files, EvidenceSettings(), workspace, lean=True)
        with Engine(workspace) as engine:
            rows = beginnings(engine.tables()["connections"])
            return contacts(engine.execute(rows.select(*COLUMNS)))


def door_of(event: Event) -> str:
    connect = event.get("connect") or {}
    return f"{connect.get('proto', 'tcp')}/{connect.get('port')}"


def of(rows: pl.DataFrame, event: Event) -> pl.DataFrame:
    """What a view tells of one event, up to its last step; tries of the door itself are no steps."""
    first, last = event["observed"][0][0] - EARLY_S, event["observed"][-1][0] + LATE_S
    return rows.filter(
        pl.col("source_ip").is_in(event["src"]),
        pl.col("destination_ip") == event["dst"],
        pl.col("time_us").is_between(int(first * SECOND), int(last * SECOND)),
        pl.col("step") != door_of(event),
    )


def sent(event: Event) -> list[str]:
    return [step for _, _, step in event["observed"] if step != door_of(event)]


def answered(rows: pl.DataFrame) -> list[str]:
    return rows.filter(pl.col("accepted_us").is_not_null())["step"].to_list()


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_tells_the_same_steps_in_the_same_order(corpus: Path, view: str) -> None:
    compared = 0
    for event in events(corpus):
        said, truth = of(told(corpus, view), event)["step"].to_list(), sent(event)
        if view in ONLY_ANSWERED:
            truth = answered(of(told(corpus, "packets"), event))
        if view in UNORDERED:
            said, truth = sorted(said), sorted(truth)
        if not held(view, event):
            assert said == [], f"{event['id']}: the view tells more than it was said to hold"
            continue
        assert said == truth, event["id"]
        compared += 1
    assert compared >= len(EXPORTED_WITH_NFDUMP)


@pytest.mark.parametrize("view", sorted(set(VIEWS) - FORWARDING))
def test_no_view_calls_answered_what_another_saw_refused(corpus: Path, view: str) -> None:
    for event in events(corpus):
        if held(view, event):
            here, there = (of(told(corpus, name), event) for name in (view, "packets"))

            assert answered(here) == answered(there), event["id"]


def test_an_edge_that_only_forwards_calls_nothing_answered(corpus: Path) -> None:
    assert told(corpus, "edge firewall")["accepted_us"].null_count() == told(corpus, "edge firewall").height


def openings(corpus: Path, pattern: str, *detections: Any) -> list[Finding]:
    with Workspace.temporary() as workspace:
        files = [str(file) for file in sorted((corpus / "lab-a").glob(pattern))]
        ingest(files, EvidenceSettings(), workspace)
        return [one for detection in detections for one in found(workspace, detection, Thresholds())]


def for_whom(findings: list[Finding], *, conclusive: bool) -> list[tuple[str, float]]:
    return [
        (source, finding.end_us / SECOND)
        for finding in findings
        if finding.conclusive or not conclusive
        for source in finding.sources
    ]


@pytest.mark.parametrize("daemon", ["knockd", "fwknopd"])
def test_the_daemons_words_and_the_hosts_audit_tell_of_the_same_openings(corpus: Path, daemon: str) -> None:
    """The audit log saw the firewall's command of every opening that a daemon tells of, at that moment."""
    logged = for_whom(openings(corpus, "srv*-*.*", DAEMON_ACTIVITY), conclusive=True)
    # The audit log does not hold the start of knockd, so who called the firewall's command is not known there.
    audited = for_whom(openings(corpus, "audit.log", OPENING), conclusive=False)
    opened = [event for event in events(corpus) if event["success"] and str(event["door"]).startswith(daemon)]
    assert opened
    for event in opened:
        for view in (logged, audited):
            assert any(
                source in event["src"] and abs(at - event["observed"][-1][0]) < OPENS_WITHIN_S
                for source, at in view
            ), (event["id"], "log" if view is logged else "audit")


def test_the_snapshots_name_the_doors_that_the_knocks_opened(corpus: Path) -> None:
    """The rule sets and daemons' filters of the hosts, as they were, know every secret that was used."""
    doors = json.loads((corpus / "lab-a" / "doors.json").read_text())
    known = {tuple(sorted(finding.sequence)) for finding in openings(corpus, "snap/*.txt", CONFIGURED_DOOR)}

    for name, door in doors.items():
        if door["signal"] == "sequence":
            assert tuple(sorted(door["secret"])) in known, name
