"""The ground truth of a run: labels, doors and views, in the format that `knockwatch evaluate` reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from knockwatch.lab.packets import Packet, read
from knockwatch.lab.plan import Door, Plan
from knockwatch.lab.views import views

SHOWN_PACKETS = 50
"""How many packets of a scan are listed."""
_SLACK_SECONDS = 0.1


class Labels:
    """The labels of a run so far; earlier plays into the same folder included."""

    def __init__(self, out: Path) -> None:
        self.out = out
        path = out / "labels.json"
        self.events: list[dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else []
        self.used = {source for event in self.events for source in event["src"]}

    def find(self, name: str) -> dict[str, Any] | None:
        """Find the label of an event that was played."""
        return next((event for event in self.events if event["id"] == name), None)

    def add(self, **facts: Any) -> None:
        """Add a label, instead of an earlier one of the same event."""
        facts["start_iso"], facts["end_iso"] = _iso(facts["start"]), _iso(facts["end"])
        self.events = [event for event in self.events if event["id"] != facts["id"]] + [facts]
        self._save()

    def observe(self, captures: Path) -> None:
        """Add to each label which first packets of its sources the captures have, and in which capture they are."""
        packets = {
            path: [packet for packet in read(path) if packet.asks] for path in sorted(captures.glob("*.pcap"))
        }
        for event in self.events:
            if "observed" in event:
                continue
            most: list[Packet] = []
            event["pcap"] = None
            for path, found in packets.items():
                those = [packet for packet in found if _of(packet, event)]
                if len(those) > len(most) or event["pcap"] is None:
                    most, event["pcap"] = those, str(path.relative_to(self.out))
            listed = most if event["kind"] in ("knock", "spa", "failed") else most[:SHOWN_PACKETS]
            event["observed"] = [[round(packet.time, 6), packet.source, packet.step] for packet in listed]
        self._save()

    def write(self, plan: Plan) -> None:
        """Write the doors and what each observer holds."""
        write_json(
            self.out / "doors.json", {name: described(plan, door) for name, door in plan.doors.items()}
        )
        write_json(self.out / "views.json", views(self.out, plan, self.events))

    def _save(self) -> None:
        """Write the labels, in one piece."""
        write_json(self.out / "labels.json", self.events)


def _of(packet: Packet, event: dict[str, Any]) -> bool:
    """Tell whether an event's source sent a packet before the entry was tried."""
    end = event.get("knock_end", event["end"])
    targets = event["dst"] if isinstance(event["dst"], list) else [event["dst"]]
    timely = event["start"] - _SLACK_SECONDS <= packet.time <= end + _SLACK_SECONDS
    return (
        timely
        and packet.source in event["src"]
        and packet.destination in targets
        and not _entry(packet, event)
    )


def _entry(packet: Packet, event: dict[str, Any]) -> bool:
    """Tell whether a packet is the entry itself, where that overlaps with the signal."""
    connect = event.get("connect")
    late = connect is not None and packet.time >= connect["time"] - _SLACK_SECONDS
    return late and connect is not None and packet.step == f"tcp/{connect['port']}"


def described(plan: Plan, door: Door) -> dict[str, Any]:
    """Describe a door as evaluation wants it; what has no fixed secret has none."""
    host = plan.hosts[door.host]
    facts: dict[str, Any] = {
        "destinations": [host.address(version) for version in door.versions],
        "service": door.service,
        "signal": door.signal,
        "secret": list(door.secret) if door.signal in ("sequence", "icmp") else None,
    }
    if door.payload:
        facts["payload"] = door.payload
    if door.opens_for == "all":
        facts["opens_for"] = "all"
    if door.action == "call":
        facts["calls_back"] = True
    return facts


def _iso(moment: float) -> str:
    """Write a time."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def write_json(path: Path, data: Any) -> None:
    """Write a JSON file at once, so that one that is interrupted leaves the last one."""
    beside = path.with_name(f".{path.name}")
    beside.write_text(json.dumps(data, indent=1) + "\n")
    beside.replace(path)
