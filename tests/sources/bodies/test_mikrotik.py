"""RouterOS' firewall lines."""

from pathlib import Path
from typing import Any

import pytest

from knockwatch.config import EvidenceSettings, NetfilterSettings
from knockwatch.sources.bare_messages import SOURCE as BARE
from knockwatch.sources.syslog import SOURCE
from tests.sources.reading import SAMPLES, read, read_text

SAMPLE = SAMPLES / "mikrotik" / "router.log"
SYN = "proto TCP (SYN), 198.51.100.10:57292->203.0.113.10:7000, len 60"
INPUT = f"in:ether1 out:(unknown 0), src-mac 76:df:0e:20:04:24, {SYN}"


def one(folder: Path, line: str) -> dict[str, Any]:
    found = read_text(SOURCE, folder, line + "\n")
    assert found.misfits.is_empty()
    return found.rows("connections")[0]


def test_a_dropped_syn_is_a_denied_connection() -> None:
    row = read(SOURCE, SAMPLE).rows("connections")[0]
    expected = {
        "source_ip": "198.51.100.10",
        "source_port": 57292,
        "destination_ip": "203.0.113.10",
        "destination_port": 7000,
        "protocol": "tcp",
        "outcome": "denied",
        "action": "drop",
        "tcp_flags": "SYN",
        "packet_length": 60,
        "forwarded": False,
        "sensor": "gw",
        "rule": "drop-in input",
        "vendor": "MikroTik",
    }
    assert {key: row[key] for key in expected} == expected


def test_what_passes_through_is_forwarded_and_translation_does_not_matter() -> None:
    row = next(row for row in read(SOURCE, SAMPLE).rows("connections") if row["forwarded"])

    assert (row["destination_ip"], row["destination_port"]) == ("192.0.2.80", 53)
    assert (row["outcome"], row["payload_length"]) == ("unknown", 37)


def test_a_knock_by_length_keeps_its_length() -> None:
    """RouterOS' rules tell pings apart by packet-size; ``ping -s 95`` makes 123."""
    row = next(row for row in read(SOURCE, SAMPLE).rows("connections") if row["protocol"] == "icmp")

    assert (row["icmp_type"], row["packet_length"], row["payload_length"]) == (8, 123, 95)


def test_ipv6_stands_in_brackets_and_its_length_lacks_headers() -> None:
    row = read(SOURCE, SAMPLE).rows("connections")[-1]

    assert (row["source_ip"], row["destination_port"]) == ("2001:db8:a::10", 7000)
    assert row["packet_length"] is None


@pytest.mark.parametrize(
    ("head", "rule", "outcome"),
    [
        ("gw firewall,info DROP input: ", "DROP input", "denied"),
        ("gw firewall,info input: ", "input", "unknown"),
        ("gw input: ", "input", "unknown"),
        ("gw DROP input: ", "DROP input", "denied"),
        ("gw reject-rest: ", "reject-rest", "refused"),
    ],
)
def test_the_prefix_says_the_outcome(tmp_path: Path, head: str, rule: str, outcome: str) -> None:
    """Trap 7: a chain and its colon look like a program."""
    row = one(tmp_path, f"Nov 22 11:23:34 {head}{INPUT}")

    assert (row["rule"], row["outcome"]) == (rule, outcome)


def test_a_site_says_what_its_own_prefixes_mean(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(f"Nov 22 11:23:34 gw firewall,info knock3 input: {INPUT}\n")
    settings = EvidenceSettings(netfilter=NetfilterSettings(prefixes={"knock": "denied"}))

    assert read(SOURCE, path, settings=settings).rows("connections")[0]["outcome"] == "denied"


def test_nobody_knows_yet_whose_a_packet_is_before_routing(tmp_path: Path) -> None:
    row = one(tmp_path, f"Nov 22 11:23:34 gw firewall,info raw prerouting: {INPUT}")

    assert row["forwarded"] is None


def test_an_interface_may_have_blanks(tmp_path: Path) -> None:
    line = f"Nov 22 11:23:34 gw firewall,info forward: in:<pppoe-u 1> out:ether1 WAN, {SYN}"

    assert one(tmp_path, line)["forwarded"] is True


@pytest.mark.parametrize(
    "packet",
    [
        "proto TCP (SYN), 198.51.100.10:57292->203.0.113.10:700",
        "proto TCP (SYN), 198.51.100.10:57292->203.0.113.10:70000, len 60",
        "proto TCP (SYN), 198.51.100.10:57292->203.0.113.1000:7000, len 60",
    ],
)
def test_a_cut_or_impossible_line_is_counted(tmp_path: Path, packet: str) -> None:
    """Trap 8: lines can be cut."""
    line = f"Nov 22 11:23:34 gw firewall,info DROP input: in:ether1 out:(unknown 0), {packet}\n"
    found = read_text(SOURCE, tmp_path, line)

    assert found.misfits["line"].to_list() == [1]


def test_the_routers_own_file_is_read(tmp_path: Path) -> None:
    text = f"jan/15/2023 14:30:01 firewall,info DROP input: {INPUT}\nfirewall,info DROP input: {INPUT}\n"
    dated, bare = read_text(BARE, tmp_path, text).rows("connections")

    assert (dated["time_us"], dated["time"]) == (1_673_793_001_000_000, "jan/15/2023 14:30:01")
    assert (bare["time_us"], bare["outcome"]) == (None, "denied")


def test_real_lines_are_all_read(corpus: Path) -> None:
    folder = corpus / "public" / "crowdsec-hub" / ".tests"
    scan = read(SOURCE, folder / "mikrotik-scan-multi_ports" / "mikrotik-scan-multi_ports.log")
    mixed = read(SOURCE, folder / "mikrotik-logs" / "mikrotik-logs.log")

    assert scan.misfits.is_empty()
    assert {row["outcome"] for row in scan.rows("connections")} == {"denied"}
    assert mixed.misfits.is_empty()
    assert len(mixed.rows("connections")) == 6
