"""Changes of a firewall that let somebody in."""

from typing import Any

import pytest

from knockwatch.detections import Finding
from knockwatch.detections.opening import DETECTION
from knockwatch.ingest import Workspace
from tests.rows import found, put, us

START = us("2026-11-22 11:23:39.328")
SECOND = 1_000_000
OPENS = "/usr/sbin/iptables -A KNOCKD -s 198.51.100.10 -p tcp --dport 22 -j LOGACC"
SOURCE = "198.51.100.10"


def process(
    command_line: str | None, parent: str | None = None, after: float = 0, **more: Any
) -> dict[str, Any]:
    time = START + round(after * SECOND)
    return {
        "time_us": time,
        "host": "srv1",
        "user": "root",
        "command_line": command_line,
        "parent_image": parent,
        **more,
    }


def change(rule_text: str | None, kind: str = "rule-added", after: float = 0, **more: Any) -> dict[str, Any]:
    time = START + round(after * SECOND)
    return {"time_us": time, "host": "srv1", "kind": kind, "rule_text": rule_text, **more}


def opened(workspace: Workspace, *rows: dict[str, Any]) -> list[Finding]:
    put(workspace, "processes", rows)
    return found(workspace, DETECTION)


def test_a_rule_for_one_address_at_one_port_is_an_opening(workspace: Workspace) -> None:
    [finding] = opened(workspace, process(OPENS))
    assert (finding.kind, finding.leg, finding.sources, finding.door) == (
        "change",
        "opening",
        (SOURCE,),
        "tcp/22",
    )
    assert (finding.host, finding.user, finding.command_line) == ("srv1", "root", OPENS)
    assert not finding.conclusive
    assert finding.note == f"A firewall command (iptables) let {SOURCE} in at tcp/22."


def test_knockd_its_shell_and_iptables_are_one_opening_that_proves_it(workspace: Workspace) -> None:
    [finding] = opened(
        workspace,
        process(f"sh -c {OPENS}", "/usr/sbin/knockd"),
        process(OPENS, "/usr/bin/dash", 0.01, parent_command_line=f"sh -c {OPENS}"),
    )
    assert (finding.conclusive, finding.label) == (True, "FirewallOpenedByKnockDaemon")
    assert finding.note.endswith(", started by the knock daemon /usr/sbin/knockd.")
    assert len(finding.pointers) == 2


def test_a_process_and_the_change_it_made_are_one_opening(workspace: Workspace) -> None:
    """The audit log has both: EXECVE of iptables, and NETFILTER_CFG."""
    put(workspace, "changes", [change(OPENS, after=0.004)])
    [finding] = opened(workspace, process(OPENS))
    assert {pointer.table for pointer in finding.pointers} == {"processes", "changes"}


def test_a_change_alone_is_enough(workspace: Workspace) -> None:
    put(workspace, "changes", [change(OPENS), change("table=filter family=2 entries=5 op=nft_register_rule")])
    [finding] = found(workspace, DETECTION)
    assert (finding.sources, finding.door) == ((SOURCE,), "tcp/22")


def test_the_same_address_let_in_again_later_is_another_opening(workspace: Workspace) -> None:
    assert len(opened(workspace, process(OPENS), process(OPENS, after=60))) == 2


@pytest.mark.parametrize(
    "command_line",
    [
        "/usr/bin/python3 /usr/sbin/ufw insert 1 allow from 198.51.100.10 to any port 22 proto tcp",
        "nft add rule inet filter input ip saddr 198.51.100.10 tcp dport 22 accept",
        "nft add element inet filter clients { 198.51.100.10 . 22 timeout 10s }",
        (
            "firewall-cmd --add-rich-rule='rule family=ipv4 source address=198.51.100.10 "
            "port port=22 protocol=tcp accept'"
        ),
        (
            r"C:\Windows\System32\netsh.exe advfirewall firewall add rule name=x dir=in action=allow "
            "protocol=TCP localport=22 remoteip=198.51.100.10"
        ),
        (
            'powershell.exe -Command "New-NetFirewallRule -DisplayName x -Action Allow -Protocol TCP '
            '-LocalPort 22 -RemoteAddress 198.51.100.10"'
        ),
    ],
)
def test_every_tool_is_read(workspace: Workspace, command_line: str) -> None:
    [finding] = opened(workspace, process(command_line))
    assert (finding.sources, finding.door) == ((SOURCE,), "tcp/22")


