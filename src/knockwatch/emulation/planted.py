"""What is planted: doors of the lab's kinds with new secrets, and who knocks at them; as rows and as labels."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from knockwatch.emulation import EmulationError, Order
from knockwatch.emulation.doors import doors_of
from knockwatch.emulation.estate import FIRST_SERVER, Estate
from knockwatch.emulation.rates import Rates
from knockwatch.emulation.stream import (
    ICMP,
    PLANTED_OCTET,
    SYN_BYTES,
    TCP,
    UDP,
    Rows,
    address_of,
    by_time,
    empty,
    number_of,
)
from knockwatch.lab.plan import Door, Event, Host, Plan, pool, port_of
from knockwatch.lab.sending import lines_of, spelt, steps_of
from knockwatch.lab.variants import SLOW_TOOLS, failure, scan, uses

USERS, ENTRIES, FAILURES = (3, 5), (2, 6), (1, 3)
"""How many users a door has, how often each enters, and how many tries of strangers fail: least and most."""
VISITORS = 0.4
"""Part of the users who are met at other servers' web pages, too."""
_SECOND = 1_000_000
_SLOT_US = 900 * _SECOND
_AT_ONCE_US = (80, 500)
"""Microseconds between packets of a tool that does not wait."""
_STORY_US = 150 * _SECOND
"""No story at a door lasts longer: the slowest secret and its entry."""
_EDGE = 0.02
"""Part of the time at either end in which nothing is planted, so that no story is cut."""
_PROTOCOLS = {"tcp": TCP, "udp": UDP, "icmp": ICMP}


Label = dict[str, Any]
"""What is true of an event, in the label format."""


@dataclass
class Planted:
    """What was planted.

    Parameters
    ----------
    plan
        The doors and the hosts that have them, with their addresses in the site.
    rows
        What went over the network, by time.
    labels
        What each of it was, in the label format.
    """

    plan: Plan
    rows: Rows
    labels: list[Label]


@dataclass(frozen=True)
class Site:
    """All that writers may know: the servers and their firewalls, and what was planted."""

    estate: Estate
    planted: Planted


@dataclass
class _Sowing:
    """Rows and labels that are being made."""

    order: Order
    rates: Rates
    estate: Estate
    pick: random.Random
    rows: list[tuple[int, str, str, int, int, int, bool, int, int]] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))


def plant(order: Order, rates: Rates, estate: Estate) -> Planted:
    """Make up doors and their use.

    Raises
    ------
    EmulationError
        If the time is too short, or the rows are too few, for the doors.
    """
    pick = random.Random(f"{order.seed} planted")  # noqa: S311
    sowing = _Sowing(order, rates, estate, pick)
    plan = doors_of(order, estate, pick)
    for door in plan.doors.values():
        _use(sowing, plan, door)
    for host in plan.hosts.values():
        _look(sowing, plan, host)
    rows = by_time(_as_rows(sowing.rows))
    if len(rows) > order.rows * rates.shares.noise * 0.8:
        raise EmulationError(
            f"{len(rows):,} rows of knocks do not hide in {order.rows:,}: ask for more --rows or fewer --doors"
        )
    labels = sorted(sowing.labels, key=lambda label: (label["start"], label["id"]))
    return Planted(plan, rows, labels)


def _use(sowing: _Sowing, plan: Plan, door: Door) -> None:
    """Let users enter several times, and strangers fail."""
    pick = sowing.pick
    users = [_address(plan, door, pick) for _ in range(pick.randint(*USERS))]
    acts = [
        (user, uses(plan, door, _name(sowing), pick)[0])
        for user in users
        for _ in range(pick.randint(*ENTRIES))
    ]
    for user in users:
        if pick.random() < VISITORS:
            _visit(sowing, user)
    failures = (failure(plan, door, _name(sowing), pick) for _ in range(pick.randint(*FAILURES)))
    acts += [(_address(plan, door, pick), event) for event in failures if event is not None]
    for (source, event), moment in zip(acts, _moments(sowing, len(acts)), strict=True):
        _act(sowing, plan, door, event, source, moment)


def _visit(sowing: _Sowing, source: str) -> None:
    """Let a user visit web servers as everybody does."""
    pick, servers = sowing.pick, sowing.estate.web_servers
    for moment in _moments(sowing, pick.randint(1, 3)):
        target = address_of(FIRST_SERVER + int(pick.choice(servers)))
        for _ in range(pick.randint(1, 6)):
            moment += pick.randrange(10 * _SECOND)  # noqa: PLW2901 - the visit goes on
            _send(sowing, moment, source, target, "tcp/443")


