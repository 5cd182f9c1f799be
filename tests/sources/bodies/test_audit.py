"""Audit records inside messages."""

from pathlib import Path

import pytest

from knockwatch.sources.auditd import SOURCE as AUDITD
from knockwatch.sources.microsoft_json_lines import SOURCE as EXPORT
from knockwatch.sources.syslog import SOURCE
from tests.sources.reading import SAMPLES, read, read_text

SAMPLE = SAMPLES / "audit-messages" / "srv1.log"
TEXT = SAMPLE.read_text()
AUOMS = "Nov 22 11:23:39 srv2 auoms[1340]: "


def test_records_that_rsyslog_forwards_are_read_as_in_the_log() -> None:
    """The control character before what auditd adds arrives as ``#035``."""
    rows = [row for row in read(SOURCE, SAMPLE).rows("changes") if row["host"] == "srv1"]
    lines = {row["time_us"] for row in read(AUDITD, SAMPLES / "auditd" / "srv1.log").rows("changes")}

    assert {row["user"] for row in rows} == {"root"}
    assert {row["time_us"] for row in rows} <= lines


def test_auoms_tells_of_programs_with_their_whole_command() -> None:
    row = next(row for row in read(SOURCE, SAMPLE).rows("processes") if row["host"] == "srv2")

    assert row["command_line"] == 'sh -c "/usr/sbin/ufw allow from 198.51.100.10 to any port 22 proto tcp"'
    assert (row["image"], row["user"], row["pid"], row["parent_pid"]) == ("/usr/bin/dash", "root", 9174, 8872)
    assert (row["time_us"], row["time"]) == (1_795_346_619_100_000, "1795346619.100")


def test_auoms_tells_of_packet_sockets_and_listeners() -> None:
    rows = [row for row in read(SOURCE, SAMPLE).rows("changes") if row["host"] == "srv2"]

    assert [(row["kind"], row["rule_text"], row["protocol"], row["port"]) for row in rows] == [
        ("socket-opened", "socket(AF_PACKET, SOCK_RAW)", None, None),
        ("listener-opened", None, "tcp", 4444),
    ]


def test_a_call_that_failed_is_none() -> None:
    assert "success=no" in TEXT
    assert 9175 not in {row["pid"] for row in read(SOURCE, SAMPLE).rows("processes") if row["host"] == "srv2"}


@pytest.mark.parametrize(
    "message",
    [
        "type=AUOMS_EXECVE audit(9999999999999.000:1): x",
        "type=EXECVE msg=audit(1:2",
        "type=AUOMS_EXECVE audit(x): y",
    ],
)
def test_a_damaged_record_is_counted(tmp_path: Path, message: str) -> None:
    found = read_text(SOURCE, tmp_path, TEXT.rstrip("\n") + "\n" + AUOMS + message)

    assert found.misfits["text"].to_list() == [message]


@pytest.mark.parametrize("message", ["type=fish audit(", "audit: backlog limit exceeded", "nodes=3 up"])
def test_other_messages_are_left_alone(tmp_path: Path, message: str) -> None:
    found = read_text(SOURCE, tmp_path, AUOMS + message)

    assert found.misfits.is_empty()
    assert set(found.tables) == {"messages"}


@pytest.mark.corpus
def test_what_sentinel_exported_of_auoms_is_read(corpus: Path) -> None:
    folder = "syslog_auoms_auditd_log4shell_cve2021_44228_jndi_reference"
    found = read(EXPORT, next((corpus / "public" / "otrf" / "unz" / folder).glob("*.json")))
    rows = found.rows("processes")

    assert found.misfits.is_empty()
    assert len(rows) == 27
    assert rows[0]["command_line"].startswith('bash -c "{echo,')
    assert (rows[1]["command_line"], rows[1]["parent_image"]) == ("bash -i", "/bin/bash")
