"""Log-ins at hosts on which a knock daemon speaks."""

from typing import Any

import pytest

from knockwatch.detections import Finding
from knockwatch.detections.log_in import DETECTION
from knockwatch.ingest import Workspace
from tests.rows import found, put, us

START = us("2026-11-22 11:23:40.367364")
KEY = "ssh2: ED25519 SHA256:NAwEpKZRKvWfRKKpkcBgImhPBH8ZqxQdi3KBs7uNaIU"
ACCEPTED = f"Accepted publickey for root from 198.51.100.10 port 35044 {KEY}"
OPENED = "198.51.100.10: openSSH: OPEN SESAME"
CSF = "Knock: *22_IN* IN=eth0 OUT= SRC=198.51.100.10 DST=203.0.113.10 PROTO=TCP SPT=1 DPT=22 SYN"


def line(message: str, program: str | None = "sshd", after: float = 0, **more: Any) -> dict[str, Any]:
    time = START + round(after * 1_000_000)
    return {"time_us": time, "host": "srv1", "program": program, "message": message, **more}


DAEMON = line(OPENED, "knockd", -1)


def logged_in(workspace: Workspace, *rows: dict[str, Any]) -> list[Finding]:
    put(workspace, "messages", rows)
    return found(workspace, DETECTION)


def test_a_log_in_tells_who_came_from_where_as_whom(workspace: Workspace) -> None:
    [finding] = logged_in(workspace, DAEMON, line(ACCEPTED))
    assert (finding.leg, finding.sources, finding.user, finding.host) == (
        "entry",
        ("198.51.100.10",),
        "root",
        "srv1",
    )
    assert (finding.complete, finding.conclusive) == (None, False)
    assert [(pointer.table, pointer.line) for pointer in finding.pointers] == [("messages", 2)]


@pytest.mark.parametrize(
    ("program", "message", "user", "source"),
    [
        ("sshd-session", "Accepted password for bob from 198.51.100.7 port 5 ssh2", "bob", "198.51.100.7"),
        (
            "sshd",
            "Accepted keyboard-interactive/pam for eve from 2001:db8:a::10 port 5 ssh2",
            "eve",
            "2001:db8:a::10",
        ),
        ("dropbear", "Password auth succeeded for 'root' from 198.51.100.7:5678", "root", "198.51.100.7"),
        (
            "dropbear",
            "Pubkey auth succeeded for 'admin' with ssh-ed25519 key SHA256:x from 2001:db8::7:5678",
            "admin",
            "2001:db8::7",
        ),
        (
            "Microsoft-Windows-Security-Auditing",
            "EventID=4624 LogonType=10 IpAddress=198.51.100.7 IpPort=50111 TargetUserName=alice TargetDomainName=A",
            "alice",
            "198.51.100.7",
        ),
        (
            "Microsoft-Windows-TerminalServices-LocalSessionManager",
            r"EventID=21 Address=198.51.100.7 User=A\alice SessionID=2",
            r"A\alice",
            "198.51.100.7",
        ),
    ],
)
def test_every_way_to_log_in_is_read(
    workspace: Workspace, program: str, message: str, user: str, source: str
) -> None:
    [finding] = logged_in(workspace, DAEMON, line(message, program))
    assert (finding.user, finding.sources) == (user, (source,))


@pytest.mark.parametrize(
    "daemon",
    [
        DAEMON,
        line("Starting fwknopd", "fwknopd"),
        line(CSF, "kernel"),
        line(f"[  486.93] {CSF}", "kernel"),
    ],
)
def test_any_daemon_makes_log_ins_worth_a_look(workspace: Workspace, daemon: dict[str, Any]) -> None:
    assert len(logged_in(workspace, daemon, line(ACCEPTED))) == 1


def test_a_busy_host_without_a_daemon_is_passed_over(workspace: Workspace) -> None:
    other = [line(ACCEPTED, after=after, host="web1") for after in range(50)]
    assert logged_in(workspace, DAEMON, *other) == []


def test_two_files_that_tell_of_one_log_in_make_one_finding(workspace: Workspace) -> None:
    [finding] = logged_in(workspace, DAEMON, line(ACCEPTED), line(ACCEPTED, after=-0.367364, file=1))
    assert len(finding.pointers) == 2


def test_the_next_log_in_is_another(workspace: Workspace) -> None:
    again = ACCEPTED.replace("35044", "35046")
    assert len(logged_in(workspace, DAEMON, line(ACCEPTED), line(again, after=0.5))) == 2


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("sshd", "Failed password for root from 198.51.100.10 port 35044 ssh2"),
        ("sshd", "Invalid user Accepted publickey for root from 198.51.100.10 port 35044"),
        ("sshd", "Disconnected from user root 198.51.100.10 port 35044"),
        ("sshd", "Accepted publickey for root from 999.51.100.10 port 35044 ssh2"),
        ("sudo", ACCEPTED),
        (None, ACCEPTED),
    ],
)
def test_other_lines_are_no_log_ins(workspace: Workspace, program: str | None, message: str) -> None:
    assert logged_in(workspace, DAEMON, line(message, program)) == []
