"""pfirewall.log."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from knockwatch.clock import Clock
from knockwatch.sources.windows_firewall import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

SAMPLE = SAMPLES / "windows-firewall" / "pfirewall.log"
HEADER = "".join(SAMPLE.read_text().splitlines(keepends=True)[:5])


def test_a_dropped_syn_is_a_denied_connection() -> None:
    row = read(SOURCE, SAMPLE).rows("connections")[0]
    expected = {
        "line": 6,
        "time": "2026-11-22 11:23:34",
        "time_us": 1_795_346_614_000_000,
        "source_ip": "198.51.100.10",
        "source_port": 57292,
        "destination_ip": "203.0.113.10",
        "destination_port": 7000,
        "protocol": "tcp",
        "outcome": "denied",
        "action": "DROP",
        "tcp_flags": "SYN",
        "tcp_seq": 1640769051,
        "tcp_window": 64240,
        "packet_length": 60,
        "forwarded": False,
        "sensor": None,
        "vendor": "Microsoft",
    }
    assert {key: row[key] for key in expected} == expected


def test_udp_and_ping_have_payloads_and_ping_no_ports() -> None:
    _, udp, ping, *_ = read(SOURCE, SAMPLE).rows("connections")

    assert (udp["payload_length"], udp["tcp_flags"]) == (1, None)
    assert (ping["icmp_type"], ping["icmp_code"], ping["payload_length"]) == (8, 0, 56)
    assert ping["destination_port"] is None


def test_only_what_is_received_is_answered_here() -> None:
    entered, left = (row for row in read(SOURCE, SAMPLE).rows("connections") if row["outcome"] == "accepted")

    assert (entered["destination_port"], entered["forwarded"], entered["packet_length"]) == (22, False, None)
    assert (left["destination_port"], left["forwarded"]) == (53, True)


def test_times_are_local() -> None:
    zurich = Clock(ZoneInfo("Europe/Zurich"))

    row = read(SOURCE, SAMPLE, clock=zurich).rows("connections")[0]

    assert row["time_us"] == 1_795_343_014_000_000


def test_fields_are_read_in_the_order_of_the_header(tmp_path: Path) -> None:
    text = (
        "#Fields: date time action protocol dst-ip src-ip dst-port src-port path\n"
        "2026-11-22 11:23:34 DROP TCP 203.0.113.10 198.51.100.10 7000 57292 RECEIVE\n"
    )
    row = read_text(SOURCE, tmp_path, text).rows("connections")[0]

    assert (row["source_ip"], row["destination_port"]) == ("198.51.100.10", 7000)


def test_a_log_that_was_cut_at_its_start_has_the_usual_fields(tmp_path: Path) -> None:
    path = tmp_path / "pfirewall.log"
    path.write_text(SAMPLE.read_text().removeprefix(HEADER))

    assert SOURCE.confidence(head_of(path)) > 0.9
    assert len(read(SOURCE, path).rows("connections")) == 6


def test_the_words_of_xp_are_read(tmp_path: Path) -> None:
    text = (
        "2005-11-20 11:48:36 OPEN TCP 192.0.2.6 192.0.2.102 4310 80 - - - - - - - - -\n"
        "2005-11-20 11:48:40 OPEN-INBOUND TCP 192.0.2.7 192.0.2.6 4310 22 - - - - - - - - -\n"
        "2005-11-20 11:48:44 CLOSE TCP 192.0.2.6 192.0.2.102 4310 80 - - - - - - - - -\n"
    )
    rows = read_text(SOURCE, tmp_path, text).rows("connections")

    assert [row["outcome"] for row in rows] == ["accepted", "accepted", "unknown"]
    assert [row["forwarded"] for row in rows] == [True, False, False]


def test_lost_events_are_told(tmp_path: Path) -> None:
    text = f"{HEADER}2026-11-22 11:23:34 INFO-EVENTS-LOST - - - - - - - - - - - - 12 -\n"
    found = read_text(SOURCE, tmp_path, text)

    assert found.misfits.is_empty()
    assert "lost 12 events" in found.problems[0]


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-22 11:23:34 DROP TCP 198.51.100.10 203.0.113.10 57292 70000 60 S 1 0 2 - - - RECEIVE",
        "2026-11-22 11:23:34 DROP TCP 198.51.100.10 nobody 57292 7000 60 S 1 0 2 - - - RECEIVE",
        "2026-13-22 11:23:34 DROP TCP 198.51.100.10 203.0.113.10 57292 7000 60 S 1 0 2 - - - RECEIVE",
        "2026-11-22 11:23:34 DROP TCP 198.51.100.10",
        "something else",
    ],
)
def test_an_impossible_line_is_counted(tmp_path: Path, line: str) -> None:
    found = read_text(SOURCE, tmp_path, HEADER + line + "\n")

    assert found.misfits["text"].to_list() == [line]
    assert found.misfits["line"].to_list() == [6]


def test_others_logs_with_a_header_are_not_claimed(tmp_path: Path) -> None:
    path = tmp_path / "u_ex.log"
    path.write_text("#Software: Microsoft IIS\n#Fields: date time s-ip\n2026-11-22 11:23:34 192.0.2.1\n")

    assert SOURCE.confidence(head_of(path)) == 0
