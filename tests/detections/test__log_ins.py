"""Which lines tell of log-ins: the table of programs, each with its sample."""

import csv
from importlib.resources import files
from typing import Any

import pytest

from knockwatch.detections._log_ins import lines, log_ins
from knockwatch.engines.embedded import Engine
from knockwatch.ingest import Workspace
from tests.rows import put

SECURITY = "Microsoft-Windows-Security-Auditing"
CONNECTIONS = "Microsoft-Windows-TerminalServices-RemoteConnectionManager"
SESSIONS = "Microsoft-Windows-TerminalServices-LocalSessionManager"
TABLE = list(csv.DictReader((files("knockwatch.content") / "log_ins.csv").read_text("utf-8").splitlines()))


def told(workspace: Workspace, *messages: tuple[str, str]) -> list[dict[str, Any]]:
    put(workspace, "messages", [{"program": program, "message": message} for program, message in messages])
    with Engine(workspace) as engine:
        return engine.execute(log_ins(engine.tables()["messages"])).to_dicts()


def test_every_line_of_the_table_says_where_it_comes_from() -> None:
    assert len(lines()) == len(TABLE)
    assert all(row["why"] and row["reference"] and row["sample"] for row in TABLE)


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row['programs']} {row['port']}") for row in TABLE])
def test_every_line_of_the_table_understands_its_sample(workspace: Workspace, row: dict[str, str]) -> None:
    [found] = told(workspace, *((program, row["sample"]) for program in row["programs"].split()[:1]))
    assert found["source"]
    assert found["account"]
    assert found["protocol"] == row["protocol"]
    assert found["port"] == (int(row["port"]) if row["port"] else None)


@pytest.mark.parametrize(
    ("program", "message", "who"),
    [
        (
            SECURITY,
            "EventID=4624 LogonType=10 IpAddress=198.51.100.7 IpPort=50111 TargetUserName=alice TargetDomainName=A",
            ("198.51.100.7", "50111", "alice", 3389),
        ),
        (
            SECURITY,
            'EventID=4624 LogonType=3 IpAddress=2001:db8::7 IpPort=0 TargetUserName="Jane Doe"',
            ("2001:db8::7", "0", "Jane Doe", None),
        ),
        (
            CONNECTIONS,
            "EventID=1149 Address=198.51.100.7 User=alice Domain=A",
            ("198.51.100.7", "", "alice", 3389),
        ),
        (CONNECTIONS, "EventID=1149 Address=198.51.100.7", ("198.51.100.7", "", "", 3389)),
        (
            SESSIONS,
            r"EventID=25 Address=198.51.100.7 User=A\alice SessionID=2",
            ("198.51.100.7", "", r"A\alice", 3389),
        ),
        (
            "dropbear",
            "Password auth succeeded for 'root' from 198.51.100.7:5678",
            ("198.51.100.7", "5678", "root", 22),
        ),
    ],
)
def test_a_log_in_tells_who_came_from_where(
    workspace: Workspace, program: str, message: str, who: tuple[str, str, str, int | None]
) -> None:
    [found] = told(workspace, (program, message))
    assert (found["source"], found["source_port"], found["account"], found["port"]) == who


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (SECURITY, "EventID=4625 LogonType=10 IpAddress=198.51.100.7 IpPort=50111 TargetUserName=alice"),
        (SECURITY, "EventID=4624 LogonType=2 IpAddress=198.51.100.7 IpPort=0 TargetUserName=alice"),
        (SECURITY, "EventID=4624 LogonType=5 TargetUserName=SYSTEM"),
        # A machine's own account.
        (
            SECURITY,
            "EventID=4624 LogonType=3 IpAddress=198.51.100.7 IpPort=50111 TargetUserName=SRV1$ TargetDomainName=A",
        ),
        (SECURITY, "EventID=4624 LogonType=3 IpAddress=::1 IpPort=50111 TargetUserName=alice"),
        (SECURITY, "EventID=4624 LogonType=10 IpAddress=127.0.0.1 IpPort=50111 TargetUserName=alice"),
        (SECURITY, "EventID=4624 LogonType=10 TargetUserName=alice"),
        (SESSIONS, r"EventID=21 Address=LOCAL User=A\alice SessionID=1"),
        (SESSIONS, r"EventID=24 Address=198.51.100.7 User=A\alice SessionID=1"),
        ("sshd", "EventID=4624 LogonType=10 IpAddress=198.51.100.7 IpPort=50111 TargetUserName=alice"),
        (SECURITY, "Accepted password for alice from 198.51.100.7 port 5 ssh2"),
    ],
)
def test_other_lines_are_no_log_ins(workspace: Workspace, program: str, message: str) -> None:
    assert told(workspace, (program, message)) == []
