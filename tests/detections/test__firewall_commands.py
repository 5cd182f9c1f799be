"""What firewall commands open and close, read from real ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.detections._firewall_commands import FirewallCommand, firewall_commands

RICH_RULE = (
    'firewall-cmd --remove-rich-rule=\'rule family="ipv4" source address="192.0.2.7" '
    'port port="22" protocol="tcp" accept\''
)
OPENS, SHUTS = (True, True), (False, False)


@pytest.mark.parametrize(
    ("command", "does", "source", "door"),
    [
        (
            "/usr/sbin/iptables -A KNOCKD -s 198.51.100.10 -p tcp --dport 22 -j LOGACC",
            OPENS,
            "198.51.100.10",
            "tcp/22",
        ),
        (
            "/usr/sbin/iptables -D KNOCKD -s 198.51.100.10 -p tcp --dport 22 -j LOGACC",
            SHUTS,
            "198.51.100.10",
            "tcp/22",
        ),
        (
            "/usr/sbin/ufw insert 1 allow from 198.51.100.14 to any port 22 proto tcp",
            OPENS,
            "198.51.100.14",
            "tcp/22",
        ),
        (
            "/usr/sbin/ufw delete allow from 198.51.100.14 to any port 22 proto tcp",
            SHUTS,
            "198.51.100.14",
            "tcp/22",
        ),
        ("ufw allow 22/tcp", OPENS, None, "tcp/22"),
        ("ufw allow 60000:60010/udp", OPENS, None, "udp/60000"),
        (
            "ip6tables -I INPUT -s 2001:0db8:0:0::1 -p tcp --dports 22,80 -j ACCEPT",
            OPENS,
            "2001:db8::1",
            "tcp/22",
        ),
        (
            "iptables --append INPUT --source=10.0.0.0/8 --protocol udp --dport 1194 -j ACCEPT",
            OPENS,
            "10.0.0.0/8",
            "udp/1194",
        ),
        (
            "nft insert rule inet filter input ip saddr 192.0.2.7 tcp dport { 22, 80 } accept",
            OPENS,
            "192.0.2.7",
            "tcp/22",
        ),
        ("nft add element inet filter clients { 192.0.2.7 timeout 10s }", OPENS, "192.0.2.7", None),
        ("nft delete element inet filter clients {192.0.2.7}", SHUTS, "192.0.2.7", None),
        ("firewall-cmd --zone=public --add-port=22/tcp --timeout=30", OPENS, None, "tcp/22"),
        (
            RICH_RULE,
            SHUTS,
            "192.0.2.7",
            "tcp/22",
        ),
        ("ipset add knocked 192.0.2.7,tcp:22 timeout 30", OPENS, "192.0.2.7", None),
        ("pfctl -t knocked -T delete 192.0.2.7", SHUTS, "192.0.2.7", None),
        ("nft add element inet f ok { 192.0.2.7 . 22 timeout 5s }", OPENS, "192.0.2.7", "tcp/22"),
        ("/usr/bin/python3 /usr/sbin/ufw allow from 192.0.2.7 to any port 22", OPENS, "192.0.2.7", "tcp/22"),
        (
            "iptables -A INPUT -s 192.0.2.7 -p tcp --dport 22 -j LOG",
            (True, False),
            "192.0.2.7",
            "tcp/22",
        ),
        (
            (
                r'C:\Windows\System32\netsh.exe advfirewall firewall add rule name="my x" dir=in action=allow '
                "protocol=TCP localport=3389 remoteip=192.0.2.7"
            ),
            OPENS,
            "192.0.2.7",
            "tcp/3389",
        ),
        (
            'cmd.exe /c "netsh advfirewall firewall add rule name=x dir=in action=block protocol=TCP localport=22"',
            (True, False),
            None,
            "tcp/22",
        ),
        ("netsh advfirewall firewall delete rule name=x localport=22 protocol=tcp", SHUTS, None, "tcp/22"),
        (
            (
                "powershell.exe -NoProfile -Command \"New-NetFirewallRule -DisplayName 'a b' -Direction Inbound "
                '-Action Allow -Protocol UDP -LocalPort 1194 -RemoteAddress 192.0.2.7"'
            ),
            OPENS,
            "192.0.2.7",
            "udp/1194",
        ),
    ],
)
def test_a_command_is_read(
    command: str, does: tuple[bool, bool], source: str | None, door: str | None
) -> None:
    [read] = firewall_commands(command)
    assert ((read.adds, read.opens), read.source, read.door) == (does, source, door)


def test_removing_a_rule_that_blocks_opens() -> None:
    [read] = firewall_commands("iptables -D INPUT -s 192.0.2.7 -p tcp --dport 22 -j DROP")
    assert (read.adds, read.opens) == (False, True)
    [read] = firewall_commands("ufw deny from 192.0.2.7")
    assert (read.adds, read.opens) == (True, False)


@pytest.mark.parametrize(
    "command",
    [
        "sh -c 'iptables -A INPUT -s 192.0.2.7 -p tcp --dport 22 -j ACCEPT'",
        "sh -c /usr/sbin/iptables -A INPUT -s 192.0.2.7 -p tcp --dport 22 -j ACCEPT",
        "sudo -u root /sbin/iptables -A INPUT -s 192.0.2.7 -p tcp --dport 22 -j ACCEPT",
        "logger knocked; ip netns exec blue iptables -A INPUT -s 192.0.2.7 -p tcp --dport 22 -j ACCEPT && sleep 10",
    ],
)
def test_shells_and_wrappers_are_taken_off(command: str) -> None:
    assert firewall_commands(command) == [
        FirewallCommand("iptables", True, True, "192.0.2.7", None, "tcp", 22)
    ]


@pytest.mark.parametrize(
    "command", ["", "iptables -L -n", "nft list ruleset", "ufw status", "echo iptables -A x", "'"]
)
def test_what_changes_nothing_is_nothing(command: str) -> None:
    assert firewall_commands(command) == []


@pytest.mark.parametrize("port", ["0", "65536", "99999", "ssh"])
def test_a_port_that_is_none_names_no_door(port: str) -> None:
    [read] = firewall_commands(f"iptables -A INPUT -p tcp --dport {port} -j ACCEPT")
    assert read.door is None


@given(st.text(alphabet=st.sampled_from("iptables -ADsj;&|'\"$() {}10./"), max_size=60))
def test_hostile_text_is_read_without_harm(text: str) -> None:
    firewall_commands(f"sh -c {text}")
    firewall_commands(f"nft {text}")