def test_a_set_with_a_timeout_opens_without_naming_a_port(workspace: Workspace) -> None:
    [finding] = opened(workspace, process("nft add element inet filter ok { 198.51.100.10 timeout 10s }"))
    assert (finding.sources, finding.door) == ((SOURCE,), None)


@pytest.mark.parametrize("parent", ["/usr/sbin/apache2", "/tmp/.x/agent"])
def test_a_service_that_opens_the_firewall_is_odd(workspace: Workspace, parent: str) -> None:
    [finding] = opened(workspace, process("iptables -I INPUT -p tcp --dport 2222 -j ACCEPT", parent))
    assert (finding.label, finding.sources, finding.door) == ("FirewallOpenedByService", (), "tcp/2222")
    assert finding.note.endswith(
        f"let everyone in at tcp/2222, started by {parent}, which has no business there."
    )
    assert not finding.conclusive


@pytest.mark.parametrize(
    ("command_line", "parent"),
    [
        ("iptables -D KNOCKD -s 198.51.100.10 -p tcp --dport 22 -j LOGACC", "/usr/sbin/knockd"),
        ("iptables -A INPUT -s 198.51.100.10 -p tcp --dport 22 -j DROP", None),
        ("iptables -A INPUT -s 198.51.100.10 -p tcp --dport 22 -j LOG --log-prefix x", None),
        ("iptables -C INPUT -s 198.51.100.10 -p tcp --dport 22 -j ACCEPT", "/usr/sbin/fwknopd"),
        ("iptables -t filter -I INPUT 1 -s 127.0.0.2 -p udp -j ACCEPT", "/usr/sbin/fwknopd"),
        ("iptables -A OUTPUT -s 203.0.113.10 -p tcp --dport 443 -j ACCEPT", None),
        ("iptables -A INPUT -s 198.51.100.0/24 -p tcp --dport 22 -j ACCEPT", None),
        ("iptables -A INPUT -p tcp --dport 80 -j ACCEPT", "/usr/bin/bash"),
        (OPENS, "/usr/bin/dockerd"),
        (OPENS, "/usr/bin/fail2ban-server"),
        ("ipset add blocklist 198.51.100.10", "/usr/bin/bash"),
        ("ufw enable", None),
        ("man iptables 198.51.100.10 port", "/usr/bin/bash"),
        ("iptables -S", None),
        (None, None),
    ],
)
def test_ordinary_changes_are_nothing(
    workspace: Workspace, command_line: str | None, parent: str | None
) -> None:
    assert opened(workspace, process(command_line, parent)) == []


def test_whoever_fills_a_set_keeps_a_list(workspace: Workspace) -> None:
    rows = [
        process(f"nft add element inet f bans {{ 198.51.100.{last} timeout 1h }}", after=last)
        for last in range(1, 30)
    ]
    assert opened(workspace, *rows) == []


WINDOWS_RULE = "RuleName=x Direction=In Action=Allow Protocol=6 LocalPorts=3389 RemoteAddresses=198.51.100.1"
"""As a source writes Windows' event 2004."""


def test_a_rule_that_the_firewall_itself_tells_of_is_an_opening(workspace: Workspace) -> None:
    row = change(WINDOWS_RULE, source_ip="198.51.100.1", protocol="tcp", port=3389)
    put(workspace, "changes", [row])
    (finding,) = found(workspace, DETECTION)

    assert (finding.sources, finding.door, finding.conclusive) == (("198.51.100.1",), "tcp/3389", False)


@pytest.mark.parametrize("word", ["Action=Block", "Direction=Out", "Active=No"])
def test_a_rule_that_lets_nobody_in_is_none(workspace: Workspace, word: str) -> None:
    row = change(f"{WINDOWS_RULE} {word}", source_ip="198.51.100.1", protocol="tcp", port=3389)
    put(workspace, "changes", [row])

    assert found(workspace, DETECTION) == []
