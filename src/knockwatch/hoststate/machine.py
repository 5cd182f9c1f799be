"""A rule set as a state machine: which packets, in which order, make it let something in; it reads no dialect.

A rule marks a packet's source (a `recent` list, a dynamic set, an address list), asks for a mark, or lets a packet
in. Walking all ways through the chains gives, for each mark, the packets that set it and the marks these need; a
door is a way that lets in and needs a mark that rules set.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from knockwatch.hoststate import ConfiguredDoor, Numbered, signal_of
from knockwatch.hoststate.ruleset import ANY, Mark, Need, Rule, RuleSet

DEEPEST = 16
"""Chains within chains that are followed: the kernel allows 16 for nftables (NFT_JUMP_STACK_SIZE)."""
MOST_WAYS = 50_000
"""Ways through the chains that are looked at: a rule set may be made to have more than anybody can walk."""
MOST_DOORS = 200
"""Doors of one rule set."""
MOST_SIGNALS = 16
"""Signals that are told of one mark."""
MOST_QUESTIONS = 20_000
"""Questions what sets a mark: marks that need each other in all ways would ask without end."""
LONGEST = 64
"""Steps of a signal; knockd allows 32."""


@dataclass(frozen=True)
class _Way:
    """One way of a packet through the chains: the conditions so far, and the lines that make them."""

    protocol: str | None = None
    ports: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    knocked: tuple[str, ...] = ()
    lines: tuple[Numbered, ...] = ()
    source: str | None = None
    destination: str | None = None
    signal: str | None = None
    version: int | None = None

    def through(self, rule: Rule) -> _Way | None:
        """Add a rule's conditions; None where no packet meets them all."""
        if self.protocol and rule.protocol and self.protocol != rule.protocol:
            return None
        if self.version and rule.version and self.version != rule.version:
            return None
        ports = rule.ports or self.ports
        if self.ports and rule.ports:
            ports = tuple(port for port in self.ports if port in rule.ports)
            if not ports:
                return None
        return _Way(
            self.protocol or rule.protocol,
            ports,
            self.needs + tuple(need for need in rule.needs if need not in self.needs),
            self.knocked + rule.knocked,
            (*self.lines, (rule.line, rule.text)),
            self.source or rule.source,
            self.destination or rule.destination,
            self.signal or rule.signal,
            self.version or rule.version,
        )

    @property
    def step(self) -> str:
        """The packet, as a step of a signal."""
        if not self.ports or (self.protocol or "").startswith("icmp"):
            return "icmp" if (self.protocol or "").startswith("icmp") else self.protocol or "any"
        return f"{self.protocol or 'tcp'}/{','.join(self.ports)}"


@dataclass(frozen=True)
class _Signal:
    """What sets a mark: the steps and how soon each must follow, the lines, whether the marks are the sender's."""

    steps: tuple[str, ...] = ()
    seconds: tuple[int, ...] = ()
    lines: tuple[Numbered, ...] = ()
    bound: bool = True
    key: str = ""
    signal: str | None = None
    destination: str | None = None
    version: int | None = None


def doors_of(rules: RuleSet) -> list[ConfiguredDoor]:
    """Find the doors of a rule set, each once, in the order of their lines."""
    marking, letting_in = _ways(rules)
    machine = _Machine(marking)
    found: dict[tuple[object, ...], ConfiguredDoor] = {}
    for way in letting_in:
        for door in machine.doors(way):
            told = replace(door, version=door.version or rules.version)
            key = (told.steps, told.service, told.source, told.destination, told.version)
            known = found.get(key)
            if known is None or len(told.lines) < len(known.lines):
                found[key] = told
        if len(found) >= MOST_DOORS:
            break
    return sorted(found.values(), key=lambda door: (door.lines, door.service or ""))


def _ways(rules: RuleSet) -> tuple[dict[str, list[tuple[Mark, int | None, _Way]]], list[_Way]]:
    """Walk the chains: the ways that set a mark, by the mark's name, and those that let in and need something."""
    marking: dict[str, list[tuple[Mark, int | None, _Way]]] = defaultdict(list)
    letting_in: list[_Way] = []
    of_interest = _of_interest(rules.chains)
    for way, rule in islice(_walk(rules, of_interest), MOST_WAYS):
        for mark, seconds in rule.gives:
            marking[mark.name].append((mark, seconds, way))
        # A rule that lets a step through to set the next mark is a step and no door.
        step = {mark for mark, _ in rule.gives} - {need.mark for need in rule.needs}
        if rule.verdict == "accept" and (way.needs or way.knocked) and not step:
            letting_in.append(way)
    return marking, letting_in


