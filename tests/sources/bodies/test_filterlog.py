"""filterlog's lines, as pfSense and OPNsense write them."""

from pathlib import Path
from typing import Any

import pytest

from knockwatch.sources.syslog import SOURCE
from tests.sources.reading import SAMPLES, read, read_text

TCP = "5,,,1000000103,em0,match,block,in,4,0x0,,63,6255,0,DF,6,tcp,60,198.51.100.10,203.0.113.10,57292,7000"
REST = ",0,S,1891286705,,64240,,mss"


def rows(name: str) -> list[dict[str, Any]]:
    return read(SOURCE, SAMPLES / "filterlog" / name).rows("connections")


def test_a_blocked_syn_is_a_denied_connection() -> None:
    row = rows("pfsense.log")[0]
    expected = {
        "source_ip": "198.51.100.10",
        "source_port": 57292,
        "destination_ip": "203.0.113.10",
        "destination_port": 7000,
        "protocol": "tcp",
        "outcome": "denied",
        "action": "block",
        "tcp_flags": "SYN",
        "tcp_seq": 1891286705,
        "tcp_window": 64240,
        "ttl": 63,
        "ip_id": 6255,
        "packet_length": 60,
        "payload_length": 0,
        "rule": "1000000103",
        "vendor": "pf",
    }
    assert {key: row[key] for key in expected} == expected


def test_a_line_without_a_host_has_no_sensor() -> None:
    """pfSense puts the program where others put the host."""
    assert {row["sensor"] for row in rows("pfsense.log")} == {None}
    assert {row["sensor"] for row in rows("opnsense.log")} == {"opnsense.example.org"}


def test_what_is_let_in_may_be_for_the_firewall_itself_and_what_is_let_out_is_not() -> None:
    passed = {row["destination_port"]: row for row in rows("pfsense.log") if row["outcome"] == "accepted"}

    assert passed[22]["forwarded"] is None
    assert passed[123]["forwarded"] is True


def test_a_ping_has_a_type_and_a_length_and_no_ports() -> None:
    row = next(row for row in rows("pfsense.log") if row["protocol"] == "icmp")

    assert (row["icmp_type"], row["icmp_code"], row["payload_length"]) == (8, 0, 56)
    assert (row["source_port"], row["destination_port"]) == (None, None)


def test_the_fields_of_ipv6_stand_elsewhere() -> None:
    tcp, udp, icmp, _ = rows("opnsense.log")

    assert (tcp["source_ip"], tcp["destination_port"], tcp["tcp_flags"]) == ("2001:db8:a::10", 7000, "SYN")
    assert (tcp["packet_length"], tcp["ttl"]) == (80, 63)
    assert (udp["protocol"], udp["payload_length"]) == ("udp", 65)
    assert (icmp["protocol"], icmp["destination_ip"]) == ("icmp6", "ff02::1")


@pytest.mark.parametrize(
    "body",
    [
        TCP,
        TCP.replace("7000", "70000") + REST,
        TCP.replace("198.51.100.10", "198.51.100.1000") + REST,
        "5,,,1000000103,em0,match,block,in,4,0x0",
        "no csv at all",
    ],
)
def test_a_cut_or_impossible_line_is_counted(tmp_path: Path, body: str) -> None:
    """Trap 8: lines can be cut at either end; a port at the end may have lost digits."""
    found = read_text(SOURCE, tmp_path, f"Nov 22 11:23:34 fw filterlog[1]: {body}\n")

    assert found.misfits["text"].to_list() == [body]


def test_an_unknown_word_is_an_unknown_outcome(tmp_path: Path) -> None:
    line = f"Nov 22 11:23:34 fw filterlog[1]: {TCP.replace('block', 'rdr')}{REST}\n"

    assert read_text(SOURCE, tmp_path, line).rows("connections")[0]["outcome"] == "unknown"


def test_real_lines_are_all_read(corpus: Path) -> None:
    folder = corpus / "public" / "crowdsec-hub" / ".tests"
    for name in ("pf-logs", "pf-scan-multi-port", "pfsense-rfc5424-filterlog"):
        found = read(SOURCE, folder / name / f"{name}.log")

        assert found.misfits.is_empty()
        assert len(found.rows("connections")) == len(found.rows("messages"))
