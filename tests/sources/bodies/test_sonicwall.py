"""SonicWall's lines."""

from pathlib import Path

import pytest

from knockwatch.sources.bare_messages import SOURCE as BARE
from knockwatch.sources.syslog import SOURCE
from tests.sources.reading import SAMPLES, read, read_text

SAMPLE = SAMPLES / "sonicwall" / "gateway.log"
BEGIN = 'id=firewall sn=0017C5000001 time="2026-11-22 11:23:34{zone}" fw=203.0.113.1 pri=6 c=1024 '


def test_a_dropped_syn_is_a_denied_connection() -> None:
    row = read(SOURCE, SAMPLE).rows("connections")[0]
    expected = {
        "time_us": 1_795_346_614_000_000,
        "source_ip": "198.51.100.10",
        "source_port": 57292,
        "destination_ip": "203.0.113.10",
        "destination_port": 7000,
        "protocol": "tcp",
        "outcome": "denied",
        "action": "drop",
        "tcp_flags": "SYN",
        "forwarded": True,
        "rule": "16 (WAN->LAN)",
        "sensor": "192.0.2.1",
        "vendor": "SonicWall",
    }
    assert {key: row[key] for key in expected} == expected


def test_without_an_action_the_event_says_the_outcome() -> None:
    """Older versions have no fw_action; newer ones write NA for connections."""
    _, udp, icmp, opened, closed = read(SOURCE, SAMPLE).rows("connections")

    assert (udp["outcome"], udp["action"]) == ("denied", "dropped")
    assert (icmp["outcome"], icmp["protocol"], icmp["icmp_type"]) == ("denied", "icmp", 8)
    assert (opened["outcome"], opened["forwarded"]) == ("accepted", True)
    assert (closed["outcome"], closed["forwarded"], closed["bytes_received"]) == ("accepted", None, 5112)


def test_a_closed_connection_is_dated_by_its_beginning() -> None:
    opened, closed = read(SOURCE, SAMPLE).rows("connections")[-2:]

    assert closed["time_us"] == opened["time_us"]


def test_what_tells_of_no_connection_stays_a_message(tmp_path: Path) -> None:
    text = (
        BEGIN.format(zone=" UTC")
        + 'm=30 msg="Administrator login denied" src=192.0.2.9:1:X1 dst=192.0.2.1:443:X1\n'
    )

    assert len(read(SOURCE, SAMPLE).rows("messages")) == 6
    bare = read_text(BARE, tmp_path, text)
    assert (len(bare.rows("messages")), bare.misfits.height) == (1, 0)


@pytest.mark.parametrize(
    ("rest", "outcome", "forwarded"),
    [
        ("src=192.0.2.9:4:X0 dst=198.51.100.1:53:X1 proto=udp/dns sent=59 rcvd=134", "accepted", None),
        ("src=192.0.2.9:4:X0 dst=198.51.100.1:53:X1 proto=udp/dns sent=59", "unanswered", True),
        ("src=192.0.2.9:4:X0 dst=198.51.100.1:22:X1 proto=tcp/22 sent=52 rcvd=40", "unknown", None),
        ("src=192.0.2.9:4:X1 dst=203.0.113.1:22:X1 proto=tcp/22 sent=52", "unanswered", False),
        ("src=192.0.2.9:4:X1 dst=203.0.113.1:22:X1 natDst=10.0.0.2:22 proto=tcp/22", "unanswered", True),
    ],
)
def test_a_closed_connection_is_judged_by_what_came_back(
    tmp_path: Path, rest: str, outcome: str, forwarded: bool | None
) -> None:
    text = f'<134> {BEGIN.format(zone=" UTC")}m=537 msg="Connection Closed" {rest} n=1 fw_action="NA"\n'
    row = read_text(BARE, tmp_path, text).rows("connections")[0]

    assert (row["outcome"], row["forwarded"]) == (outcome, forwarded)


def test_ipv6_has_keys_of_its_own(tmp_path: Path) -> None:
    text = (
        f'{BEGIN.format(zone="")}m=98 msg="Connection Opened" src=:28503:WAN:A srcV6=2001:db8:a::10 '
        "dst=:53:LAN:B proto=tcp/dns dstV6=2001:db8:5::10\n"
    )
    row = read_text(BARE, tmp_path, text).rows("connections")[0]

    assert (row["source_ip"], row["destination_ip"]) == ("2001:db8:a::10", "2001:db8:5::10")
    assert (row["source_port"], row["destination_port"]) == (28503, 53)
    assert row["time_us"] == 1_795_346_614_000_000


@pytest.mark.parametrize(
    "ends",
    [
        "src=192.0.2.9:70000:X0 dst=198.51.100.1:53:X1",
        "src=192.0.2.9 dst=198.51.100.1",
        "src=x:1:X0 dst=y:2:X1",
    ],
)
def test_an_impossible_line_is_counted(tmp_path: Path, ends: str) -> None:
    text = f'Nov 22 11:23:34 fw {BEGIN.format(zone="")}m=98 msg="Connection Opened" {ends} proto=tcp/dns\n'

    assert read_text(SOURCE, tmp_path, text).misfits["line"].to_list() == [1]
