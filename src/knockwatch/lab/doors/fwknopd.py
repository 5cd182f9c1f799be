"""The door of fwknopd: single packet authorization, with keys that are new at each start."""

from __future__ import annotations

from pathlib import Path

from knockwatch.lab import LabError
from knockwatch.lab.doors import Daemon, Parts
from knockwatch.lab.journal import STATE, run
from knockwatch.lab.plan import Door, Host, port_of


def build(host: Host, doors: list[Door], out: Path, version: int) -> list[Parts]:
    """Build the daemon's configuration, its access list and the client's, and the daemon."""
    del version
    if len(doors) != 1:
        raise LabError(f"host {host.name}: one fwknopd has one door here")
    (door,) = doors
    folder = STATE / host.name
    service = door.service
    words = dict(
        line.split(": ", 1)
        for line in run(["fwknop", "--key-gen", "--use-hmac"]).splitlines()
        if ": " in line
    )
    keys = f"KEY_BASE64 {words['KEY_BASE64']}\nHMAC_KEY_BASE64 {words['HMAC_KEY_BASE64']}\n"
    files = {
        folder / "fwknopd.conf": (
            f"PCAP_INTF eth0;\nPCAP_FILTER udp port {port_of(door.secret[0])} or icmp;\n"
            f"FWKNOP_RUN_DIR {folder}/fwknop;\nFWKNOP_CONF_DIR {folder};\nFIREWALL_EXE /usr/sbin/iptables;\n"
        ),
        folder / "access.conf": (
            f"SOURCE ANY\nOPEN_PORTS {service}\nFW_ACCESS_TIMEOUT {door.open_seconds}\nREQUIRE_SOURCE_ADDRESS Y\n{keys}"
        ),
        STATE / "fwknoprc": (
            f"[{host.name}]\nSPA_SERVER {host.address(4)}\nSPA_SERVER_PORT {port_of(door.secret[0])}\n"
            f"ACCESS {service}\n{keys}USE_HMAC Y\n"
        ),
    }
    for path, text in files.items():
        path.touch(0o600)
        path.write_text(text)
    command = (
        "fwknopd",
        "-f",
        "--syslog-enable",
        "-c",
        f"{folder}/fwknopd.conf",
        "-a",
        f"{folder}/access.conf",
    )
    return [Parts(daemons=(Daemon("fwknopd", command, out / f"{host.name}-fwknopd.out"),))]
