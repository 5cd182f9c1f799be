"""The ground truth of emulated evidence: labels, doors and views, as `knockwatch evaluate` reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from knockwatch.emulation import Order
from knockwatch.emulation.estate import FIRST_BALANCER, FIRST_INSIDE_SERVER, FIRST_MONITOR, FIRST_SERVER
from knockwatch.emulation.planted import Planted
from knockwatch.emulation.stream import address_of
from knockwatch.evaluation.labels import DOORS, LABELS, OPENED, VIEWS
from knockwatch.lab.labels import described, write_json


def write(folder: Path, order: Order, planted: Planted, views: dict[str, list[str]]) -> None:
    """Write the ground truth beside the evidence.

    Parameters
    ----------
    folder
        Where the evidence is.
    order
        What was wanted.
    planted
        What was planted.
    views
        Names of observers, each with the patterns of its files; all hold every planted event.
    """
    labels = [*planted.labels, *(_machines(order) if order.background == "internet" else ())]
    for label in labels:
        label["start_iso"], label["end_iso"] = _iso(label["start"]), _iso(label["end"])
    write_json(folder / LABELS, labels)
    write_json(
        folder / DOORS, {name: described(planted.plan, door) for name, door in planted.plan.doors.items()}
    )
    signals = [label["id"] for label in planted.labels if label["kind"] in (*OPENED, "failed")]
    entries = [label["id"] for label in planted.labels if label["kind"] in OPENED]
    held = {name: {"files": files, "signal": signals, "entry": entries} for name, files in views.items()}
    write_json(folder / VIEWS, held)


def _machines(order: Order) -> list[dict[str, Any]]:
    """Label who asks regularly: monitors and load balancers; `dst` names the first of many."""
    machines = (
        ("monitors", "checks of several ports in a row", FIRST_MONITOR, 4, FIRST_SERVER),
        ("balancers", "checks and requests of load balancers", FIRST_BALANCER, 2, FIRST_INSIDE_SERVER),
    )
    start = order.start_us / 1e6
    return [
        {
            "id": name,
            "kind": "benign",
            "title": title,
            "door": None,
            "src": [address_of(first + number) for number in range(count)],
            "dst": [address_of(target)],
            "sequence": [],
            "start": start,
            "end": start + order.span_us / 1e6,
            "success": None,
            "connect": None,
        }
        for name, title, first, count, target in machines
    ]


def _iso(moment: float) -> str:
    """Write a time."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
