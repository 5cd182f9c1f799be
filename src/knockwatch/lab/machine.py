"""What the lab asks of a machine: Linux, root, namespaces and programs; it changes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from knockwatch.lab import LabError

PACKAGES = {
    "ip": "iproute2",
    "iptables": "iptables",
    "nft": "nftables",
    "conntrack": "conntrack",
    "knockd": "knockd",
    "fwknopd": "fwknop-server",
    "fwknop": "fwknop-client",
    "hping3": "hping3",
    "nmap": "nmap",
    "tcpdump": "tcpdump",
    "nc": "netcat-openbsd",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "ufw": "ufw",
    "ulogd": "ulogd2",
}
"""Programs the lab runs, and the Debian packages that have them."""
OPTIONAL = {"auditd": "auditd", "auditctl": "auditd"}
BESIDE = ("ulogd2-json",)
"""Packages without a program of their own."""
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


def widen_path() -> None:
    """Look for programs where administrators' are, too."""
    path = os.environ.get("PATH", "/usr/bin:/bin")
    if not path.endswith(_SYSTEM_PATH):
        os.environ["PATH"] = f"{path}:{_SYSTEM_PATH}"


def missing_packages() -> list[str]:
    """List the Debian packages whose programs are not there; audit is wanted, but the lab does without."""
    return sorted({package for program, package in PACKAGES.items() if shutil.which(program) is None})


def packages() -> list[str]:
    """List every package a whole lab uses."""
    return sorted({*PACKAGES.values(), *OPTIONAL.values(), *BESIDE})


def why_not() -> str | None:
    """Say in a sentence why there can be no lab here, or None."""
    if sys.platform != "linux":
        return "the lab needs Linux: it is made of network namespaces"
    if os.geteuid() != 0:
        return "the lab needs root, for network namespaces and firewalls: run it with sudo, or as root in a container"
    probe = ["unshare", "--net", "--mount", "--uts", "true"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        return "the lab needs network namespaces, which this machine or container does not allow"
    return None


def require(*, programs: bool = True) -> None:
    """Refuse a machine that can have no lab.

    Raises
    ------
    LabError
        With one sentence that says what is missing.
    """
    widen_path()
    if reason := why_not():
        raise LabError(reason)
    if programs and (missing := missing_packages()):
        raise LabError(f"the lab needs packages that are not there: apt-get install {' '.join(missing)}")
