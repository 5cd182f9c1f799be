"""Rule sets of nftables as `nft list ruleset` prints them, to rules of the state machine (nft(8)).

Read are dynamic sets that rules fill (``add @set { ip saddr timeout 10s }``) and ask for (``ip saddr @set``), with
further keys such as a port, jumps, and verdicts. What `xt match` hides of iptables' own rules stays hidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from knockwatch.hoststate import Numbered, State
from knockwatch.hoststate.machine import doors_of
from knockwatch.hoststate.ruleset import ANY, Mark, Need, Rule, RuleSet, Verdict
from knockwatch.hoststate.words import address, ports, protocol, seconds

LONGEST_RULE = 4096
"""Characters of a rule that are read: what is longer lists addresses."""
TABLE = re.compile(r"^table (?:(ip|ip6|inet|arp|bridge|netdev) )?(\S+) \{")
_BEGINS = re.compile(r"^(chain|set|map|flowtable|counter|quota|limit|ct \w+)\b ?(\S*) \{")
_HOOK = re.compile(r"\btype (filter|nat|route) hook (input|prerouting|forward|ingress|output|postrouting)\b")
_DEFINE = re.compile(r"^define (\w+) ?= ?(.+)$")
_PORTS = re.compile(r"\b(tcp|udp|th|sctp) dport (\{[^}]*\}|[\w-]+)")
_PROTOCOL = re.compile(
    r"\b(?:meta l4proto|ip protocol|ip6 nexthdr) ([\w-]+)|\b(icmp|icmpv6) (?:type|code|id)\b"
)
_FIELD = r"(?:ip6?|ether|tcp|udp|th|meta|icmp|@\w+,\d+,\d+) ?(?:saddr|daddr|dport|sport|l4proto|mark|id)?"
_ASKS = re.compile(rf"((?:{_FIELD})(?: \. (?:{_FIELD}|\w+))*) (!= ?)?@(\w[\w.-]*)")
_ADDS = re.compile(r"\b(?:add|update) @(\w[\w.-]*) \{ ?([^}]*)\}|\bset (?:add|update) ([^@]*)@(\w[\w.-]*)")
_LASTS = re.compile(r"\btimeout ([\dsmhdw]+)")
_JUMP = re.compile(r"\b(?:jump|goto) (\S+)")
_OLD_CONNECTION = re.compile(r"\bct state (?!\S*\bnew\b|\{[^}]*\bnew\b|!=)")
_LOOPBACK = re.compile(r"\biif(?:name)? \"?lo\b")
_DEFINED = re.compile(r"\$(\w+)")
_BLOCKS = re.compile(r"\b(?:drop|reject)\b")
_SIDE = re.compile(r"\b(ip6?) (saddr|daddr) ([0-9a-fA-F.:/]+)\b")
_LETS_IN = re.compile(r"\b(?:accept|redirect|dnat)\b")


@dataclass
class _Table:
    """One table while it is read: its rules, and how long members of its sets last."""

    family: str
    rules: RuleSet = field(default_factory=RuleSet)
    lasts: dict[str, int] = field(default_factory=dict)
    inside: tuple[str, str] | None = None
    depth: int = 0


def read(lines: Sequence[Numbered]) -> State:
    """Read rule sets; lines outside of tables are left alone."""
    state, defined = State(), dict[str, str]()
    table: _Table | None = None
    for number, text in lines:
        line = text.partition(" # handle ")[0].strip()
        if table is None:
            named = _DEFINE.match(line)
            if named:
                defined[named[1]] = named[2]
            begun = TABLE.match(line)
            if begun or named or line == "flush ruleset":
                state.known.add(number)
            if not begun:
                continue
            table = _Table(begun[1] or "ip")
            table.rules.version = {"ip": 4, "ip6": 6}.get(table.family)
            line = line[begun.end() - 1 :]
        state.known.add(number)
        if not line.startswith("#"):
            _take(table, number, _DEFINED.sub(lambda name: defined.get(name[1], name[0]), line))
        if table.depth <= 0:
            state.told(doors_of(table.rules))
            table = None
    if table is not None:
        # The text breaks off within a table: what stands before is told.
        state.told(doors_of(table.rules))
    return state


def _take(table: _Table, number: int, line: str) -> None:
    """Take in a line of a table: the begin or end of a chain or set, its properties, a rule."""
    begun = _BEGINS.match(line) if table.depth == 1 else None
    if begun:
        table.inside = (begun[1], begun[2])
    if table.inside is not None:
        body = line[begun.end() :] if begun else line
        for statement in body.split(";"):
            _say(table, table.inside, number, statement.strip())
    table.depth += line.count("{") - line.count("}")
    if table.depth <= 1:
        table.inside = None


def _say(table: _Table, inside: tuple[str, str], number: int, statement: str) -> None:
    """Take in one statement of a chain or set."""
    kind, name = inside
    if kind == "set":
        if statement.startswith("timeout ") and (lasts := seconds(statement[8:])):
            table.lasts[name] = lasts
    elif kind == "chain" and statement not in {"", "}"}:
        statement = statement[:LONGEST_RULE]
        hook = _HOOK.search(statement)
        if hook is None:
            if rule := _rule(number, statement, table.lasts):
                table.rules.chains[name].append(rule)
        elif hook[2] not in {"output", "postrouting"}:
            table.rules.entrances.append(name)


def _rule(number: int, text: str, lasts: Mapping[str, int]) -> Rule | None:
    """Read one rule; None where no new packet from outside can match it."""
    if _OLD_CONNECTION.search(text) or _LOOPBACK.search(text) or text.startswith("policy "):
        return None
    told = _PORTS.search(text)
    named = _PROTOCOL.search(text)
    carried = told[1] if told and told[1] != "th" else None
    wanted = (ports(told[2]) or ()) if told else ()
    sides = {which: (version, address(at)) for version, which, at in _SIDE.findall(text)}
    needs, gives = tuple(_needs(text, wanted)), tuple(_gives(text, lasts))
    verdict: Verdict = "accept" if _LETS_IN.search(text) else "block" if _BLOCKS.search(text) else "next"
    jump = _JUMP.search(text)
    return Rule(
        number,
        text,
        protocol(carried or (named and (named[1] or named[2]))),
        wanted,
        needs,
        gives,
        verdict=verdict,
        jump=jump[1] if jump else None,
        source=sides.get("saddr", ("", None))[1],
        destination=sides.get("daddr", ("", None))[1],
        version=_version(text),
    )


def _needs(text: str, wanted: tuple[str, ...]) -> Iterator[Need]:
    """Read the sets that must hold the packet's source, or whatever they are keyed by."""
    for asked, negated, name in _ASKS.findall(_ADDS.sub("", text)):
        if negated:
            continue
        fields = [part.strip() for part in asked.split(" . ")]
        if not any(part.endswith(("saddr", "daddr")) for part in fields):
            continue
        bound = any(part.endswith("saddr") for part in fields)
        keys = ["" if part.endswith(("saddr", "daddr")) else _key(part, wanted) for part in fields]
        yield Need(Mark(name, "".join(keys)), bound=bound)


