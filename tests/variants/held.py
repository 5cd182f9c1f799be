"""What a view of a lab run still holds of each event once lines are lost; nothing of knockwatch is used here.

The definitions are those of the corpus' `views.json`: a signal is held if every step of it is in the view, or a daemon
says that it was complete; an entry is held if it is there as let in. Only lines with exact times are looked at.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.variants.evidence_text import SECOND, form_of, lines

SLACK_SECONDS = 1.5
"""How far outside of an event's time its lines may lie."""
_NETFILTER = re.compile(r"\bIN=\S* OUT=\S* .*?SRC=(\S+) DST=(\S+) .*?PROTO=(\S+)(?: SPT=\d+ DPT=(\d+))?")
_FLOW = re.compile(
    r"\[(\w+)\]\s+ipv\d\s+\d+\s+(\w+)\s+.*?src=(\S+) dst=(\S+) (?:sport=\d+ dport=(\d+))?.*?id=(\d+)$"
)
_PROTOCOLS = {6: "tcp", 17: "udp"}


@dataclass
class Record:
    """One packet or flow: when (seconds), from, to, as ``tcp/22``, and whether it was let in."""

    time: float
    source: str
    destination: str
    step: str
    entered: bool


def held(
    folder: Path, view: Mapping[str, Any], labels: Iterable[Mapping[str, Any]]
) -> tuple[set[str], set[str]]:
    """Give the ids of the events whose signal, and whose entry, a view holds."""
    records, said = _content(folder, view)
    records.sort(key=lambda record: record.time)
    signal, entry = set(), set()
    for label in labels:
        if label["kind"] not in ("knock", "spa", "failed"):
            continue
        begin, end = label["start"] - SLACK_SECONDS, label["end"] + SLACK_SECONDS
        near = [
            one for one in records if begin <= one.time <= end and one.destination == _short(label["dst"])
        ]
        steps = {(_short(source), step) for _, source, step in label.get("observed") or []}
        if steps and steps <= {(one.source, one.step) for one in near}:
            signal.add(label["id"])
        connect = label.get("connect") or {}
        who = {_short(one) for one in ([connect["src"]] if connect.get("src") else label["src"])}
        door = f"tcp/{connect.get('port')}"
        if connect.get("ok") and any(one.entered and one.source in who and one.step == door for one in near):
            entry.add(label["id"])
        told = [text for at, text in said if begin <= at <= end and any(one in text for one in label["src"])]
        if any("OPEN SESAME" in text or "Added access rule" in text for text in told):
            signal.add(label["id"])
        if any("Accepted" in text for text in told):
            entry.add(label["id"])
    return signal, entry


def _content(folder: Path, view: Mapping[str, Any]) -> tuple[list[Record], list[tuple[float, str]]]:
    """Read a view: its packets and flows, and what daemons said."""
    pattern = re.compile(view.get("lines") or "")
    records: list[Record] = []
    said: list[tuple[float, str]] = []
    for path in sorted({path for glob in view["files"] for path in folder.glob(glob)}):
        known = form_of(path)
        if known is None or not known[1].exact:
            continue
        flows: dict[str, Record] = {}
        for text in lines(path):
            time_us = known[1].read(text) if pattern.search(text) else None
            if time_us is None:
                continue
            records.extend(_records(time_us / SECOND, text, flows))
            if re.search(r" (?:knockd|fwknopd|sshd)\b", text):
                said.append((time_us / SECOND, text))
        records.extend(flows.values())
    return records, said


def _records(at: float, text: str, flows: dict[str, Record]) -> Iterator[Record]:
    """Read the packet of a line; the events of one flow are gathered in `flows`."""
    if text.startswith("{"):
        fields = json.loads(text)
        if "src_ip" in fields:
            step = _step(_PROTOCOLS.get(fields["ip.protocol"], "icmp"), fields.get("dest_port"))
            entered = "ACCEPT" in fields["oob.prefix"]
            yield Record(at, _short(fields["src_ip"]), _short(fields["dest_ip"]), step, entered)
    elif found := _FLOW.search(text):
        event, protocol, source, destination, port, flow = found.groups()
        begun = Record(at, _short(source), _short(destination), _step(protocol, port), entered=False)
        record = flows.setdefault(flow, begun)
        record.entered |= event == "UPDATE" and ("ESTABLISHED" in text or "ASSURED" in text)
    elif found := _NETFILTER.search(text):
        source, destination, protocol, port = found.groups()
        prefix = text[: found.start()]
        entered = re.search(r"ACCEPT|ALLOW|portknock", prefix) is not None and "EDGE" not in prefix
        yield Record(at, _short(source), _short(destination), _step(protocol, port), entered)


def _step(protocol: str, port: str | int | None) -> str:
    """Name a step as labels do."""
    return f"{protocol.lower()}/{port}" if port else "icmp"


def _short(address: str) -> str:
    """Write an address in its shortest form."""
    return str(ipaddress.ip_address(address))
