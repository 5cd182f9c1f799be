"""Files of messages without a syslog header."""

from pathlib import Path

import pytest

from knockwatch.clock import rfc3339
from knockwatch.sources import Head, detect
from knockwatch.sources.bare_messages import SOURCE
from knockwatch.sources.bodies import BareBody, bodies
from knockwatch.tables import ACCEPTED, DENIED
from tests.sources.reading import SAMPLES, head_of, read, read_text

LINE = "CEF:0|Acme|Wall|1.0|77|Connection|5|src=192.0.2.4 dst=203.0.113.9 dpt=80 proto=TCP act=deny rt=1795346614123\n"


def test_a_file_of_cef_is_certain() -> None:
    assert SOURCE.confidence(Head(LINE.encode() * 3, whole=True)) == 1.0
    assert SOURCE.confidence(Head(b"\xef\xbb\xbf" + LINE.encode(), whole=True)) == 1.0
    assert SOURCE.confidence(Head(b"Nov 22 11:23:34 host " + LINE.encode(), whole=True)) == 0.0


def test_documented_examples_of_vendors_are_read() -> None:
    found = read(SOURCE, SAMPLES / "bare-messages" / "vendors.cef")
    rows = sorted(found.rows("connections"), key=lambda row: row["line"])

    assert [row["line"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["outcome"] for row in rows] == [DENIED, DENIED, DENIED, DENIED, ACCEPTED]
    assert [row["destination_port"] for row in rows] == [7000, 8000, None, 9000, 22]
    assert [row["protocol"] for row in rows] == ["tcp", "tcp", "icmp", "udp", "tcp"]
    assert [row["sensor"] for row in rows] == ["pa-edge", "pa-edge", "cp-edge", None, "FGT-A-LOG"]
    assert [rfc3339(row["time_us"]) for row in rows] == [
        "2026-11-22T11:23:34Z",
        "2026-11-22T11:23:35Z",
        "2026-11-22T11:23:36Z",
        "2026-11-22T11:23:37.125000Z",
        "2026-11-22T11:23:36Z",
    ]
    assert rows[1]["action"] == "reset-both"
    assert (rows[2]["icmp_type"], rows[2]["icmp_code"]) == (8, 0)
    assert rows[3]["source_ip"] == "2001:db8::10"
    assert (rows[3]["vendor"], rows[3]["product"]) == ("Acme | Sons", "Fire\\Wall")
    assert rows[0]["rule"] == "deny all from outside"
    assert (rows[4]["packets_received"], rows[4]["bytes_received"]) == (105, 146668)


def test_real_lines_of_unifi_are_read(corpus: Path) -> None:
    """One bare, one whose "CEF:" a syslog server took for a tag, one behind a syslog header."""
    path = corpus / "public/crowdsec-hub/.tests/unifi-cef/cef-logs.log"
    claim = detect(head_of(path))
    found = read(SOURCE, path)

    assert claim is not None
    assert claim[0] is SOURCE
    assert found.misfits.is_empty()
    assert [row["Activity"] for row in found.rows("CommonSecurityLog")] == [
        "Admin Accessed UniFi Network",
        "Threat Detected and Blocked",
        "Threat Detected and Blocked",
    ]
    first, second = found.rows("connections")
    assert (first["line"], second["line"]) == (2, 3)
    assert (first["source_ip"], first["source_port"]) == ("10.0.0.100", 52331)
    assert (first["destination_ip"], first["destination_port"]) == ("192.168.0.233", 443)
    assert rfc3339(first["time_us"]) == "2025-08-30T17:53:21.915000Z"
    assert first["outcome"] == second["outcome"] == DENIED
    assert (second["destination_ip"], second["destination_port"]) == (None, 80)
    assert (second["action"], second["bytes_sent"], second["packets_received"]) == ("blocked", 58, 0)
    assert rfc3339(second["time_us"]) == "2025-10-26T19:01:31.807000Z"
    assert second["sensor"] == "Express-7"


@pytest.mark.parametrize(
    "line",
    [
        LINE,
        "\ufeff" + LINE,
        "<164>" + LINE,
        LINE.replace("CEF:0", "CEF: 0"),
        LINE.removeprefix("CEF:"),
        LINE.rstrip("\n"),
        LINE.replace("\n", "\r\n"),
    ],
)
def test_a_line_is_read_whatever_stands_before_it(tmp_path: Path, line: str) -> None:
    found = read_text(SOURCE, tmp_path, line)

    assert found.misfits.is_empty()
    assert found.rows("connections")[0]["destination_port"] == 80


def test_what_is_neither_cef_nor_syslog_is_counted(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, LINE + "rubbish\n\n" + LINE + "CEF:0|cut\n")

    assert found.misfits["line"].to_list() == [2, 5]
    assert [row["line"] for row in found.rows("connections")] == [1, 4]
    assert found.records == 5


def test_a_row_without_any_time_is_kept(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, LINE.replace(" rt=1795346614123", ""))

    assert found.rows("connections")[0]["time_us"] is None
    assert found.rows("CommonSecurityLog")[0]["TimeGenerated"] is None


def test_a_file_may_hold_messages_of_many_kinds() -> None:
    found = read(SOURCE, SAMPLES / "bare-messages" / "firewalls.log")

    assert found.misfits.is_empty()
    assert [row["line"] for row in found.rows("connections")] == [
        1,
        2,
        3,
        4,
        5,
        *range(7, 14),
        15,
        16,
        17,
        18,
    ]
    assert {row["vendor"] for row in found.rows("connections")} == {
        *("Fortinet", "Palo Alto Networks", "Cisco", "Juniper", "Check Point", "Acme", "Lancope")
    }


def test_every_format_that_stands_bare_says_how_it_begins() -> None:
    for body in bodies():
        if isinstance(body, BareBody):
            assert body.bare.startswith("^"), body.format.name