def _walk(rules: RuleSet, of_interest: set[str]) -> Iterator[tuple[_Way, Rule]]:
    """Yield each way to each rule that sets a mark or lets in, with the rule."""
    waiting = [(name, _Way(), 0) for name in reversed(rules.entrances)]
    steps = 0
    while waiting:
        name, before, depth = waiting.pop()
        for rule in rules.chains.get(name, ()):
            steps += 1
            if steps > MOST_WAYS * 10:
                return
            way = before.through(rule)
            if way is None:
                continue
            if rule.gives or rule.verdict == "accept":
                yield way, rule
            # A chain without marks matters only behind a rule that asked for one.
            wanted = rule.jump in of_interest or bool(way.needs or way.knocked)
            if rule.jump and wanted and depth < DEEPEST:
                waiting.append((rule.jump, way, depth + 1))


def _of_interest(chains: Mapping[str, Sequence[Rule]]) -> set[str]:
    """Find the chains that set or ask for marks, or lead to such."""
    found = {
        name
        for name, rules in chains.items()
        if any(rule.needs or rule.gives or rule.knocked for rule in rules)
    }
    leading: dict[str, set[str]] = defaultdict(set)
    for name, rules in chains.items():
        for rule in rules:
            if rule.jump:
                leading[rule.jump].add(name)
    waiting = list(found)
    while waiting:
        new = leading[waiting.pop()] - found
        found |= new
        waiting += new
    return found


class _Machine:
    """Works out what must be sent for a mark to be set."""

    def __init__(self, marking: Mapping[str, list[tuple[Mark, int | None, _Way]]]) -> None:
        self._marking = marking
        self._known: dict[tuple[Need, frozenset[str]], list[_Signal]] = {}
        self._asked = 0

    def doors(self, way: _Way) -> Iterator[ConfiguredDoor]:
        """Give the doors that a way which lets in makes: one for each signal and service."""
        for signal in self._sent(way, frozenset())[:MOST_SIGNALS]:
            ports: tuple[str | None, ...] = way.ports
            if not ports:
                ports = (signal.key,) if signal.key.isdecimal() else (None,)
            for port in ports:
                number = port if port and port.isdecimal() else None
                service = f"{way.protocol or 'tcp'}/{number}" if number else None
                if port and not number:
                    continue
                # A source that is let in because it came before to the same port is a rate limit or an affinity.
                if not signal.steps or set(signal.steps) == {service}:
                    continue
                yield ConfiguredDoor(
                    signal.steps,
                    service,
                    signal.signal or way.signal or signal_of(signal.steps),
                    _in_order((*signal.lines, *way.lines)),
                    seconds=min(signal.seconds, default=None),
                    source_bound=signal.bound,
                    source=way.source,
                    destination=way.destination or signal.destination,
                    version=way.version or signal.version,
                )

    def _sent(self, way: _Way, above: frozenset[str]) -> list[_Signal]:
        """Give what must have been sent before a packet can go a way."""
        found = [_Signal(way.knocked)]
        for need in way.needs:
            ways = self._setting(need, above)
            found = [_joined(one, other) for one in found for other in ways][:MOST_SIGNALS]
        return found

    def _setting(self, need: Need, above: frozenset[str]) -> list[_Signal]:
        """Give the signals that set a mark; none where it needs itself."""
        label = f"{need.mark.name} {need.mark.key}"
        if label in above or len(above) > LONGEST:
            return []
        known = self._known.get((need, above))
        if known is not None:
            return known
        self._asked += 1
        if self._asked > MOST_QUESTIONS:
            return []
        found: dict[tuple[str, ...], _Signal] = {}
        for mark, seconds, way in self._marking.get(need.mark.name, ()):
            if ANY not in (mark.key, need.mark.key) and mark.key != need.mark.key:
                continue
            for before in self._sent(way, above | {label}):
                limits = [limit for limit in (need.seconds, seconds) if limit is not None]
                told = _Signal(
                    before.steps + (way.step,) * need.times,
                    (*before.seconds, *limits),
                    (*before.lines, *way.lines),
                    before.bound and need.bound,
                    mark.key,
                    before.signal or way.signal,
                    before.destination or way.destination,
                    before.version or way.version,
                )
                if len(told.lines) < len(found.get(told.steps, _LONG).lines):
                    found[told.steps] = told
        shortest = sorted(found.values(), key=lambda signal: len(signal.steps))[:MOST_SIGNALS]
        self._known[need, above] = shortest
        return shortest


_LONG = _Signal(lines=tuple((number, "") for number in range(10_000)))


def _joined(one: _Signal, other: _Signal) -> _Signal:
    """Join two signals that are both asked for: one that begins with the other holds it."""
    steps = one.steps + other.steps
    for longer, shorter in ((one.steps, other.steps), (other.steps, one.steps)):
        if longer[: len(shorter)] == shorter:
            steps = longer
            break
    return _Signal(
        steps,
        one.seconds + other.seconds,
        one.lines + other.lines,
        one.bound and other.bound,
        other.key or one.key,
        one.signal or other.signal,
        one.destination or other.destination,
        one.version or other.version,
    )


def _in_order(lines: Iterable[Numbered]) -> tuple[Numbered, ...]:
    """Give lines in their order, each once."""
    return tuple(sorted(set(lines)))
