"""The ground truth of emulated evidence: labels, doors and views, as `knockwatch evaluate` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from knockwatch.emulation import Order
from knockwatch.emulation.estate import FIRST_BALANCER, FIRST_INSIDE_SERVER, FIRST_MONITOR, FIRST_SERVER
from knockwatch.emulation.planted import Site
from knockwatch.emulation.stream import address_of
from knockwatch.emulation.writers import Writer
from knockwatch.evaluation.labels import DOORS, LABELS, OPENED, VIEWS
from knockwatch.lab.labels import described, write_json


def write(folder: Path, order: Order, site: Site, writers: Sequence[Writer]) -> None:
    """Write the ground truth beside the evidence.

    Parameters
    ----------
    folder
        Where the evidence is.
    order
        What was wanted.
    site
        The site, and what was planted there.
    writers
        The formats, each of which is an observer.
    """
    planted = site.planted
    labels = [*planted.labels, *(_machines(order) if order.background == "internet" else ())]
    for label in labels:
        label["start_iso"], label["end_iso"] = _iso(label["start"]), _iso(label["end"])
    write_json(folder / LABELS, labels)
    write_json(
        folder / DOORS, {name: described(planted.plan, door) for name, door in planted.plan.doors.items()}
    )
    write_json(folder / VIEWS, {writer.name: _view(writer, site) for writer in writers})


def _view(writer: Writer, site: Site) -> dict[str, Any]:
    """Say what an observer holds."""
    acts = [label for label in site.planted.labels if label["kind"] in (*OPENED, "failed")]
    return {
        "files": [f"{writer.name}/*{writer.suffix}"],
        "signal": [label["id"] for label in acts if writer.signals(label, site)],
        "entry": [label["id"] for label in acts if label["success"] and writer.entries(label, site)],
    }


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
