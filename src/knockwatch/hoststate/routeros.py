"""Firewall rules of MikroTik RouterOS as `/ip firewall filter export` prints them, to rules of the state machine.

Read are address lists that rules fill (``add-src-to-address-list``) and ask for (``src-address-list``), and jumps.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from knockwatch.hoststate import Numbered, State
from knockwatch.hoststate.machine import doors_of
from knockwatch.hoststate.ruleset import Mark, Need, Rule, RuleSet, Verdict
from knockwatch.hoststate.words import address, ports, protocol, seconds

MENU = re.compile(r"^/(?:ip|ipv6)[ /]firewall[ /](filter|nat|raw|mangle)\b[ /]?(.*)$")
HEADER = re.compile(r"^# .* by RouterOS \d|^# (?:software id|model|serial number) ?=")
_LETS_IN = {"filter": frozenset({"accept"}), "nat": frozenset({"dst-nat", "redirect", "netmap"})}
_BLOCKS = frozenset({"drop", "reject", "tarpit"})
_ENTRANCES = frozenset({"input", "forward", "prerouting", "dstnat"})


def read(lines: Sequence[Numbered]) -> State:
    """Read an export; menus other than the firewall's are left alone."""
    state, sets = State(), {4: RuleSet(version=4), 6: RuleSet(version=6)}
    menu: str | None = None
    version = 4
    for numbers, text in _whole(lines):
        line = text.strip()
        if line.startswith("/"):
            found = MENU.match(line)
            menu = found[1] if found else None
            version = 6 if line.startswith("/ipv6") else 4
            line = found[2].strip() if found else ""
            state.known.update(numbers)
        # What stands in other menus is of no rule, but it is an export's.
        if HEADER.match(line) or (state.known and line.startswith(("add ", "set ", "/"))):
            state.known.update(numbers)
        if menu is None or not line.startswith("add "):
            continue
        state.known.update(numbers)
        try:
            words = shlex.split(line)[1:]
        except ValueError:
            state.misfits.append((numbers[0], text))
            continue
        said = dict(word.split("=", 1) for word in words if "=" in word)
        chain = f"{menu} {said.get('chain', '')}"
        if said.get("chain") in _ENTRANCES and chain not in sets[version].entrances:
            sets[version].entrances.append(chain)
        if rule := _rule(numbers[0], line, said, menu):
            sets[version].chains[chain].append(rule)
    for rules in sets.values():
        state.told(doors_of(rules))
    return state


def _whole(lines: Sequence[Numbered]) -> Iterator[tuple[list[int], str]]:
    """Join lines that a backslash continues; the blanks at the begin of the next are no part of the text."""
    numbers: list[int] = []
    text = ""
    for number, line in lines:
        numbers.append(number)
        text += line.strip() if text else line.rstrip()
        if text.endswith("\\") and len(text) < 10_000:
            text = text[:-1]
            continue
        yield numbers, text
        numbers, text = [], ""
    if numbers:
        yield numbers, text


def _rule(number: int, text: str, said: dict[str, str], menu: str) -> Rule | None:
    """Read one rule; None where no new packet from outside can match it."""
    states = said.get("connection-state", "new")
    if said.get("disabled") == "yes" or ("new" not in states and not states.startswith("!")):
        return None
    action = said.get("action", "accept")
    asked = said.get("src-address-list", "!")
    gives: tuple[tuple[Mark, int | None], ...] = ()
    if action in {"add-src-to-address-list", "add-dst-to-address-list"}:
        gives = ((Mark(said.get("address-list", "")), seconds(said.get("address-list-timeout"))),)
    verdict: Verdict = "block" if action in _BLOCKS else "next"
    if action in _LETS_IN.get(menu, ()):
        verdict = "accept"
    wanted = said.get("dst-port", "!")
    return Rule(
        number,
        text,
        protocol(said.get("protocol")),
        (ports(wanted) or ()) if not wanted.startswith("!") else (),
        () if asked.startswith("!") else (Need(Mark(asked)),),
        gives,
        verdict=verdict,
        jump=f"{menu} {said.get('jump-target', '')}" if action == "jump" else None,
        source=address(said.get("src-address")),
        destination=address(said.get("dst-address")),
    )
