"""Sysmon for Linux in syslog."""

from pathlib import Path

import pytest

from knockwatch.sources.microsoft_json_lines import SOURCE as EXPORT
from knockwatch.sources.syslog import SOURCE
from tests.sources.reading import SAMPLES, read, read_text

SAMPLE = SAMPLES / "sysmon-linux" / "srv1.log"
LINES = SAMPLE.read_text().split("\n")


def test_a_process_has_its_command_and_its_parent() -> None:
    row = read(SOURCE, SAMPLE).rows("processes")[0]

    assert row["command_line"] == "knock -d 300 203.0.113.10 7000:tcp 8000:tcp 9000:tcp"
    assert (row["image"], row["user"], row["host"], row["pid"]) == ("/usr/bin/knock", "bui", "cli1", 9170)
    assert (row["parent_image"], row["parent_command_line"], row["parent_pid"]) == (
        "/usr/bin/bash",
        "-bash",
        9100,
    )


def test_the_time_is_the_headers() -> None:
    """Trap 9: Sysmon-for-Linux `UtcTime` can lag by days."""
    row = read(SOURCE, SAMPLE).rows("processes")[0]

    assert 'UtcTime">2026-11-19' in LINES[0]
    assert (row["time_us"], row["time"]) == (1_795_346_618_704_120, "2026-11-22T11:23:38.704120000Z")


def test_characters_that_xml_escapes_are_read_once() -> None:
    row = read(SOURCE, SAMPLE).rows("processes")[1]

    assert '--comment "a <b> &amp; c" -j' in row["command_line"]
    assert row["parent_command_line"] is None


def test_only_what_was_taken_is_known_to_be_answered() -> None:
    rows = read(SOURCE, SAMPLE).rows("connections")

    assert [(row["sensor"], row["outcome"]) for row in rows] == [("cli1", "unknown"), ("srv1", "accepted")]
    assert {
        (row["source_ip"], row["source_port"], row["destination_ip"], row["destination_port"]) for row in rows
    } == {("198.51.100.10", 51234, "203.0.113.10", 22)}


def test_a_socket_without_addresses_is_no_connection() -> None:
    assert "0:0:0:0:0:0:0:0" in LINES[4]
    assert 5 not in {row["line"] for row in read(SOURCE, SAMPLE).rows("connections")}


def test_a_cut_event_gives_what_it_has(tmp_path: Path) -> None:
    """Sentinel cuts messages."""
    whole = LINES[0]
    cut = whole[: whole.index('<Data Name="ParentImage">') + 30]
    row = read_text(SOURCE, tmp_path, cut).rows("processes")[0]

    assert (row["image"], row["parent_image"]) == ("/usr/bin/knock", None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"DestinationPort">22<', '"DestinationPort">70000<'),
        ('"SourceIp">198.51.100.10<', '"SourceIp">198.51.100.300<'),
        ("<EventID>3</EventID>", "<EventID>three</EventID>"),
    ],
)
def test_an_impossible_event_is_counted(tmp_path: Path, old: str, new: str) -> None:
    assert old in LINES[2]
    found = read_text(SOURCE, tmp_path, LINES[2].replace(old, new))

    assert found.misfits["line"].to_list() == [1]
    assert "connections" not in found.tables


def test_events_of_windows_are_not_ours(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, LINES[0].replace("Linux-Sysmon", "Microsoft-Windows-Sysmon"))

    assert "processes" not in found.tables


@pytest.mark.corpus
def test_what_sentinel_exported_is_read(corpus: Path) -> None:
    folder = "syslog_sysmon_log4shell_cve2021_44228_jndi_reference"
    found = read(EXPORT, next((corpus / "public" / "otrf" / "unz" / folder).glob("*.json")))

    assert found.misfits.is_empty()
    assert len(found.rows("processes")) == 31
    assert [row["destination_port"] for row in found.rows("connections")] == [443, 1389, 8888, 443, 443]
