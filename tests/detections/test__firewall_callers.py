"""Who starts a firewall command."""

import pytest

from knockwatch.detections._firewall_callers import Role, role_of


@pytest.mark.parametrize(
    ("image", "command_line", "role"),
    [
        ("/usr/sbin/knockd", "knockd -i eth0 -d", "daemon"),
        (None, "fwknopd -f --syslog-enable", "daemon"),
        ("/usr/sbin/apache2", None, "service"),
        ("/usr/sbin/php-fpm8.2", None, "service"),
        ("/dev/shm/kdmtmpflush", None, "service"),
        ("/opt/vendor/agentd", None, "stranger"),
        ("/usr/bin/bash", "-bash", "shell"),
        ("/usr/bin/dash", "sh -c /usr/sbin/iptables -A INPUT -s 198.51.100.10 -j ACCEPT", "unknown"),
        ("/usr/bin/dockerd", None, "manager"),
        ("/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/fail2ban-server -xf start", "manager"),
        ("/usr/bin/python3.11", "/usr/bin/python3 /usr/sbin/ufw allow 22", "front"),
        (r"C:\Windows\System32\cmd.exe", "cmd.exe", "shell"),
        (None, None, "unknown"),
        ("", "", "unknown"),
    ],
)
def test_a_caller_has_a_role(image: str | None, command_line: str | None, role: Role) -> None:
    assert role_of(image, command_line) == role
