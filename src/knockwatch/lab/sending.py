"""What is sent in the lab: the command lines of an event's tool, filled in, and the addresses they come from."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from knockwatch.lab import LabError
from knockwatch.lab.fixtures import fixture
from knockwatch.lab.journal import STATE
from knockwatch.lab.network import use_source
from knockwatch.lab.plan import Door, Event, Host, Plan, pool, port_of

ENTRY_SECONDS = 3
"""How long an entry is tried."""
_PAYLOAD = "payload"
_HEADER_BYTES = 28
"""IP and ICMP headers of a ping."""


@dataclass(frozen=True)
class Line:
    """A command line that is not filled in yet, the step it sends, and the size of a ping's data."""

    text: str
    step: str = ""
    size: int = 56


def steps_of(event: Event, door: Door | None) -> tuple[str, ...]:
    """Write out what an event sends: numbers are steps of the door's secret."""
    secret = door.secret if door else ()
    return tuple(secret[item - 1] if isinstance(item, int) else item for item in event.send or secret)


def lines_of(plan: Plan, event: Event, door: Door | None) -> list[Line]:
    """List the command lines that send an event.

    Raises
    ------
    LabError
        If its tool cannot send one of the steps.
    """
    steps = steps_of(event, door)
    if event.command:
        return [Line(event.command, steps[0] if len(steps) == 1 else "")]
    tool = plan.tools[event.tool]
    if "all" in tool and event.gap < 1 and not event.spread:
        return [Line(tool["all"])]
    lines = []
    for number, step in enumerate(steps):
        protocol = step.partition("/")[0]
        if protocol not in tool:
            raise LabError(f"event {event.id}: {event.tool} sends no {protocol}")
        sized = door is not None and number < len(door.lengths)
        size = door.lengths[number] - _HEADER_BYTES if door and sized else 56
        lines.append(Line(tool[protocol], step, size))
    return lines


def filled(
    plan: Plan, event: Event, door: Door | None, line: Line, source: str, target: str, replayed: str
) -> str:
    """Fill a command line in; the payload is also written to the file that it may name."""
    (STATE / _PAYLOAD).write_text(_payload(event, door))
    return spelt(plan, event, door, line, source, target, replayed)


def spelt(
    plan: Plan, event: Event, door: Door | None, line: Line, source: str, target: str, replayed: str = ""
) -> str:
    """Fill a command line in, and leave the machine alone."""
    payload = _payload(event, door)
    at = plan.aim(event).name
    return line.text.format(
        src=source,
        dst=target,
        port=port_of(line.step),
        size=line.size,
        steps=" ".join(f"{port_of(step)}:{step.partition('/')[0]}" for step in steps_of(event, door)),
        gap_ms=round(event.gap * 1000),
        six="-6 " if event.version == 6 else "",
        payload=payload,
        payload_file=STATE / _PAYLOAD,
        payload_length=len(payload.encode()),
        door_ports=",".join(str(one.port) for one in plan.doors.values() if one.host == at),
        run=STATE,
        replayed=replayed,
    )


def _payload(event: Event, door: Door | None) -> str:
    """Give what an event's packet carries: its own payload, else the door's."""
    return event.payload if event.payload is not None else door.payload if door else ""


class Sources:
    """Which address each host acts from next; most are used once, so that events can be told apart."""

    def __init__(self, plan: Plan, used: set[str]) -> None:
        self.used = used
        self._turns = {host.name: itertools.cycle(_all(host)) for host in plan.hosts.values() if host.reuse}

    def take(self, host: Host, version: int) -> str:
        """Take a host's next address, and let it send from there.

        Raises
        ------
        LabError
            If it has no fresh one left.
        """
        able = [source for source in _all(host) if (":" in source) == (version == 6)]
        if host.reuse:
            source = next(one for one in self._turns[host.name] if one in able)
        elif fresh := [one for one in able if one not in self.used]:
            source = fresh[0]
        else:
            raise LabError(f"host {host.name} has no fresh IPv{version} address left: add some to its file")
        self.used.add(source)
        use_source(host, source)
        return source


def _all(host: Host) -> list[str]:
    """List the addresses a host acts from."""
    return [address for text in host.sources for address in pool(text)]


def way_in(door: Door, target: str) -> list[str]:
    """Give the command that succeeds if a door is open."""
    if door.serves == "echo":
        return list(fixture("echo", "call", target, str(door.port), str(ENTRY_SECONDS)))
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes"]
    options.append(f"ConnectTimeout={ENTRY_SECONDS}")
    words = [word for option in options for word in ("-o", option)]
    key = str(STATE / "client_key")
    return ["ssh", "-F", "none", "-i", key, "-p", str(door.port), *words, f"root@{target}", "true"]
