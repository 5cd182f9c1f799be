"""Doors that configurations name."""

from typing import Any

from knockwatch.detections import UNTIMED_US, Finding
from knockwatch.detections.configured_door import DETECTION
from knockwatch.ingest import Workspace
from tests.rows import found, put

OPEN = "start_command = /usr/sbin/iptables -A INPUT -s %IP% -p tcp --dport 2200 -j ACCEPT"
CLOSE = "command = /usr/sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT"


def line(rule_text: str = "sequence = 7000,8000", **more: Any) -> dict[str, Any]:
    return {
        "kind": "door-configured",
        "host": "srv1",
        "signal": "sequence",
        "steps": "tcp/7000 udp/8000",
        "rule_text": rule_text,
        **more,
    }


def told(workspace: Workspace, *rows: dict[str, Any]) -> list[Finding]:
    put(workspace, "changes", rows)
    return found(workspace, DETECTION)


def test_the_lines_of_a_door_are_one_finding(workspace: Workspace) -> None:
    [finding] = told(
        workspace, line(port=22, protocol="tcp", seconds=15), line(port=22, protocol="tcp", seconds=15)
    )

    assert (finding.kind, finding.leg, finding.host, finding.door) == ("door", None, "srv1", "tcp/22")
    assert finding.sequence == ("tcp/7000", "udp/8000")
    assert finding.start_us == finding.end_us == UNTIMED_US
    assert [pointer.line for pointer in finding.pointers] == [1, 2]
    assert finding.note == "The firewall's own rules wait for it, 15 s at most."


def test_what_opens_is_told_by_the_command(workspace: Workspace) -> None:
    [finding] = told(workspace, line(actor="knockd", name="a"), line(OPEN, actor="knockd", name="a"))

    assert (finding.door, finding.door_name) == ("tcp/2200", "a")


def test_a_signal_that_only_closes_is_no_door(workspace: Workspace) -> None:
    """Trap 17: knockd has closing sequences too."""
    assert (
        told(workspace, line(actor="knockd", name="close"), line(CLOSE, actor="knockd", name="close")) == []
    )


def test_a_command_that_nobody_knows_still_makes_a_door(workspace: Workspace) -> None:
    [finding] = told(workspace, line("command = /usr/local/sbin/open.sh %IP%", actor="knockd"))

    assert finding.door is None


def test_other_changes_are_no_doors(workspace: Workspace) -> None:
    assert told(workspace, {**line(port=22), "kind": "listener-opened"}) == []
