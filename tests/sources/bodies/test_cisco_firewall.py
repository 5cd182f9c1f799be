"""Messages of Cisco's ASA and FTD."""

from __future__ import annotations

import pytest

from knockwatch.clock import rfc3339
from knockwatch.tables import ACCEPTED, DENIED, REFUSED, UNANSWERED
from tests.sources.bodies.carried import bare, carried, columns, one, sample

DENY = '%ASA-4-106023: Deny tcp src outside:192.0.2.4/5 dst inside:203.0.113.9/80 by access-group "in" [0x0, 0x0]'
BUILT = (
    "%ASA-6-302013: Built inbound TCP connection 1 for outside:192.0.2.4/5 (192.0.2.4/5) "
    "to {}:203.0.113.9/22 (203.0.113.9/22)"
)
DOWN = "%ASA-6-302014: Teardown TCP connection 1 for outside:192.0.2.4/5000 to inside:203.0.113.9/22 duration 0:00:10 "


def test_the_asas_sample_is_read() -> None:
    found = sample("cisco-firewall/asa.log")

    assert columns(found, "line", "protocol", "destination_port", "outcome", "forwarded") == [
        (1, "tcp", 7000, DENIED, True),
        (2, "tcp", 8000, DENIED, True),
        (3, "udp", 9000, DENIED, True),
        (4, "icmp", None, DENIED, True),
        (5, "tcp", 22, ACCEPTED, True),
        (6, "tcp", 22, ACCEPTED, None),
        (7, "tcp", 2200, UNANSWERED, True),
        (8, "tcp", 2201, REFUSED, True),
        (9, "icmp", None, ACCEPTED, True),
        (10, "tcp", 2202, DENIED, True),
        (11, "tcp", 2203, ACCEPTED, True),
        (12, "tcp", 22, DENIED, False),
        (13, "tcp", 443, ACCEPTED, False),
        (14, "icmp", None, DENIED, True),
        (15, "icmp", None, DENIED, False),
    ]
    assert set(columns(found, "sensor", "vendor", "product")) == {("asa1", "Cisco", "ASA")}
    # A teardown's session began when its duration says.
    assert rfc3339(columns(found, "time_us")[5][0]) == "2026-11-22T11:23:35Z"
    assert {ip for (ip,) in columns(found, "source_ip")} == {"198.51.100.13"}
    assert columns(found, "icmp_type", "icmp_code")[3] == (8, 0)


def test_the_ftds_sample_is_read() -> None:
    found = sample("cisco-firewall/ftd.log")

    assert columns(found, "protocol", "destination_port", "outcome", "forwarded", "sensor") == [
        ("tcp", 7000, DENIED, True, "ftd1"),
        ("udp", 8000, UNANSWERED, True, "ftd1"),
        ("tcp", 22, ACCEPTED, None, None),
        ("icmp", None, DENIED, True, "ftd1"),
        ("udp", 53, ACCEPTED, True, "ftd1"),
    ]
    assert [rfc3339(time) for (time,) in columns(found, "time_us")][:3] == [
        "2026-11-22T11:23:34Z",
        "2026-11-22T11:23:35Z",
        "2026-11-22T11:23:56Z",
    ]
    assert columns(found, "packets_sent", "bytes_received", "rule")[1] == (1, 0, "Rule-1")


@pytest.mark.parametrize(
    "header",
    [
        "<166>Nov 22 2026 11:23:34: ",
        "Nov 22 2026 11:23:34 UTC: ",
        ":Nov 22 11:23:34 UTC: ",
        "2026-11-22T11:23:34Z ",
    ],
)
def test_a_line_without_a_host_is_read(header: str) -> None:
    row = one(bare(header + DENY))

    assert (row["destination_port"], row["outcome"]) == (80, DENIED)
    assert rfc3339(row["time_us"]) == "2026-11-22T11:23:34Z"


def test_a_relay_wrote_a_header_before_the_devices_own() -> None:
    row = one(carried(f"Nov 22 2026 12:23:34: {DENY}"))

    assert (row["sensor"], rfc3339(row["time_us"])) == ("fw1", "2026-11-22T11:23:34Z")


def test_what_is_for_the_device_itself_is_not_passed_on() -> None:
    assert one(carried(BUILT.format("inside")))["forwarded"] is True
    assert one(carried(BUILT.format("identity")))["forwarded"] is False
    assert one(carried(BUILT.format("NP Identity Ifc")))["forwarded"] is False


@pytest.mark.parametrize(
    ("end", "outcome", "forwarded"),
    [
        ("bytes 1000 TCP FINs", ACCEPTED, None),
        ("bytes 1000 TCP Reset-O from outside", REFUSED, None),
        ("bytes 0 SYN Timeout", UNANSWERED, True),
        ("bytes 0 TCP Reset-I", REFUSED, True),
    ],
)
def test_a_teardown_says_how_it_ended(end: str, outcome: str, forwarded: bool | None) -> None:
    row = one(carried(DOWN + end))

    assert (row["outcome"], row["forwarded"]) == (outcome, forwarded)


@pytest.mark.parametrize(
    "text",
    [
        DENY.replace("/80", "/65536"),
        DENY.replace("192.0.2.4", "some.name"),
        DENY.replace("203.0.113.9", "192.18.4"),
        "%ASA-4-106023: Deny tcp src outside:192.0.2.4/5 dst",
    ],
)
def test_damaged_lines_are_counted(text: str) -> None:
    assert bare(DENY, text).misfits["line"].to_list() == [2]


def test_other_messages_tell_of_no_connection() -> None:
    found = carried(
        "%ASA-5-111008: User 'a' executed the 'write' command.", "%ASA-4-733100: [Scanning] drop rate-1"
    )

    assert found.misfits.is_empty()
    assert not found.rows("connections")
    assert len(found.rows("messages")) == 2
