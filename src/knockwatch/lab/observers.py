"""The lab's observers: syslog, ulogd, conntrack, tcpdump and auditd; what each writes is the evidence of a run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from knockwatch.lab.journal import STATE, began, marked, record, recorded, run
from knockwatch.lab.network import BRIDGE, daemon, owners
from knockwatch.lab.plan import Plan

SNAP_BYTES = 400
"""What is kept of a packet: all of the longest SPA packet."""
CAPTURES = {"servers": (BRIDGE, "not arp and not icmp6"), "router": ("any", "not arp and not icmp6")}
"""Captures at the router: what goes to the servers' bridge, and what is for the router itself."""

_ULOGD = """[global]
logfile="{said}"
loglevel=3
stack=nf:NFLOG,base:BASE,ifi:IFINDEX,str:IP2STR,print:PRINTPKT,emu:LOGEMU
stack=nf:NFLOG,base:BASE,ifi:IFINDEX,str:IP2STR,json:JSON
[nf]
group=1
[emu]
file="{out}/{host}-ulogd.log"
sync=1
[json]
file="{out}/{host}-ulogd.json"
sync=1
"""
_AUDITD = """log_file = {out}/audit/audit.log
log_format = ENRICHED
log_group = root
write_logs = yes
flush = INCREMENTAL_ASYNC
freq = 50
max_log_file = 20
num_logs = 2
max_log_file_action = IGNORE
space_left = 75
space_left_action = IGNORE
admin_space_left = 50
admin_space_left_action = IGNORE
disk_full_action = IGNORE
disk_error_action = IGNORE
name_format = NONE
plugin_dir = {state}/audit/none
"""
PID_FILE = Path("/run/auditd.pid")
"""Where any auditd writes who it is, whatever its configuration says."""
WATCHED = {
    "knock_tool": ("knockd", "knock", "fwknop", "fwknopd", "hping3", "nping"),
    "scan_tool": ("nmap",),
    "sniffer": ("tcpdump",),
    "net_tool": ("nc.openbsd",),
    "fw_change": ("xtables-nft-multi", "nft", "ufw"),
}
"""Programs whose start is audited, by the key that their records carry."""
CALLS = (
    "-S socket -F a0=17 -k af_packet",
    "-S socket -F a0=2 -F a1&=3 -F a2!=6 -F a2!=17 -F a2!=0 -k raw_socket",
    "-S setsockopt -F a1=1 -F a2=26 -k attach_filter",
    "-S setsockopt -F a1=1 -F a2=50 -k attach_bpf",
)
"""System calls of sniffers: socket(AF_PACKET), raw sockets, SO_ATTACH_FILTER and SO_ATTACH_BPF."""


def up(plan: Plan, out: Path) -> None:
    """Start the observers of every host."""
    (STATE / "macs.json").write_text(json.dumps(owners(plan)))
    _outside("syslog", [sys.executable, "-m", "knockwatch.lab.syslog", str(out)])
    _audit(out)
    for host in plan.hosts.values():
        if "conntrack" in host.observers:
            command = ["conntrack", "-E", "-o", "timestamp,extended,id"]
            daemon(host.name, "conntrack", command, out / f"{host.name}-conntrack.out")
        if "ulogd" in host.observers:
            path = STATE / host.name / "ulogd.conf"
            said = STATE / "said" / f"{host.name}-ulogd.log"
            path.write_text(_ULOGD.format(said=said, out=out, host=host.name))
            daemon(host.name, "ulogd", ["ulogd", "-c", str(path)])
    (out / "pcap").mkdir(exist_ok=True)
    router = plan.router
    own = " or ".join(f"host {gateway}" for gateway in _own(plan))
    for name, (interface, wanted) in CAPTURES.items():
        what = wanted if name == "servers" else f"{wanted} and ({own})"
        path = out / "pcap" / f"{name}.pcap"
        flags = [
            "-Z",
            "root",
            "-i",
            interface,
            "-s",
            str(SNAP_BYTES),
            "-U",
            "--immediate-mode",
            "-w",
            str(path),
        ]
        daemon(router.name, f"tcpdump-{name}", ["tcpdump", *flags, what])


def _own(plan: Plan) -> list[str]:
    """List the router's addresses."""
    gateways = [gateway.partition("/")[0] for host in plan.hosts.values() for gateway in host.gateways]
    return list(dict.fromkeys([*plan.router.addresses, *gateways]))


def ready(plan: Plan, out: Path, seconds: float = 10.0) -> bool:
    """Wait until captures and log sockets are there; tells whether they are."""
    wanted = [
        *(out / "pcap" / f"{name}.pcap" for name in CAPTURES),
        *(STATE / name / "log" for name in plan.hosts),
    ]
    end = time.monotonic() + seconds
    while not all(path.exists() for path in wanted):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _outside(name: str, command: list[str]) -> None:
    """Start an observer of the whole machine, which needs no network."""
    said = STATE / "said" / name
    said.parent.mkdir(exist_ok=True)
    with said.open("ab") as output:
        subprocess.Popen(
            recorded(name, command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=marked(),
        )


def _audit(out: Path) -> None:
    """Start an auditd of the lab's own, unless there is none, another runs, or its rules are locked."""
    if shutil.which("auditd") is None or shutil.which("auditctl") is None:
        return
    settings = audit_settings()
    if _runs(settings.get("pid", "")) or settings.get("enabled") == "2":
        return
    rules = [line for line in run(["auditctl", "-l"]).splitlines() if line.startswith("-")]
    # auditd passes over the first signals, for some 40 ms after its start: killed then, it leaves its pid file behind.
    record("pid file", path=str(PID_FILE), text=PID_FILE.read_text() if PID_FILE.exists() else None)
    record("audit", settings=settings, rules=rules)
    # auditd makes the folder of its log readable for root alone, so it has one of its own.
    (out / "audit").mkdir()
    folder = STATE / "audit"
    (folder / "none").mkdir(parents=True)
    configuration = folder / "auditd.conf"
    configuration.write_text(_AUDITD.format(out=out, state=STATE))
    configuration.chmod(0o640)
    _outside("auditd", ["auditd", "-n", "-s", "enable", "-c", str(folder)])
    end = time.monotonic() + 5
    while not _runs(audit_settings().get("pid", "")) and time.monotonic() < end:
        time.sleep(0.05)
    written = STATE / "audit.rules"
    written.write_text("\n".join(_rules()) + "\n")
    run(["auditctl", "-D"])
    run(["auditctl", "-R", str(written)], check=False)


def _runs(pid: str) -> bool:
    """Tell whether an auditd runs; of one that was killed the kernel may still give the number."""
    return pid.isdecimal() and int(pid) > 0 and began(int(pid)) is not None


def audit_settings() -> dict[str, str]:
    """Read what the kernel's audit says of itself."""
    pairs = (line.split() for line in run(["auditctl", "-s"]).splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) >= 2}


def _rules() -> list[str]:
    """Write the audit rules: who starts knock tools, firewalls and sniffers."""
    # A kernel or an architecture may lack one of the rules: the others are wanted all the same (-i, in the file alone).
    rules = ["-i", "-b 8192"]
    for key, programs in WATCHED.items():
        rules += [f"-w {path} -p x -k {key}" for program in programs if (path := shutil.which(program))]
    return rules + [f"-a always,exit -F arch=b64 {call}" for call in CALLS]
