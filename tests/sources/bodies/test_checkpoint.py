"""Check Point's Log Exporter."""

from __future__ import annotations

import pytest

from knockwatch.clock import rfc3339
from knockwatch.tables import ACCEPTED, DENIED, REFUSED
from tests.sources.bodies.carried import bare, carried, columns, one, sample

COLONS = (
    '[action:"Drop"; origin:"203.0.113.1"; time:"1795346614"; dst:"203.0.113.9"; product:"VPN-1 & FireWall-1"; '
    'proto:"6"; s_port:"5"; service:"80"; src:"192.0.2.4"]'
)
BARS = (
    "time=1795346614|hostname=gw1|product=Firewall|action=Drop|origin=203.0.113.1|dst=203.0.113.9|proto=6|"
    "rule_name=a b|s_port=5|service=80|src=192.0.2.4|"
)


def test_its_sample_is_read() -> None:
    found = sample("checkpoint/exporter.log")

    assert columns(found, "line", "protocol", "destination_port", "outcome", "forwarded", "rule") == [
        (1, "tcp", 7000, DENIED, True, "Cleanup rule"),
        (2, "udp", 8000, REFUSED, True, "a; src:b"),
        (3, "tcp", 22, ACCEPTED, False, None),
        (4, "tcp", 22, ACCEPTED, True, "to the dmz"),
    ]
    assert {ip for (ip,) in columns(found, "source_ip")} == {"198.51.100.15"}
    assert rfc3339(columns(found, "time_us")[0][0]) == "2026-11-22T11:23:34Z"


@pytest.mark.parametrize("text", [COLONS, BARS, f"CheckPoint: {COLONS}", COLONS.strip("[]")])
def test_each_style_says_the_same(text: str) -> None:
    row = one(carried(text))

    assert (row["source_ip"], row["source_port"]) == ("192.0.2.4", 5)
    assert (row["destination_ip"], row["destination_port"]) == ("203.0.113.9", 80)
    assert (row["outcome"], row["protocol"], rfc3339(row["time_us"])) == (
        DENIED,
        "tcp",
        "2026-11-22T11:23:34Z",
    )


def test_it_is_read_without_a_header() -> None:
    found = bare(COLONS, BARS)

    assert columns(found, "sensor", "destination_port") == [(None, 80), ("gw1", 80)]


def test_what_is_for_the_gateway_itself_is_not_passed_on() -> None:
    assert one(bare(COLONS.replace("203.0.113.9", "203.0.113.1")))["forwarded"] is False


def test_a_service_by_its_name_is_no_port() -> None:
    row = one(bare(COLONS.replace('"80"', '"http"')))

    assert row["destination_port"] is None


def test_its_cef_is_not_read_twice() -> None:
    found = carried(
        "CEF:0|Check Point|VPN-1|1|Drop|tcp|5|src=192.0.2.4 dst=203.0.113.9 dpt=80 proto=6 loguid={0x1}"
    )

    assert len(found.rows("connections")) == 1


@pytest.mark.parametrize("text", [COLONS.replace('"80"', '"65536"'), COLONS.replace("192.0.2.4", "x")])
def test_damaged_records_are_counted(text: str) -> None:
    found = carried(COLONS, text)

    assert found.misfits["line"].to_list() == [2]
    assert len(found.rows("connections")) == 1
