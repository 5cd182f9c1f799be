"""Sophos' firewall lines, of SFOS and of UTM."""

from pathlib import Path

import pytest

from knockwatch.sources.bare_messages import SOURCE as BARE
from knockwatch.sources.syslog import SOURCE
from tests.sources.reading import SAMPLES, read, read_text

SFOS = SAMPLES / "sophos" / "sfos.log"
OLD = (
    'device="SFW" date=2017-01-31 time=14:16:19 timezone="{zone}" device_name="XG1" device_id=S1 '
    'log_id=010101600001 log_type="Firewall" log_component="Firewall Rule" log_subtype="Allowed" status="Allow" '
    'duration=30 fw_rule_id=2 user_name="x src_ip=6.6.6.6" in_interface="PortA" out_interface="PortB" '
    'src_ip=198.51.100.10 dst_ip=192.0.2.53 protocol="UDP" src_port=59859 dst_port=53 sent_pkts=1 recv_pkts={came} '
    'sent_bytes=77 recv_bytes={came} tran_dst_ip= connevent="Stop" connid="185246656"'
)


def test_a_denied_syn_is_a_denied_connection() -> None:
    row = read(SOURCE, SFOS).rows("connections")[0]
    expected = {
        "time_us": 1_795_346_614_000_000,
        "source_ip": "198.51.100.10",
        "source_port": 57292,
        "destination_ip": "203.0.113.10",
        "destination_port": 7000,
        "protocol": "tcp",
        "outcome": "denied",
        "action": "Denied",
        "rule": "12",
        "sensor": "sfw",
        "vendor": "Sophos",
    }
    assert {key: row[key] for key in expected} == expected


def test_only_a_packet_with_two_interfaces_passed_through() -> None:
    dropped, itself, _, began, ended = read(SOURCE, SFOS).rows("connections")

    assert (dropped["forwarded"], itself["forwarded"], began["forwarded"]) == (None, False, True)
    assert (ended["forwarded"], ended["outcome"], ended["bytes_received"]) == (None, "accepted", 5112)


def test_a_connection_is_dated_by_its_beginning() -> None:
    began, ended = read(SOURCE, SFOS).rows("connections")[-2:]

    assert ended["time_us"] == began["time_us"]


def test_the_older_spelling_is_read_and_its_zone_heeded(tmp_path: Path) -> None:
    row = read_text(BARE, tmp_path, OLD.format(zone="CEST", came=1) + "\n").rows("connections")[0]

    assert row["time_us"] == 1_485_864_979_000_000 - 30_000_000
    assert (row["source_ip"], row["outcome"], row["sensor"]) == ("198.51.100.10", "accepted", "XG1")


def test_an_unknown_zone_is_the_configured_one(tmp_path: Path) -> None:
    row = read_text(BARE, tmp_path, OLD.format(zone="XYZ", came=1) + "\n").rows("connections")[0]

    assert row["time_us"] == 1_485_872_179_000_000 - 30_000_000


def test_what_was_allowed_and_never_answered_is_unanswered(tmp_path: Path) -> None:
    row = read_text(BARE, tmp_path, OLD.format(zone="UTC", came=0) + "\n").rows("connections")[0]

    assert (row["outcome"], row["forwarded"]) == ("unanswered", True)


def test_utms_packet_filter_is_read() -> None:
    dropped, passed = read(SOURCE, SAMPLES / "sophos" / "utm.log").rows("connections")

    assert (dropped["outcome"], dropped["tcp_flags"], dropped["ttl"]) == ("denied", "SYN", 63)
    assert (dropped["forwarded"], dropped["rule"]) == (False, "60001")
    assert dropped["time_us"] == 1_795_346_614_000_000
    assert (passed["outcome"], passed["protocol"], passed["forwarded"]) == ("accepted", "udp", True)


def test_utms_own_file_names_the_device(tmp_path: Path) -> None:
    line = (SAMPLES / "sophos" / "utm.log").read_text().splitlines()[0].partition("192.0.2.1 ")[2]
    row = read_text(BARE, tmp_path, line + "\n").rows("connections")[0]

    assert (row["sensor"], row["time_us"]) == ("utm", 1_795_346_614_000_000)


def test_other_modules_lines_stay_messages(tmp_path: Path) -> None:
    found = read_text(BARE, tmp_path, OLD.format(zone="UTC", came=1).replace('"Firewall" ', '"IDP" ') + "\n")

    assert len(found.rows("messages")) == 1
    assert found.misfits.is_empty()


@pytest.mark.parametrize("end", ["dst_port=70", "dst_port=70000 sent_pkts=1", 'dst_port="70'])
def test_a_cut_or_impossible_line_is_counted(tmp_path: Path, end: str) -> None:
    """Trap 8: lines can be cut."""
    line = OLD.format(zone="UTC", came=1).partition("dst_port=")[0] + end
    found = read_text(SOURCE, tmp_path, f"Nov 22 11:23:34 sfw {line}\n")

    assert found.misfits["line"].to_list() == [1]
