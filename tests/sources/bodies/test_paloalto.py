"""Palo Alto Networks' TRAFFIC log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.clock import rfc3339
from knockwatch.tables import ACCEPTED, DENIED, REFUSED, UNANSWERED
from tests.sources.bodies.carried import bare, carried, columns, one, sample

FIELDS = (
    "1,2026/11/22 12:23:34,007,TRAFFIC,end,1,2026/11/22 12:23:34,192.0.2.4,203.0.113.9,0.0.0.0,0.0.0.0,rule1,,,ssh,"
    "vsys1,out,in,eth1,eth2,fwd,2026/11/22 12:23:34,11,1,5,22,0,0,0x0,tcp,allow,900,400,500,9,2026/11/22 12:23:24,10,"
    "any,0,1,0x0,A,B,0,5,4"
)
LATER = ",tcp-fin,0,0,0,0,,pa1,from-policy"


def test_its_sample_is_read() -> None:
    found = sample("paloalto/traffic.log")

    assert columns(found, "protocol", "destination_port", "outcome", "forwarded", "rule") == [
        ("tcp", 7000, DENIED, None, "interzone-default"),
        ("tcp", 8000, REFUSED, None, "allow-dmz"),
        ("udp", 9000, UNANSWERED, True, "allow-dmz"),
        ("tcp", 22, ACCEPTED, None, "allow, ssh"),
    ]
    assert [rfc3339(time) for (time,) in columns(found, "time_us")] == [
        "2026-11-22T11:23:34Z",
        "2026-11-22T11:23:35Z",
        "2026-11-22T11:23:35Z",
        "2026-11-22T11:23:56.128000Z",
    ]
    assert columns(found, "sensor")[0] == ("007200001056",)
    assert columns(found, "sensor")[1] == ("pa-edge",)


@pytest.mark.parametrize("width", [46, 47, 53, 54])
def test_versions_differ_in_their_columns(width: int) -> None:
    row = one(bare(",".join((FIELDS + LATER).split(",")[:width])))

    assert (row["outcome"], row["packets_sent"], row["packets_received"]) == (ACCEPTED, 5, 4)
    assert row["sensor"] == ("pa1" if width > 52 else "007")


def test_the_envelope_tells_the_devices_zone() -> None:
    assert rfc3339(one(carried(FIELDS))["time_us"]) == "2026-11-22T11:23:24Z"
    assert rfc3339(one(bare(FIELDS))["time_us"]) == "2026-11-22T12:23:24Z"


def test_a_message_that_came_late_does_not_move_the_others() -> None:
    found = carried(FIELDS, FIELDS, FIELDS.replace("12:23", "12:09"))

    assert rfc3339(max(time for (time,) in columns(found, "time_us"))) == "2026-11-22T11:23:24Z"
    assert rfc3339(min(time for (time,) in columns(found, "time_us"))) == "2026-11-22T11:09:24Z"


def test_a_header_without_a_host_is_read() -> None:
    row = one(carried(FIELDS, header="Nov 22 11:23:34 "))

    assert (row["source_ip"], row["sensor"]) == ("192.0.2.4", "007")


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (("allow", "reset-both"), DENIED),
        (("allow", "drop-icmp"), DENIED),
        (("allow,900,400,500", "allow,60,60,0"), ACCEPTED),
        (
            (
                "allow,900,400,500,9,2026/11/22 12:23:24,10,any,0,1,0x0,A,B,0,5,4",
                "allow,60,60,0,1,,0,,,,,,,,1,0",
            ),
            UNANSWERED,
        ),
    ],
)
def test_an_end_is_what_its_action_and_its_counts_say(change: tuple[str, str], outcome: str) -> None:
    assert one(bare(FIELDS.replace(*change)))["outcome"] == outcome


def test_a_quoted_field_may_hold_commas() -> None:
    row = one(bare(FIELDS.replace("rule1", '"a, ""b"""')))

    assert (row["rule"], row["destination_port"]) == ('a, "b"', 22)


def test_a_quote_that_never_closes_swallows_no_other_line() -> None:
    found = bare(FIELDS.replace("rule1", '"a'), FIELDS)

    assert found.misfits["line"].to_list() == [1]
    assert columns(found, "line") == [(2,)]


@pytest.mark.parametrize(
    "text",
    [
        FIELDS.replace(",22,", ",70000,"),
        FIELDS.replace("192.0.2.4", "host"),
        ",".join(FIELDS.split(",")[:26]),
        FIELDS[: FIELDS.index("203")],
    ],
)
def test_damaged_lines_are_counted(text: str) -> None:
    assert bare(FIELDS, text).misfits["line"].to_list() == [2]


def test_other_logs_tell_of_no_connection() -> None:
    found = bare(FIELDS, FIELDS.replace("TRAFFIC,end", "THREAT,vulnerability"))

    assert found.misfits.is_empty()
    assert columns(found, "line") == [(1,)]


@given(st.integers(0, len(FIELDS)))
def test_a_line_cut_anywhere_is_read_or_counted(end: int) -> None:
    found = bare(FIELDS, FIELDS[:end])
    lines = [line for (line,) in columns(found, "line")] + found.misfits["line"].to_list()

    assert 1 in lines
    assert len(lines) == len(set(lines))
