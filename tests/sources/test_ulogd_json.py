"""ulogd's JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from knockwatch.clock import Clock, zone_named
from knockwatch.config import EvidenceSettings, NetfilterSettings
from knockwatch.sources.ulogd_json import SOURCE
from tests.sources.reading import SAMPLES, read, read_text

SAMPLE = SAMPLES / "ulogd-json" / "srv1.json"


def _changed(**values: Any) -> str:
    packet: dict[str, Any] = json.loads(SAMPLE.read_text().splitlines()[0])
    for key, value in values.items():
        packet[key.replace("__", ".")] = value
    return json.dumps({key: value for key, value in packet.items() if value is not ...}) + "\n"


def test_a_packet_is_a_connection() -> None:
    row = read(SOURCE, SAMPLE).rows("connections")[0]

    assert row["time_us"] == 1_795_346_618_709_930
    assert row["time"] == "2026-11-22T11:23:38.709930"
    assert (row["source_ip"], row["source_port"]) == ("198.51.100.10", 54910)
    assert (row["destination_ip"], row["destination_port"]) == ("203.0.113.10", 7000)
    assert (row["protocol"], row["tcp_flags"], row["tcp_seq"], row["tcp_ack"]) == ("tcp", "SYN", 752896436, 0)
    assert (row["outcome"], row["action"], row["rule"]) == ("denied", "DROP", "IPT-DROP:")
    assert (row["vendor"], row["product"], row["sensor"]) == ("Linux", "netfilter", None)
    assert row["forwarded"] is False


def test_icmp_has_a_type_and_no_ports() -> None:
    row = next(row for row in read(SOURCE, SAMPLE).rows("connections") if row["protocol"] == "icmp")

    assert (row["icmp_type"], row["icmp_code"]) == (8, 0)
    assert (row["source_port"], row["destination_port"], row["tcp_flags"]) == (None, None, None)
    assert row["payload_length"] == 12


def test_a_udp_knock_carries_one_byte() -> None:
    row = next(row for row in read(SOURCE, SAMPLE).rows("connections") if row["destination_port"] == 2222)

    assert (row["protocol"], row["payload_length"]) == ("udp", 1)


def test_the_packets_own_time_goes_before_the_local_one(tmp_path: Path) -> None:
    local = Clock(zone_named("Europe/Zurich"))

    own = read_text(SOURCE, tmp_path, _changed(timestamp="2026-11-22T12:23:38"), local)
    without = read_text(
        SOURCE, tmp_path, _changed(timestamp="2026-11-22T12:23:38.709930", oob__time__sec=...), local
    )

    assert own.rows("connections")[0]["time_us"] == 1_795_346_618_709_930
    assert without.rows("connections")[0]["time_us"] == 1_795_346_618_709_930


def test_a_named_device_is_the_sensor_and_two_interfaces_mean_forwarded(tmp_path: Path) -> None:
    row = read_text(SOURCE, tmp_path, _changed(dvc="edge", oob__out="eth1")).rows("connections")[0]

    assert (row["sensor"], row["forwarded"]) == ("edge", True)


def test_ipv6_is_read_in_its_shortest_form(tmp_path: Path) -> None:
    text = _changed(
        src_ip="2001:0db8:0000:0000:0000:0000:0000:0010",
        dest_ip="2001:db8::1",
        ip__protocol=...,
        ip__ttl=...,
        ip__totlen=...,
        ip__ihl=...,
        ip6__nexthdr=58,
        ip6__hoplimit=61,
        icmpv6__type=128,
        icmpv6__code=0,
        raw__pktlen=104,
    )

    row = read_text(SOURCE, tmp_path, text).rows("connections")[0]

    assert (row["source_ip"], row["destination_ip"]) == ("2001:db8::10", "2001:db8::1")
    assert (row["protocol"], row["icmp_type"], row["icmp_code"], row["ttl"]) == ("icmp6", 128, 0, 61)
    assert row["payload_length"] == 56


def test_a_fragment_needs_no_ports(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, _changed(ip__fragoff=185, src_port=..., dest_port=...))

    assert len(found.rows("connections")) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"dest_port": 70000},
        {"dest_port": -1},
        {"src_port": ...},
        {"src_ip": "999.1.1.1"},
        {"dest_ip": ...},
        {"ip__protocol": ...},
        {"oob__time__sec": 99999999999, "timestamp": "9999-01-01T00:00:00"},
    ],
)
def test_an_impossible_packet_is_counted(tmp_path: Path, values: dict[str, Any]) -> None:
    bad = _changed(**values)

    found = read_text(SOURCE, tmp_path, _changed() + bad + "no JSON\n")

    assert [row["line"] for row in found.rows("connections")] == [1]
    assert found.misfits.sort("line").rows() == [(2, bad.strip()), (3, "no JSON")]


def test_a_sites_own_prefix_decides_the_outcome() -> None:
    settings = EvidenceSettings(netfilter=NetfilterSettings(prefixes={"ipt-drop": "refused"}))

    row = read(SOURCE, SAMPLE, settings=settings).rows("connections")[0]

    assert (row["outcome"], row["action"]) == ("refused", "ipt-drop")
