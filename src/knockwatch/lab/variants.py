"""Labs made up at random from a seed: doors, secrets, addresses, timing, decoys and noise; the same seed, the same lab.

Hosts and kinds of doors are those of the data; everything that a detection could have learnt by heart is new.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from knockwatch.lab.data import check
from knockwatch.lab.plan import Background, Door, Event, Host, Plan, Scenario, port_of

NAME = "random"
"""What the made-up scenario is called."""
NOISE_SECONDS = 30
LONGEST = 6
"""Steps of the longest secret that is made up, unless another number is asked for."""
_MIXED = frozenset({"knockd"})
"""Kinds of doors whose secrets mix TCP and UDP."""
_STRICT = frozenset({"recent"})
"""Kinds of doors that decoys shut again."""
# Without nc: it waits a second, in which the kernel sends its SYN again on a busy machine, and that shuts a door.
_TCP_TOOLS = ("knock", "bash", "hping3", "nping", "nmap", "python")
_MIXED_TOOLS = ("knock", "hping3", "nping")
SLOW_TOOLS = frozenset({"nmap", "nping", "hping3"})
SLOW_SECONDS = 1.6
"""What these take for a step."""
_V6_TOOLS = ("knock", "bash")


def at_random(plan: Plan, seed: int, *, longest: int = LONGEST) -> Plan:
    """Make a lab up: the hosts and kinds of doors of a plan, and one scenario; secrets have `longest` steps at most."""
    pick = random.Random(seed)  # noqa: S311
    hosts = _hosts(plan, pick)
    taken = {port for host in hosts.values() for port in (*host.web, *host.ssh, *host.edge_drops)}
    doors = {door.name: _door(door, pick, taken, longest) for door in plan.doors.values()}
    hosts = {name: _listening(host, doors.values()) for name, host in hosts.items()}
    made = Plan(hosts, doors, {}, plan.tools, seed)
    scenarios = {NAME: _scenario(made, pick)}
    made = Plan(hosts, doors, scenarios, plan.tools, seed)
    check(made)
    return made


def _hosts(plan: Plan, pick: random.Random) -> dict[str, Host]:
    """Give servers other addresses, and clients other ones to act from."""
    hosts = {}
    numbers = pick.sample(range(10, 251), len(plan.hosts))
    for (name, host), number in zip(plan.hosts.items(), numbers, strict=True):
        if host.role == "server":
            addresses: tuple[str, ...] = (f"203.0.113.{number}", f"2001:db8:5::{number:x}")
            sources = addresses[:1] if host.sources else ()
            hosts[name] = host.model_copy(update={"addresses": addresses, "sources": sources})
        elif name == "attacker":
            first = pick.randint(5, 20)
            sources = (f"198.18.7.{first}-{first + 60}", f"2001:db8:c::{number:x}-{number + 32:x}")
            hosts[name] = host.model_copy(
                update={"sources": sources, "standing": (f"198.18.7.{first + 61}-249",)}
            )
        else:
            hosts[name] = host
    return hosts


def _listening(host: Host, doors: Iterable[Door]) -> Host:
    """Let a host's sshd listen where its doors are."""
    ports = {door.port for door in doors if door.host == host.name and door.serves == "ssh"}
    return host.model_copy(update={"ssh": tuple(sorted(ports))})


def _door(door: Door, pick: random.Random, taken: set[int], longest: int) -> Door:
    """Give a door another secret, service and patience; how it works stays."""
    new: dict[str, object] = {
        "service": f"tcp/{_port(pick, taken)}",
        "secret": _secret(door, pick, taken, longest),
    }
    if door.signal == "spa":
        new["secret"] = door.secret
    if door.payload:
        new["payload"] = f"word-{pick.getrandbits(40):010x}"
    if door.lengths:
        new["lengths"] = tuple(pick.sample(range(100, 400), len(door.lengths)))
    within = {"within_seconds": pick.choice((10, 15, 25, 40))}
    return door.model_copy(update={**new, **within})


def _port(pick: random.Random, taken: set[int]) -> int:
    """Take a port that nothing has."""
    port = pick.choice(
        [number for number in (pick.randint(1024, 65000) for _ in range(50)) if number not in taken]
    )
    taken.add(port)
    return port


def _secret(door: Door, pick: random.Random, taken: set[int], longest: int) -> tuple[str, ...]:
    """Make up what opens a door: as long as its kind allows."""
    if door.secret[0] == "icmp":
        return door.secret
    if door.signal != "sequence":
        return (f"{door.secret[0].partition('/')[0]}/{_port(pick, taken)}",)
    length = pick.randint(3, longest)
    # A path whose firewall is in iptables' recent match, nftables' sets or SYN order knows TCP only.
    udp = door.kind in _MIXED and not door.syslog
    protocols = [pick.choice(("tcp", "udp")) if udp else "tcp" for _ in range(length)]
    return tuple(f"{protocol}/{_port(pick, taken)}" for protocol in protocols)


def _scenario(plan: Plan, pick: random.Random) -> Scenario:
    """Make up what is played: every door twice, failures, shut doors, noise, in any order but for what must follow."""
    first, second = [], []
    for number, door in enumerate(plan.doors.values()):
        if any(other.peer == door.name for other in plan.doors.values()):
            continue
        first += uses(plan, door, f"r{number}a", pick)
        second += uses(plan, door, f"r{number}b", pick)
    failures = [failure(plan, door, f"f{number}", pick) for number, door in enumerate(plan.doors.values())]
    wanted = [event for event in failures if event is not None]
    failed = pick.sample(wanted, min(6, len(wanted)))
    doored = [(host, version) for host in plan.hosts.values() for version in _versions(plan, host)]
    scans = [scan(host, f"s{host.name}{version}", version) for host, version in doored]
    groups = [[*_grouped(first, pick)], [*failed, *scans], [*_grouped(second, pick)]]
    events = tuple(event for group in groups for event in group)
    noise = _noise(plan, pick)
    return Scenario(
        name=NAME, title=f"made up from {plan.seed}", seconds=NOISE_SECONDS, background=noise, event=events
    )


