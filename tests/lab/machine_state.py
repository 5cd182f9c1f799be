"""What a lab may have changed of a machine, read so that two moments can be compared."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_AUDIT = ("enabled", "failure", "pid", "rate_limit", "backlog_limit", "backlog_wait_time")
_LEFT_IN_RUN = (
    "knockwatch-lab",
    "knockwatch-lab.down",
    "netns",
    "sshd",
    "ufw.lock",
    "auditd.pid",
    "fwknop",
    "knockd.pid",
)


def _said(*command: str) -> list[str]:
    """Run a program, if there is one."""
    if shutil.which(command[0]) is None:
        return []
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def _lab_processes() -> list[str]:
    """List the live processes of the lab: in its namespaces, or with its state or modules on their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if any(
            mark in command
            for mark in ("/run/knockwatch-lab", "knockwatch.lab.fixtures", "knockwatch.lab.syslog")
        ):
            found.append(command)
    return found


def machine_state() -> dict[str, object]:
    """Read everything the lab touches outside of its namespaces."""
    mounts = [line.split()[4:] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    log_all = Path("/proc/sys/net/netfilter/nf_log_all_netns")
    return {
        "log in all namespaces": log_all.read_text() if log_all.exists() else None,
        "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        "audit settings": [
            line for line in _said("auditctl", "-s") if line.split()[:1] and line.split()[0] in _AUDIT
        ],
        "audit rules": _said("auditctl", "-l"),
        "namespaces": _said("ip", "netns", "list"),
        "resolvers": sorted(path.name for path in Path("/etc/netns").iterdir())
        if Path("/etc/netns").is_dir()
        else None,
        "mounts": sorted(" ".join(words) for words in mounts),
        "log socket": os.path.lexists("/dev/log"),
        "links": [line.split()[0] for line in _said("ip", "-brief", "link")],
        "addresses": _said("ip", "-brief", "address"),
        "routes": _said("ip", "route"),
        "rules": _said("nft", "list", "ruleset"),
        "run": [name for name in _LEFT_IN_RUN if Path("/run", name).exists()],
        "processes": _lab_processes(),
    }
