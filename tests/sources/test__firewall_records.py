"""What all firewalls' records have in common."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from knockwatch.clock import SECOND_US
from knockwatch.sources import Batch
from knockwatch.sources._firewall_records import read_records
from knockwatch.tables import ACCEPTED, DENIED, REFUSED, UNANSWERED, conform

NOON = 1_795_348_800 * SECOND_US
HOUR = 3600 * SECOND_US
ENDS = {
    "source_ip": "192.0.2.4",
    "source_port": "5",
    "destination_ip": "203.0.113.9",
    "destination_port": "80",
}


def batch(*records: dict[str, Any], carried_us: int | None = NOON) -> Batch:
    lines = list(range(1, len(records) + 1))
    messages = pl.DataFrame(
        {"line": lines, "time_us": carried_us, "time": "noon", "host": "fw1", "message": "text"},
        schema_overrides={"time_us": pl.Int64},
    )
    frame = pl.DataFrame([{**ENDS, "protocol": "tcp", **record} for record in records])
    return read_records(frame.with_columns(pl.Series("line", lines)), messages)


def rows(*records: dict[str, Any], carried_us: int | None = NOON) -> list[dict[str, Any]]:
    return conform("connections", batch(*records, carried_us=carried_us).tables["connections"]).to_dicts()


def row(carried_us: int | None = NOON, **record: Any) -> dict[str, Any]:
    return rows(record, carried_us=carried_us)[0]


@pytest.mark.parametrize(
    ("record", "outcome", "forwarded"),
    [
        ({"DeviceAction": "allow", "through": True}, ACCEPTED, True),
        ({"DeviceAction": "allow", "through": False}, ACCEPTED, False),
        ({"DeviceAction": "allow"}, ACCEPTED, None),
        ({"DeviceAction": "allow", "through": True, "bytes_received": 500}, ACCEPTED, None),
        ({"DeviceAction": "allow", "through": True, "answered": True}, ACCEPTED, None),
        ({"DeviceAction": "allow", "through": False, "bytes_received": 500}, ACCEPTED, False),
        (
            {"DeviceAction": "allow", "ended": True, "packets_sent": 1, "packets_received": 0},
            UNANSWERED,
            None,
        ),
        ({"DeviceAction": "allow", "ended": True, "packets_sent": 0, "packets_received": 0}, ACCEPTED, None),
        ({"DeviceAction": "allow", "packets_sent": 1, "packets_received": 0}, ACCEPTED, None),
        ({"DeviceAction": "reject", "ended": True, "packets_sent": 1, "packets_received": 0}, REFUSED, None),
        ({"DeviceAction": "drop", "through": True}, DENIED, True),
    ],
)
def test_an_accept_counts_as_far_as_an_answer_is_known(
    record: dict[str, Any], outcome: str, forwarded: bool | None
) -> None:
    found = row(vendor="Acme", product="Wall", **record)

    assert (found["outcome"], found["forwarded"]) == (outcome, forwarded)


@pytest.mark.parametrize(
    ("record", "carried_us", "expected"),
    [
        ({}, NOON, NOON),
        ({"time_us": NOON + 7, "zoned": True}, NOON, NOON + 7),
        ({"time_us": NOON - HOUR, "zoned": True}, NOON, NOON - HOUR),
        # Without a zone, whole quarters of an hour are the zone's.
        ({"time_us": NOON - HOUR}, NOON, NOON),
        ({"time_us": NOON - HOUR - 2 * SECOND_US}, NOON, NOON - 2 * SECOND_US),
        ({"time_us": NOON - 400 * SECOND_US}, NOON, NOON - 400 * SECOND_US),
        ({"time_us": NOON - 240 * HOUR}, NOON, NOON - 240 * HOUR),
        ({"time_us": NOON}, None, NOON),
        ({}, None, None),
        # The finer time within the same second.
        ({"time_us": NOON, "zoned": True}, NOON + 5, NOON + 5),
        ({"time_us": NOON + 3, "zoned": True}, NOON + 5, NOON + 3),
        ({"lasted_us": 10 * SECOND_US}, NOON, NOON - 10 * SECOND_US),
        ({"lasted_us": -10 * SECOND_US}, NOON, NOON),
    ],
)
def test_the_most_original_time_is_taken(
    record: dict[str, Any], carried_us: int | None, expected: int | None
) -> None:
    assert row(carried_us, **record)["time_us"] == expected


def test_a_time_keeps_its_text() -> None:
    assert row(time_us=NOON, time="12:00")["time"] == "12:00"
    assert row()["time"] == "noon"


@pytest.mark.parametrize(
    "record",
    [
        {"destination_port": "65536"},
        {"source_port": "-1"},
        {"destination_port": "http"},
        {"source_ip": "192.0.2.256"},
        {"source_ip": None},
        {"destination_ip": "somewhere"},
    ],
)
def test_impossible_ends_are_counted(record: dict[str, Any]) -> None:
    found = batch({}, record)

    assert found.misfits is not None
    assert found.misfits["line"].to_list() == [2]
    assert found.tables["connections"]["line"].to_list() == [1]


def test_a_ping_has_no_ports_whatever_stands_there() -> None:
    found = row(protocol="ICMP", source_port="594", destination_port="70000")

    assert (found["protocol"], found["source_port"], found["destination_port"]) == ("icmp", None, None)


def test_words_for_nothing_are_nothing() -> None:
    found = row(source_port="N/A", destination_ip="-", sensor="unknown")

    assert (found["source_port"], found["destination_ip"], found["sensor"]) == (None, None, "fw1")


def test_addresses_and_protocols_have_one_spelling() -> None:
    found = row(source_ip="2001:DB8:0::1", protocol="58")

    assert (found["source_ip"], found["protocol"]) == ("2001:db8::1", "icmp6")
