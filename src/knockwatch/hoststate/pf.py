"""Rules of pf as pf.conf has them and `pfctl -s rules` prints them, to rules of the state machine (pf.conf(5)).

Read are tables that rules fill (``overload <table>``) and ask for (``from <table>``). What fills a table from
outside, as fwknopd and authpf do with anchors, is in no rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from knockwatch.hoststate import Numbered, State
from knockwatch.hoststate.machine import doors_of
from knockwatch.hoststate.ruleset import Mark, Need, Rule, RuleSet, Verdict
from knockwatch.hoststate.words import address, ports, protocol

RULE = re.compile(r"^(?:@\d+ )?(?:pass|block|match)(?: |$)")
SIGN = re.compile(
    r"^(?:@\d+ )?(?:pass|block|match)(?: (?:drop|return(?:-\w+)?))?"
    r"(?: (?:in|out|log|quick|on|all|inet6?|proto|from|to)\b|$)",
    re.MULTILINE,
)
"""What tells pf's rules from other lines that begin with such a word."""
_OTHER = re.compile(
    r"^(?:set |scrub |anchor |rdr |nat |binat |load anchor |table <|queue |altq |antispoof |include |\w+ ?= ?[\"{$\w])"
)
_MACRO = re.compile(r'^(\w+) ?= ?"?([^"]*)"?$')
_USED = re.compile(r"\$(\w+)")
_PROTOCOL = re.compile(r"\bproto (?:\{ ?)?([\w-]+)")
_PORTS = re.compile(r"\bport (?:= )?(\{[^}]*\}|[\w:-]+)")
_FROM = re.compile(r"\bfrom (! ?)?(?:<(\w[\w.-]*)>|([0-9a-fA-F.:/]+))")
_TO = re.compile(r"\bto (?:<\w[\w.-]*>|([0-9a-fA-F.:/]+))")
_OVERLOAD = re.compile(r"\boverload <(\w[\w.-]*)>")
_RATE = re.compile(r"\bmax-src-conn-rate (\d{1,4})/(\d{1,6})")


def read(lines: Sequence[Numbered]) -> State:
    """Read rules; lines of other sorts are left alone."""
    state, rules, macros = State(), RuleSet(entrances=["in"]), dict[str, str]()
    for numbers, text in _whole(lines):
        line = text.partition("#")[0].strip()
        if macro := _MACRO.match(line):
            macros[macro[1]] = macro[2]
        if RULE.match(line):
            said = _USED.sub(lambda used: macros.get(used[1], used[0]), line)
            rules.chains["in"].append(_rule(numbers[0], line, said))
        elif not (_OTHER.match(line) or not line):
            continue
        state.known.update(numbers)
    if not rules.chains:
        # Settings of that shape are in many files.
        return State()
    return state.told(doors_of(rules))


def _whole(lines: Sequence[Numbered]) -> Iterator[tuple[list[int], str]]:
    """Join lines that a backslash continues."""
    numbers: list[int] = []
    text = ""
    for number, line in lines:
        numbers.append(number)
        text = f"{text} {line.strip()}".strip()
        if text.endswith("\\") and len(text) < 10_000:
            text = text[:-1]
            continue
        yield numbers, text
        numbers, text = [], ""
    if numbers:
        yield numbers, text


def _rule(number: int, text: str, said: str) -> Rule:
    """Read one rule. A table is filled when more than the rate's number of connections came."""
    asked, sought, named, to = (
        _FROM.search(said),
        _PORTS.search(said),
        _PROTOCOL.search(said),
        _TO.search(said),
    )
    rate = _RATE.search(said)
    words = said.split()
    # A port before `to` is the source's.
    wanted = (
        ports(sought[1]) if sought and (not to or sought.start() > to.start() or " to " not in said) else ()
    )
    needs: tuple[Need, ...] = ()
    if asked and asked[2] and not asked[1]:
        needs = (Need(Mark(asked[2])),)
    filled = _OVERLOAD.search(said)
    verdict: Verdict = "block" if "block" in words[:2] else "accept" if "pass" in words[:2] else "next"
    gives = ((Mark(filled[1]), int(rate[2]) if rate else None),) if filled else ()
    return Rule(
        number,
        text,
        protocol(named[1] if named else None),
        wanted or (),
        needs,
        gives,
        # A rule that goes out lets nobody in.
        verdict="next" if "out" in words[:3] else verdict,
        source=address(asked[3]) if asked and asked[3] and not asked[1] else None,
        destination=address(to[1]) if to and to[1] else None,
    )
