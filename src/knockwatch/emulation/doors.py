"""The doors that are planted: of the lab's kinds, made up anew, each site of them on servers of the emulated estate."""

from __future__ import annotations

import itertools
import random

from knockwatch.emulation import EmulationError, Order
from knockwatch.emulation.estate import FIRST_INSIDE_SERVER, FIRST_SERVER, Estate
from knockwatch.emulation.stream import address_of
from knockwatch.lab.data import load
from knockwatch.lab.plan import Door, Host, Plan
from knockwatch.lab.variants import at_random

LONGEST_SECRET = 8
INSIDE_EVERY = 5
"""One of so many sites of doors stands in the inside network, and is used from there."""


def doors_of(order: Order, estate: Estate, pick: random.Random) -> Plan:
    """Make up as many doors as wanted, each site of them on servers of its own."""
    lab = load()
    hosts: dict[str, Host] = {}
    doors: dict[str, Door] = {}
    free = iter(pick.sample(range(estate.servers), estate.servers))
    inside = iter(range(estate.inside_servers, 65_000))
    for site in itertools.count():
        made = at_random(lab, order.seed * 1_000 + site, longest=LONGEST_SECRET)
        peered = {door.peer for door in made.doors.values()}
        for door in made.doors.values():
            if len(doors) == order.doors:
                scanners = {name: host for name, host in lab.hosts.items() if name == "scanner"}
                return Plan({**scanners, **hosts}, doors, {}, lab.tools, order.seed)
            if door.signal != "sequence" or 4 not in door.versions or door.peer or door.name in peered:
                continue
            name = f"{door.host}x{site}"
            if name not in hosts:
                within = site % INSIDE_EVERY == INSIDE_EVERY - 1
                number = next(inside, None) if within else next(free, None)
                if number is None:
                    raise EmulationError(f"{order.doors} doors need more servers: ask for more --rows")
                first = FIRST_INSIDE_SERVER if within else FIRST_SERVER
                hosts[name] = made.hosts[door.host].model_copy(
                    update={"name": name, "addresses": (address_of(first + number),)}
                )
            renamed = f"{door.name} {site}"
            facts = {"name": renamed, "host": name, "versions": (4,)}
            doors[renamed] = door.model_copy(update=facts)
    raise AssertionError("sites are endless")