def _gives(text: str, lasts: Mapping[str, int]) -> Iterator[tuple[Mark, int | None]]:
    """Read the sets that the packet's source, or whatever they are keyed by, is added to."""
    for name, member, old_member, old_name in _ADDS.findall(text):
        added, into = member or old_member, name or old_name
        limit = _LASTS.search(added)
        fields = [part.split() for part in added.partition(" timeout ")[0].split(" . ")]
        if not any(part and part[-1] in {"saddr", "daddr"} for part in fields):
            continue
        keys = ["" if part[-1] in {"saddr", "daddr"} else _key(part[-1], ()) for part in fields if part]
        yield Mark(into, "".join(keys)), seconds(limit[1]) if limit else lasts.get(into)


def _key(part: str, wanted: tuple[str, ...]) -> str:
    """Give what a further field of a key is: a fixed port, the packet's own, or any."""
    if part.endswith("dport"):
        return wanted[0] if len(wanted) == 1 else ANY
    fixed = ports(part)
    return fixed[0] if fixed else ANY


def _version(text: str) -> int | None:
    """Tell the version of IP that a rule matches alone."""
    if re.search(r"\bip6 |\bicmpv6 |ipv6-icmp", text):
        return 6
    return 4 if re.search(r"\bip [sd]addr|\bicmp (?:type|code)", text) else None
