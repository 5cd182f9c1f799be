"""Session logs of Juniper's SRX."""

from __future__ import annotations

import pytest

from knockwatch.clock import rfc3339
from knockwatch.tables import ACCEPTED, DENIED, REFUSED, UNANSWERED
from tests.sources.bodies.carried import bare, carried, columns, one, sample
from tests.sources.reading import Read

PLAIN = (
    "RT_FLOW: RT_FLOW_SESSION_DENY: session denied 192.0.2.4/5->203.0.113.9/80 None 6(0) deny-all untrust dmz"
)
STRUCTURED = (
    'RT_FLOW - RT_FLOW_SESSION_DENY [junos@2636.1 source-address="192.0.2.4" source-port="5" '
    'destination-address="203.0.113.9" destination-port="80" protocol-id="6" policy-name="deny-all" '
    'destination-zone-name="dmz"]'
)


def test_its_sample_is_read() -> None:
    found = sample("juniper-srx/sessions.log")

    assert columns(found, "line", "protocol", "destination_port", "outcome", "forwarded", "rule") == [
        (1, "tcp", 7000, DENIED, True, "deny-all"),
        (2, "icmp", None, DENIED, False, "deny-all"),
        (3, "udp", 8000, UNANSWERED, True, "to dmz"),
        (4, "udp", 9000, DENIED, True, "default-deny(global)"),
        (5, "tcp", 22, ACCEPTED, True, "to-dmz"),
        (6, "tcp", 22, ACCEPTED, None, "to-dmz"),
        (7, "tcp", 2200, REFUSED, None, "to-dmz"),
        (8, "tcp", 22, ACCEPTED, False, "log-host-traffic"),
    ]
    assert [rfc3339(time) for (time,) in columns(found, "time_us")] == [
        "2026-11-22T11:23:34.573000Z",
        "2026-11-22T11:23:35.573000Z",
        "2026-11-22T11:23:36.933000Z",
        "2026-11-22T11:23:37Z",
        "2026-11-22T11:23:38Z",
        "2026-11-22T11:23:38Z",
        "2026-11-22T11:23:49Z",
        "2026-11-22T11:23:50Z",
    ]
    assert columns(found, "icmp_type")[1] == (8,)
    assert columns(found, "packets_sent", "bytes_sent", "packets_received", "bytes_received")[5] == (
        46,
        4109,
        42,
        4812,
    )
    assert [name for (name,) in columns(found, "sensor")] == [*["SRX-GW1"] * 3, *["SRX-1"] * 4, None]


def test_both_styles_say_the_same() -> None:
    behind_headers = carried(PLAIN), carried(STRUCTURED.replace(" - ", ": ")), _rfc5424(STRUCTURED)
    for found in (*behind_headers, bare(PLAIN), bare(STRUCTURED)):
        row = one(found)

        assert (row["source_ip"], row["source_port"]) == ("192.0.2.4", 5)
        assert (row["destination_ip"], row["destination_port"]) == ("203.0.113.9", 80)
        assert (row["protocol"], row["outcome"], row["rule"]) == ("tcp", DENIED, "deny-all")


def _rfc5424(text: str) -> Read:
    return carried(text, header="<14>1 2026-11-22T11:23:34Z fw1 ")


def test_later_versions_put_a_tag_behind_the_ends() -> None:
    row = one(carried(PLAIN.replace("9/80 ", "9/80 0x0 ").replace("192.0.2.4", "2001:db8::4")))

    assert (row["source_ip"], row["destination_port"], row["rule"]) == ("2001:db8::4", 80, "deny-all")


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("/80", "/65536"),
        PLAIN.replace("203.0.113.9", "203.0.113.999"),
        PLAIN[: PLAIN.index(" 6(0)")],
        "RT_FLOW: RT_FLOW_SESSION_DENY: session denied 192.0.2.4",
    ],
)
def test_damaged_lines_are_counted(text: str) -> None:
    assert carried(PLAIN, text).misfits["line"].to_list() == [2]


def test_other_messages_tell_of_no_connection() -> None:
    found = carried("RT_IDS: RT_SCREEN_TCP: TCP port scan! source: 192.0.2.4:5, destination: 203.0.113.9:80")

    assert found.misfits.is_empty()
    assert not found.rows("connections")
