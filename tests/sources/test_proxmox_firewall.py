"""Proxmox' firewall log."""

from pathlib import Path

from knockwatch.sources import detect
from knockwatch.sources.proxmox_firewall import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

SAMPLE = SAMPLES / "proxmox-firewall" / "pve-firewall.log"


def test_a_dropped_syn_is_a_denied_connection() -> None:
    row = read(SOURCE, SAMPLE).rows("connections")[0]
    expected = {
        "line": 2,
        "time": "22/Nov/2026:12:23:34 +0100",
        "time_us": 1_795_346_614_000_000,
        "source_ip": "198.51.100.10",
        "source_port": 57292,
        "destination_ip": "203.0.113.10",
        "destination_port": 7000,
        "protocol": "tcp",
        "outcome": "denied",
        "action": "DROP",
        "tcp_flags": "SYN",
        "tcp_seq": 2853565861,
        "forwarded": False,
        "rule": "PVEFW-HOST-IN policy DROP:",
        "vendor": "Proxmox",
    }
    assert {key: row[key] for key in expected} == expected


def test_what_passes_to_a_guest_is_forwarded() -> None:
    _, refused, passed, outward = read(SOURCE, SAMPLE).rows("connections")

    assert (refused["outcome"], refused["forwarded"]) == ("refused", True)
    assert (passed["outcome"], passed["forwarded"]) == ("accepted", True)
    assert (outward["outcome"], outward["forwarded"], outward["rule"]) == (
        "refused",
        False,
        "PVEFW-HOST-OUT REJECT:",
    )


def test_what_the_logger_says_of_itself_is_a_message() -> None:
    found = read(SOURCE, SAMPLE)

    assert [row["message"] for row in found.rows("messages")] == ["starting pvefw logger"]
    assert found.misfits.is_empty()


def test_lines_that_are_none_are_counted(tmp_path: Path) -> None:
    """Trap 8: lines can be cut at either end."""
    whole = SAMPLE.read_text().splitlines()[1]
    bad = [
        whole.partition("DPT=")[0],
        whole.replace("DPT=7000", "DPT=70000"),
        whole[20:],
        whole.replace("/Nov/", "/Foo/"),
    ]
    found = read_text(SOURCE, tmp_path, "\n".join([*bad, "", whole]) + "\n")

    assert found.misfits["line"].to_list() == [1, 2, 3, 4]
    assert len(found.rows("connections")) == 1


def test_real_lines_are_all_read(corpus: Path) -> None:
    path = corpus / "public/crowdsec-hub/.tests/proxmox-iptables-logs/proxmox-iptables.log"
    claim = detect(head_of(path))
    assert claim is not None
    assert claim[0] is SOURCE
    found = read(SOURCE, path)

    assert found.misfits.is_empty()
    assert [row["outcome"] for row in found.rows("connections")].count("unknown") == 1
