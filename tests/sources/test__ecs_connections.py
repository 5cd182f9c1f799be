"""What became of connections in Elastic's common schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from knockwatch.sources.ecs import SOURCE
from tests.sources.reading import read_text


def _connection(folder: Path, **fields: Any) -> dict[str, Any]:
    event = {
        "@timestamp": "2026-11-22T12:00:00.000Z",
        "event.category": ["network"],
        "source.ip": "198.51.100.7",
        "source.port": 40000,
        "destination.ip": "203.0.113.10",
        "destination.port": 7000,
        "network.transport": "tcp",
        **fields,
    }
    (row,) = read_text(SOURCE, folder, json.dumps(event) + "\n").rows("connections")
    return row


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"event.type": ["connection", "denied"]}, "denied"),
        ({"event.type": "denied", "event.action": "reject"}, "refused"),
        ({"event.action": "drop"}, "denied"),
        ({"event.action": "client-rst", "observer.vendor": "Fortinet"}, "refused"),
        ({"event.type": ["allowed"]}, "accepted"),
        ({"event.action": "connection_accepted"}, "accepted"),
        ({"event.action": "connection_attempted"}, "unknown"),
        ({"event.action": "connection_attempted", "event.outcome": "failure"}, "unanswered"),
        ({"source.packets": 1, "destination.packets": 0}, "unanswered"),
        ({"source.packets": 1, "flow.final": False}, "unknown"),
        ({"source.packets": 1, "destination.packets": 1, "destination.bytes": 40}, "refused"),
        ({"source.packets": 9, "destination.packets": 8, "destination.bytes": 900}, "accepted"),
        ({"zeek.connection.state": "REJ", "source.packets": 1, "destination.packets": 1}, "refused"),
        ({}, "unknown"),
    ],
)
def test_fields_say_what_became_of_it(tmp_path: Path, fields: dict[str, Any], outcome: str) -> None:
    assert _connection(tmp_path, **fields)["outcome"] == outcome


def test_a_firewalls_accept_is_no_answer_unless_one_is_counted(tmp_path: Path) -> None:
    firewall = {"observer.type": "firewall", "observer.vendor": "Fortinet", "event.action": "accept"}

    assert _connection(tmp_path, **firewall)["forwarded"] is True
    assert _connection(tmp_path, **firewall, **{"destination.packets": 9})["forwarded"] is None


def test_of_several_addresses_the_first_counts(tmp_path: Path) -> None:
    assert _connection(tmp_path, **{"source.ip": ["2001:DB8::7", "192.0.2.1"]})["source_ip"] == "2001:db8::7"


def test_protocols_come_by_name_and_by_number(tmp_path: Path) -> None:
    assert _connection(tmp_path, **{"network.transport": "IPv6-ICMP"})["protocol"] == "icmp6"
    assert (
        _connection(tmp_path, **{"network.transport": None, "network.iana_number": "17"})["protocol"] == "udp"
    )