def _grouped(events: list[Event], pick: random.Random) -> list[Event]:
    """Shuffle events, each with what happens during it."""
    heads = [event for event in events if not event.during]
    pick.shuffle(heads)
    return [event for head in heads for event in (head, *(one for one in events if one.during == head.id))]


def _versions(plan: Plan, host: Host) -> list[int]:
    """List the IP versions that a host has doors for."""
    return sorted(
        {version for door in plan.doors.values() if door.host == host.name for version in door.versions}
    )


def uses(plan: Plan, door: Door, name: str, pick: random.Random) -> list[Event]:
    """Make up one use of a door, and what happens by itself during it."""
    peer = plan.doors.get(door.peer)
    version = pick.choice(door.versions)
    tool, send = _tool(door, version, pick), _with_decoys(door, pick)
    steps = len(send or door.secret)
    if tool in SLOW_TOOLS and steps * SLOW_SECONDS > door.within_seconds:
        tool = "knock"
    left = max(0.0, door.within_seconds * 0.7 - (steps * SLOW_SECONDS if tool in SLOW_TOOLS else 0))
    gap = pick.choice((0.0, 0.0, pick.uniform(0.05, 0.4), pick.uniform(0.4, 1.5)))
    event = Event(
        id=name,
        kind="spa" if door.signal == "spa" else "knock",
        title=f"use of {door.name}",
        by=plan.doors[door.peer].host if peer else pick.choice(("admin", "attacker")),
        door=door.name,
        tool=tool,
        send=send,
        gap=round(min(gap, left / steps), 2),
        wait=1.5 if peer or door.host == "srv3" else round(pick.uniform(0.6, 1.5), 2),
        version=version,
    )
    if peer is None:
        return [event]
    answer = Event(
        id=f"{name}x",
        kind="knock",
        title=f"use of {peer.name}",
        by=door.host,
        door=peer.name,
        during=event.id,
    )
    return [event, answer]


def _tool(door: Door, version: int, pick: random.Random) -> str:
    """Choose what sends a signal."""
    if door.signal == "spa":
        return "fwknop"
    if door.lengths:
        return "nping-size"
    if door.payload:
        return "hping3-payload"
    if version == 6:
        return pick.choice(_V6_TOOLS)
    return pick.choice(_TCP_TOOLS if all(step.startswith("tcp") for step in door.secret) else _MIXED_TOOLS)


def _with_decoys(door: Door, pick: random.Random) -> tuple[int | str, ...]:
    """Put ports that mean nothing between the steps, where the door does not mind; nothing stands for the secret."""
    if door.signal != "sequence" or door.kind in _STRICT or pick.random() < 0.6:
        return ()
    steps: list[int | str] = list(range(1, len(door.secret) + 1))
    for _ in range(pick.randint(1, 3)):
        steps.insert(pick.randint(0, len(steps)), f"tcp/{_unused(door, pick)}")
    return tuple(steps)


def _unused(door: Door, pick: random.Random) -> int:
    """Take a port that is no step of a door."""
    own = {port_of(step) for step in door.secret} | {door.port}
    return pick.choice([port for port in (pick.randint(1024, 65000) for _ in range(40)) if port not in own])


def failure(plan: Plan, door: Door, name: str, pick: random.Random) -> Event | None:
    """Make up an attempt that must fail, or none where there is no telling."""
    if any(other.peer == door.name for other in plan.doors.values()) or door.peer or door.signal == "spa":
        return None
    count = len(door.secret)
    send: tuple[int | str, ...] = ()
    payload = None
    if door.payload:
        payload = "no word at all"
    elif door.lengths:
        return None
    else:
        wrong: Sequence[tuple[int | str, ...]] = (
            (*range(1, count), f"tcp/{_unused(door, pick)}"),
            tuple(range(count, 0, -1)),
            (1, *range(3, count + 1)),
        )
        send = pick.choice(wrong)
    version = pick.choice(door.versions)
    return Event(
        id=name,
        kind="failed",
        title=f"wrong at {door.name}",
        by="attacker",
        door=door.name,
        tool=_tool(door, version, pick),
        send=send,
        gap=round(pick.uniform(0, 0.3), 2),
        payload=payload,
        version=version,
        # A door that opens for all is still open from whoever knocked rightly just before.
        pause=door.open_seconds + 1 if door.opens_for == "all" else 0,
    )


def scan(host: Host, name: str, version: int) -> Event:
    """Let the authorised scanner find a host's doors shut."""
    return Event(
        id=name,
        kind="scan",
        title=f"nmap of the doors of {host.name}",
        by="scanner",
        at=host.name,
        tool="nmap",
        command="nmap {six}-n -Pn --max-retries 0 -p {door_ports} {dst}",
        version=6 if version == 6 else 4,
    )


def _noise(plan: Plan, pick: random.Random) -> tuple[Background, ...]:
    """Make up the noise: random SYNs from many, at any rate."""
    servers = tuple(
        host.name for host in plan.hosts.values() if host.role == "server" and host.firewall != "open"
    )
    return (
        Background(
            id="noise",
            kind="noise",
            title="random SYNs",
            by="attacker",
            sources=plan.hosts["attacker"].standing[0],
            traffic=f"syns {{seconds}} {pick.randint(60, 250)}",
            at=servers,
        ),
    )