def _moments(sowing: _Sowing, count: int) -> list[int]:
    """Choose moments so far apart that no two stories at a door touch."""
    order = sowing.order
    margin = int(order.span_us * _EDGE)
    width = min(_SLOT_US, (order.span_us - 2 * margin) // (2 * count))
    if width < 2 * _STORY_US:
        raise EmulationError(
            f"{order.days:g} days are too short for {count} visits of a door: ask for more --days"
        )
    slots = sowing.pick.sample(range((order.span_us - 2 * margin) // width), count)
    # Anywhere in its slot: people do not come at equal times.
    return [
        order.start_us + margin + slot * width + sowing.pick.randrange(width - _STORY_US) for slot in slots
    ]


def _act(sowing: _Sowing, plan: Plan, door: Door, event: Event, source: str, moment: int) -> None:
    """Send what an event sends, try the door, and label it."""
    pick, target = sowing.pick, plan.hosts[door.host].address(4)
    start, observed = moment, []
    if event.kind != "failed" and pick.random() < 0.1:
        # Somebody who forgets to knock, is refused, and then remembers.
        _send(sowing, moment, source, target, door.service)
        moment += pick.randrange(5 * _SECOND, 20 * _SECOND)
        start = moment
    steps = steps_of(event, door)
    for number, step in enumerate(steps):
        moment += _pause(sowing, event) if number else 0
        _send(sowing, moment, source, target, step)
        observed.append([moment / _SECOND, source, step])
    knocked = moment
    moment += int(event.wait * _SECOND)
    opened = event.kind != "failed"
    entered = moment
    _send(sowing, moment, source, target, door.service, accepted=opened)
    for _ in range(pick.randint(0, 2) if opened else pick.randint(0, 1)):
        moment += pick.randrange(_SECOND, 2 * _SECOND)
        _send(sowing, moment, source, target, door.service, accepted=opened)
    _label(
        sowing,
        event,
        src=[source],
        dst=target,
        sequence=list(steps),
        gap=event.gap,
        start=start / _SECOND,
        knock_end=knocked / _SECOND,
        end=moment / _SECOND + 0.5,
        success=opened,
        connect={"port": door.port, "time": entered / _SECOND, "ok": opened},
        commands=[spelt(plan, event, door, line, source, target) for line in lines_of(plan, event, door)],
        observed=observed,
    )


def _look(sowing: _Sowing, plan: Plan, host: Host) -> None:
    """Let the authorised scanner, and a stranger, find a host's doors shut."""
    ports = sorted(
        {door.port for door in plan.doors_of(host.name)}
        | {door.port for door in plan.doors_of(host.name, installed="play")}
    )
    if not ports:
        return
    event = scan(host, _name(sowing), 4)
    authorised = pool(plan.hosts["scanner"].sources[0])[0]
    for source in (authorised, _stranger(sowing.pick)):
        begun = moment = _moments(sowing, 1)[0]
        observed = []
        for port in sowing.pick.sample(ports, len(ports)):
            moment += sowing.pick.randrange(200, 3_000)
            _send(sowing, moment, source, host.address(4), f"tcp/{port}")
            observed.append([moment / _SECOND, source, f"tcp/{port}"])
        _label(
            sowing,
            event.model_copy(update={"id": _name(sowing)}),
            src=[source],
            dst=host.address(4),
            sequence=[],
            start=begun / _SECOND,
            end=moment / _SECOND,
            success=None,
            connect=None,
            observed=observed,
        )


def _label(sowing: _Sowing, event: Event, **facts: Any) -> None:
    """Label an event."""
    sowing.labels.append(
        {
            "id": event.id,
            "kind": event.kind,
            "title": event.title,
            "tool": event.tool,
            "door": event.door,
            **facts,
        }
    )


def _send(
    sowing: _Sowing, moment: int, source: str, target: str, step: str, *, accepted: bool | None = None
) -> None:
    """Send one packet, or hold one session; what the server offers to everyone is accepted."""
    protocol, port = _PROTOCOLS[step.partition("/")[0]], port_of(step)
    number = number_of(target) - FIRST_SERVER
    if accepted is None:
        known = protocol == TCP and 0 <= number < sowing.estate.servers
        accepted = known and bool(sowing.estate.offers[number] & sowing.estate.bits[port])
    received = int(sowing.pick.lognormvariate(9.0, 1.0)) + 2_000 if accepted else 0
    sent = sowing.pick.randint(2_000, 9_000) if accepted else SYN_BYTES if protocol == TCP else 29
    source_port = sowing.pick.randint(32_768, 60_999)
    sowing.rows.append((moment, source, target, source_port, port, protocol, accepted, sent, received))


def _pause(sowing: _Sowing, event: Event) -> int:
    """Give the microseconds between two steps of an event."""
    slow = sowing.rates.tools.get(event.tool, 0.0)
    if event.tool in SLOW_TOOLS:
        slow *= sowing.pick.uniform(0.3, 1.0)
    pause = event.gap + slow
    return int(pause * _SECOND) + sowing.pick.randint(*_AT_ONCE_US)


def _name(sowing: _Sowing) -> str:
    """Give an event its id."""
    return f"e{next(sowing.numbers)}"


def _address(plan: Plan, door: Door, pick: random.Random) -> str:
    """Give somebody who knows of a door an address: an inside one where the door is inside."""
    if plan.hosts[door.host].address(4).startswith("10."):
        return f"10.16.{pick.randrange(256)}.{pick.randint(1, 254)}"
    return _stranger(pick)


def _stranger(pick: random.Random) -> str:
    """Give an address that the background does not have."""
    return f"{PLANTED_OCTET}.{pick.randrange(256)}.{pick.randrange(256)}.{pick.randint(1, 254)}"


def _as_rows(sent: list[tuple[int, str, str, int, int, int, bool, int, int]]) -> Rows:
    """Turn what was sent into rows."""
    rows = empty(len(sent))
    for number, (moment, source, target, *rest) in enumerate(sent):
        rows[number] = (moment, number_of(source), number_of(target), *rest)
    return rows
