"""Reading a lab's hosts, doors and scenarios, and checking that they fit together; nothing is started here."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from knockwatch.lab import LabError
from knockwatch.lab.plan import Background, Door, Event, Host, Part, Plan, Scenario

Shape = TypeVar("Shape", bound=Part)


def load(*folders: Path) -> Plan:
    """Read the lab that is shipped, and the files of further folders like it.

    Raises
    ------
    LabError
        If a file is no TOML or does not say what it should.
    """
    roots = [Path(str(resources.files("knockwatch") / "content" / "lab")), *folders]
    hosts = {host.name: host for host in _all(roots, "hosts", Host)}
    doors = {door.name: door for door in _all(roots, "doors", Door)}
    scenarios = {scenario.name: scenario for scenario in _all(roots, "scenarios", Scenario)}
    tools: dict[str, dict[str, str]] = {}
    for root in roots:
        if (root / "tools.toml").is_file():
            tools |= _toml(root / "tools.toml")
    plan = Plan(hosts, doors, scenarios, tools)
    check(plan)
    return plan


def dump(plan: Plan) -> str:
    """Write a plan down."""
    parts = {
        name: {key: part.model_dump(mode="json") for key, part in getattr(plan, name).items()}
        for name in ("hosts", "doors", "scenarios")
    }
    return json.dumps({**parts, "tools": plan.tools, "seed": plan.seed}, indent=1)


def restore(text: str) -> Plan:
    """Read a plan that was written down."""
    data = json.loads(text)
    hosts = {name: Host.model_validate(part) for name, part in data["hosts"].items()}
    doors = {name: Door.model_validate(part) for name, part in data["doors"].items()}
    scenarios = {name: Scenario.model_validate(part) for name, part in data["scenarios"].items()}
    return Plan(hosts, doors, scenarios, data["tools"], data["seed"])


def check(plan: Plan) -> None:
    """Check that the parts of a lab fit together.

    Raises
    ------
    LabError
        If a door, an event or a background names what does not exist, or an id comes twice.
    """
    if [host.role for host in plan.hosts.values()].count("router") != 1:
        raise LabError("a lab has exactly one host whose role is router")
    for door in plan.doors.values():
        _known("door", door.name, "host", door.host, plan.hosts)
        if door.peer:
            _known("door", door.name, "peer", door.peer, plan.doors)
    seen: dict[str, str] = {}
    for scenario in plan.scenarios.values():
        parts: tuple[Event | Background, ...] = (*scenario.event, *scenario.background)
        for part in parts:
            if other := seen.get(part.id):
                raise LabError(f"scenario {scenario.name}: {part.id} is also in {other}")
            seen[part.id] = scenario.name
            _known("event", part.id, "by", part.by, plan.hosts)
        for event in scenario.event:
            _check_event(plan, event)


def _check_event(plan: Plan, event: Event) -> None:
    """Check what an event names."""
    if event.door:
        _known("event", event.id, "door", event.door, plan.doors)
        secret = plan.doors[event.door].secret
        if any(isinstance(item, int) and not 1 <= item <= len(secret) for item in event.send):
            raise LabError(f"event {event.id}: the secret of {event.door} has {len(secret)} steps")
    elif event.at is None:
        raise LabError(f"event {event.id}: name a door, or with `at` a host")
    else:
        _known("event", event.id, "at", event.at, plan.hosts)
    if not event.command:
        _known("event", event.id, "tool", event.tool, plan.tools)


def _known(what: str, name: str, key: str, value: str, among: dict[str, Any]) -> None:
    """Refuse a name that means nothing."""
    if value not in among:
        raise LabError(f"{what} {name}: {key} is {value!r}, which is none of {', '.join(among)}")


def _all(roots: list[Path], kind: str, shape: type[Shape]) -> Iterator[Shape]:
    """Read every file of a kind; the file's name is the default of `name`."""
    for root in roots:
        for path in sorted((root / kind).glob("*.toml")):
            data = {"name": path.stem, **_toml(path)}
            try:
                yield shape.model_validate(data)
            except ValidationError as error:
                faults = (
                    f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:5]
                )
                raise LabError("; ".join(faults), path=path) from error


def _toml(path: Path) -> dict[str, Any]:
    """Read a TOML file."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise LabError(f"is no TOML: {error}", path=path) from error
