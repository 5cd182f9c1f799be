"""Firebox' traffic lines."""

from pathlib import Path

import pytest

from knockwatch.sources.bare_messages import SOURCE as BARE
from knockwatch.sources.syslog import SOURCE
from tests.sources.reading import SAMPLES, read, read_text

SAMPLE = SAMPLES / "watchguard" / "firebox.log"


def test_a_denied_syn_is_a_denied_connection() -> None:
    row = read(SOURCE, SAMPLE).rows("connections")[0]
    expected = {
        "source_ip": "198.51.100.10",
        "source_port": 57292,
        "destination_ip": "203.0.113.10",
        "destination_port": 7000,
        "protocol": "tcp",
        "outcome": "denied",
        "action": "Deny",
        "tcp_flags": "SYN",
        "tcp_seq": 1497867397,
        "tcp_window": 64240,
        "ttl": 63,
        "packet_length": 60,
        "forwarded": False,
        "rule": "Unhandled External Packet-00",
        "sensor": "Firebox-T40",
        "vendor": "WatchGuard",
    }
    assert {key: row[key] for key in expected} == expected


def test_the_time_in_brackets_is_utc_and_has_a_year() -> None:
    """Trap 7: the header is local and lacks a year."""
    row = read(SOURCE, SAMPLE).rows("connections")[0]

    assert (row["time_us"], row["time"]) == (1_795_346_614_000_000, "2026-11-22T11:23:34")


def test_a_ping_has_type_and_code_where_others_have_ports() -> None:
    row = read(SOURCE, SAMPLE).rows("connections")[2]

    assert (row["icmp_type"], row["icmp_code"], row["payload_length"]) == (8, 0, 56)
    assert row["destination_port"] is None


def test_what_passes_through_is_forwarded_until_an_answer_is_known() -> None:
    allowed, ended = read(SOURCE, SAMPLE).rows("connections")[3:]

    assert (allowed["outcome"], allowed["forwarded"]) == ("accepted", True)
    assert (ended["outcome"], ended["forwarded"], ended["bytes_received"]) == ("accepted", None, 5112)
    assert ended["time_us"] == allowed["time_us"]


def test_an_interface_may_have_blanks(tmp_path: Path) -> None:
    line = (
        'firewall: msg_id="3000-0148" Deny WAN - Aruba Firebox 40 tcp 20 239 192.0.2.1 192.0.2.2 41277 591 offset 5 '
        'S 1497867397 win 4  geo_src="BGR" flags="SR" duration="0" sent_pkts="1" rcvd_pkts="0"  (Policy-00)\n'
    )
    row = read_text(BARE, tmp_path, line).rows("connections")[0]

    assert (row["destination_port"], row["outcome"], row["forwarded"]) == (591, "denied", False)


@pytest.mark.parametrize(
    "packet",
    [
        "60 tcp 20 63 198.51.100.10 203.0.113.10 57292 70",
        "60 tcp 20 63 198.51.100.10 203.0.113.10 57292 70000 offset 10 S 1 win 2 (P-00)",
        "60 tcp 20 63 198.51.100.1000 203.0.113.10 57292 7000 offset 10 S 1 win 2 (P-00)",
        "60 tcp 20 63",
    ],
)
def test_a_cut_or_impossible_line_is_counted(tmp_path: Path, packet: str) -> None:
    """Trap 8: lines can be cut."""
    line = f'Nov 22 11:23:34 fb firewall: msg_id="3000-0148" Deny 0-External Firebox {packet}\n'

    assert read_text(SOURCE, tmp_path, line).misfits["line"].to_list() == [1]
