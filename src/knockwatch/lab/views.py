"""What each observer of a run holds of each labelled event, for `views.json`; it knows nothing of the detections.

`signal` lists events whose every step, as captured, an observer has; `entry` those whose entry it has as let in.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from knockwatch.lab.packets import read
from knockwatch.lab.plan import Plan

SLACK_SECONDS = 1.5
"""How far an observer's clock may be off, and how late a log line may come."""
_KERNEL = re.compile(
    r"^(\S+) \S+ kernel: (?:\[ *[\d.]+\] )?(.*?)IN=\S* OUT=\S* .*?SRC=(\S+) DST=(\S+) "
    r".*?PROTO=(\S+)(?: SPT=\d+ DPT=(\d+))?"
)
_FLOW = re.compile(
    r"\[(\d+\.\d+)\]\s+\[(\w+)\]\s+ipv\d\s+\d+\s+(\w+)\s+.*?src=(\S+) dst=(\S+) (?:sport=\d+ dport=(\d+))?.*?id=(\d+)"
)
_LET_IN = re.compile("ACCEPT|ALLOW|portknock")
_DAEMONS = re.compile(r" (knockd|fwknopd|sshd)\b")
_OPENED = re.compile("OPEN SESAME|Added access rule")

Record = tuple[float, str, str, str, bool]
"""Time, source, destination, step, and whether it was let in."""
Label = dict[str, Any]


def views(out: Path, plan: Plan, events: list[Label]) -> dict[str, dict[str, Any]]:
    """Describe every observer whose files are there."""
    router = plan.router.name
    servers = [host.name for host in plan.hosts.values() if host.role == "server"]
    logs = [name for name in servers if (out / f"{name}-syslog.iso.log").is_file()]
    found: dict[str, dict[str, Any]] = {}

    def add(name: str, files: list[str], held: dict[str, list[str]], lines: str | None = None) -> None:
        if any(list(out.glob(pattern)) for pattern in files):
            found[name] = {"files": files, **({"lines": lines} if lines else {}), **held}

    texts = [f"{name}-syslog.iso.log" for name in logs]
    add("packets", ["pcap/*.pcap"], held(_captured(out), events))
    add("server firewall", texts, held(_kernel(out, logs), events), " kernel: ")
    add("server firewall, ulogd JSON", ["*-ulogd.json"], held(_ulogd(out), events))
    add("daemons and log-ins", texts, _told(out, logs, events), r" (knockd|fwknopd|sshd)\b")
    add("edge flows", [f"{router}-conntrack.out"], held(_conntrack(out, [router]), events))
    flows = [f"{name}-conntrack.out" for name in servers]
    add("server flows", flows, held(_conntrack(out, servers), events))
    add("edge firewall", [f"{router}-syslog.iso.log"], held(_kernel(out, [router]), events), " kernel: ")
    return found


def held(records: Iterable[Record], events: list[Label]) -> dict[str, list[str]]:
    """List the events whose signal, and whose entry, some records hold."""
    known, signal, entry = list(records), [], []
    for event in events:
        if event["kind"] not in ("knock", "spa", "failed"):
            continue
        near = [
            one for one in known if event["start"] - SLACK_SECONDS <= one[0] <= event["end"] + SLACK_SECONDS
        ]
        at = _shortest(event["dst"])
        steps = {(_shortest(source), step) for _, source, step in event.get("observed", ())}
        if steps and steps <= {(one[1], one[3]) for one in near if one[2] == at}:
            signal.append(event["id"])
        if _entered(event, near):
            entry.append(event["id"])
    return {"signal": signal, "entry": entry}


def _entered(event: Label, near: list[Record]) -> bool:
    """Tell whether records hold an event's entry, or its call back."""
    connect = event["connect"]
    if not connect or not connect["ok"]:
        return False
    caller = connect.get("from", connect.get("src"))
    who = {_shortest(source) for source in ([caller] if caller else event["src"])}
    at, step = _shortest(connect.get("to", event["dst"])), f"tcp/{connect['port']}"
    return any(let_in and source in who and to == at and what == step for _, source, to, what, let_in in near)


def _captured(out: Path) -> Iterator[Record]:
    """Read the captures: an answer to a SYN is an entry of whom it goes to."""
    for path in (out / "pcap").glob("*.pcap"):
        for packet in read(path):
            if packet.asks:
                yield packet.time, packet.source, packet.destination, packet.step, False
            elif packet.answers:
                yield packet.time, packet.destination, packet.source, packet.step, True


def _kernel(out: Path, hosts: list[str]) -> Iterator[Record]:
    """Read netfilter's lines; that an edge forwards is no entry."""
    for name in hosts:
        for line in _lines(out / f"{name}-syslog.iso.log"):
            if found := _KERNEL.match(line):
                let_in = bool(_LET_IN.search(found[2])) and "EDGE" not in found[2]
                time = datetime.fromisoformat(found[1]).timestamp()
                yield time, _shortest(found[3]), _shortest(found[4]), _step(found[5], found[6]), let_in


def _ulogd(out: Path) -> Iterator[Record]:
    """Read ulogd's JSON."""
    for path in out.glob("*-ulogd.json"):
        for line in _lines(path):
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if "src_ip" in said:
                time = said["oob.time.sec"] + said["oob.time.usec"] / 1e6
                protocol = {6: "tcp", 17: "udp"}.get(said.get("ip.protocol"), "icmp")
                step = _step(protocol, said.get("dest_port"))
                let_in = "ACCEPT" in said["oob.prefix"]
                yield time, _shortest(said["src_ip"]), _shortest(said["dest_ip"]), step, let_in


def _conntrack(out: Path, hosts: list[str]) -> Iterator[Record]:
    """Read flows; one that was answered is an entry."""
    for name in hosts:
        flows: dict[str, list[Any]] = {}
        for line in _lines(out / f"{name}-conntrack.out"):
            if found := _FLOW.match(line):
                ends = _shortest(found[4]), _shortest(found[5])
                flow = flows.setdefault(found[7], [float(found[1]), *ends, _step(found[3], found[6]), False])
                flow[4] = flow[4] or (found[2] == "UPDATE" and ("ESTABLISHED" in line or "ASSURED" in line))
        yield from (tuple(flow) for flow in flows.values())


def _told(out: Path, hosts: list[str], events: list[Label]) -> dict[str, list[str]]:
    """List what knock daemons and sshd told: a signal is one that the daemon says opened its door."""
    lines = [
        line for name in hosts for line in _lines(out / f"{name}-syslog.iso.log") if _DAEMONS.search(line)
    ]
    timed = [(datetime.fromisoformat(line.split(" ", 1)[0]).timestamp(), line) for line in lines]
    held_of: Callable[[re.Pattern[str]], list[str]] = lambda wanted: [  # noqa: E731
        event["id"]
        for event in events
        if event["kind"] in ("knock", "spa")
        and any(
            wanted.search(line) and any(source in line for source in event["src"])
            for time, line in timed
            if event["start"] - SLACK_SECONDS <= time <= event["end"] + SLACK_SECONDS
        )
    ]
    return {"signal": held_of(_OPENED), "entry": held_of(re.compile("Accepted"))}


def _lines(path: Path) -> Iterator[str]:
    """Read a text file, if it is there."""
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from file


def _step(protocol: str, port: str | int | None) -> str:
    """Write a step."""
    return f"{protocol.lower()}/{port}" if port else "icmp"


def _shortest(address: str) -> str:
    """Write an address in its shortest form."""
    return str(ipaddress.ip_address(address))
