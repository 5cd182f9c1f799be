"""Rule sets of iptables and ip6tables as `iptables-save` and `iptables -S` print them, to rules of the state machine.

Read are the matches that knock doors are made of: recent, set, pknock, tcp, udp, icmp, multiport, conntrack
(iptables-extensions(8), xtables-addons(8)).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from knockwatch.hoststate import ConfiguredDoor, Numbered, State
from knockwatch.hoststate.daemons import FWKNOPD
from knockwatch.hoststate.machine import doors_of
from knockwatch.hoststate.ruleset import Mark, Need, Rule, RuleSet, Verdict
from knockwatch.hoststate.words import address, ports, protocol, seconds

RULE = re.compile(r"^(?:\[\d+:\d+\] )?-[APNI] \S")
_OTHER = re.compile(
    r"^(?:\*[a-z]+$|:\S+ (?:ACCEPT|DROP|-)(?: \[\d+:\d+\])?|COMMIT$|# (?:Generated|Completed) )"
)
_COUNTERS = re.compile(r"^\[\d+:\d+\] | -c \d+ \d+(?= |$)")
_EXPIRES = re.compile(r"--comment \"?_exp_\d+")
"""What fwknopd writes beside a rule that lets a sender in (server/fw_util_iptables.c)."""
_ENTRANCES = frozenset({"INPUT", "FORWARD", "PREROUTING"})
_LETS_IN = {"filter": frozenset({"ACCEPT"}), "nat": frozenset({"DNAT", "REDIRECT"})}
_BLOCKS = frozenset({"DROP", "REJECT", "TARPIT"})
_ONLY_IPV6 = re.compile(r" (?:ipv6-icmp|icmpv6)\b|ip6tables|-[sd] [0-9a-f]*:")
_ONLY_IPV4 = re.compile(r" icmp\b|-[sd] \d+\.\d+\.\d+\.\d+")


def read(lines: Sequence[Numbered]) -> State:
    """Read rule sets, which may stand one after another; lines of other sorts are left alone."""
    state, blocks, table = State(), [_Block()], "filter"
    for number, text in lines:
        line = text.strip()
        if _OTHER.match(line):
            state.known.add(number)
            if line.startswith("*"):
                table = line[1:]
            if line.startswith("# Generated") and blocks[-1].rules.chains:
                blocks.append(_Block())
            blocks[-1].notice(f" {line}")
        elif RULE.match(line):
            state.known.add(number)
            # `iptables -S` begins with the policies: a policy a second time is a second rule set.
            if line.startswith("-P INPUT") and blocks[-1].begun:
                blocks.append(_Block())
            if not blocks[-1].add(number, line, table):
                state.misfits.append((number, text))
    for block in blocks:
        state.told(doors_of(block.rules))
        state.told(block.opened, FWKNOPD)
    return state


class _Block:
    """One rule set: of IPv4 or of IPv6."""

    def __init__(self) -> None:
        self.rules = RuleSet()
        self.begun = False
        self.opened: list[ConfiguredDoor] = []

    def notice(self, line: str) -> None:
        """Learn of which version of IP the rule set is."""
        if _ONLY_IPV6.search(line):
            self.rules.version = 6
        elif self.rules.version is None and _ONLY_IPV4.search(line):
            self.rules.version = 4

    def add(self, number: int, line: str, table: str) -> bool:
        """Add a rule; False where it cannot be read."""
        self.notice(line)
        self.begun = True
        if not _COUNTERS.sub("", line).startswith(("-A ", "-I ")):
            return True
        try:
            words = shlex.split(_COUNTERS.sub("", line))
        except ValueError:
            return False
        chain = f"{table} {words[1]}"
        if words[1] in _ENTRANCES and chain not in self.rules.entrances:
            self.rules.entrances.append(chain)
        if (rule := _rule(number, line, words[2:], table)) is not None:
            self.rules.chains[chain].append(rule)
            if words[1].startswith("FWKNOP_") and _EXPIRES.search(line) and len(rule.ports) == 1:
                service = f"{rule.protocol or 'tcp'}/{rule.ports[0]}"
                self.opened.append(ConfiguredDoor((), service, "spa", ((number, line),)))
        return True


def _rule(number: int, text: str, words: Sequence[str], table: str) -> Rule | None:
    """Read one rule; None where no new packet from outside can match it."""
    options = _options(words)
    said = {name: value for name, value, negated in options if not negated}
    states = said.get("--ctstate") or said.get("--state")
    if (states and "NEW" not in states) or said.get("-i") == "lo":
        return None
    target = said.get("-j") or said.get("--jump") or said.get("-g") or ""
    verdict: Verdict = "block" if target in _BLOCKS else "next"
    if target in _LETS_IN.get(table, ()):
        verdict = "accept"
    sought = next(
        (said[name] for name in ("--dport", "--dports", "--destination-port") if name in said), None
    )
    needs, gives = _marks(options)
    if target == "SET" and "--add-set" in said:
        gives = (*gives, (Mark(f"set {said['--add-set']}"), seconds(said.get("--timeout"))))
    return Rule(
        number,
        text,
        protocol(said.get("-p")) or ("icmp" if "--icmp-type" in said else None),
        ports(sought) or (),
        needs,
        gives,
        _knocked(said),
        verdict,
        f"{table} {target}" if target and verdict == "next" else None,
        address(said.get("-s")),
        address(said.get("-d")),
        "spa" if "--opensecret" in said else None,
    )


def _options(words: Sequence[str]) -> list[tuple[str, str, bool]]:
    """Pair options with their values, and tell which are negated; an option without a value has an empty one."""
    found = []
    for index, word in enumerate(words):
        if not word.startswith("-") or len(word) < 2 or word[1:2].isdigit():
            continue
        after = words[index + 1] if index + 1 < len(words) else ""
        value = "" if after.startswith("-") or after == "!" else after
        found.append((word, value, index > 0 and words[index - 1] == "!"))
    return found


def _marks(
    options: Sequence[tuple[str, str, bool]],
) -> tuple[tuple[Need, ...], tuple[tuple[Mark, int | None], ...]]:
    """Read what the `recent` and `set` matches of a rule ask for, and what they set."""
    needs: list[Need] = []
    gives: list[tuple[Mark, int | None]] = []
    for match in _matches(options):
        said = {name: (value, negated) for name, value, negated in match}
        name = said.get("--name", ("DEFAULT", False))[0]
        mark = Mark(f"recent {name}")
        for word in ("--rcheck", "--update"):
            if word in said and not said[word][1]:
                hits = said.get("--hitcount", ("", False))[0]
                times = min(int(hits), 32) if hits.isdecimal() and len(hits) < 4 else 1
                limit = seconds(said.get("--seconds", ("", False))[0])
                needs.append(Need(mark, limit, max(times, 1), "--rdest" not in said))
        if "--set" in said and not said["--set"][1]:
            gives.append((mark, None))
        if "--match-set" in said and not said["--match-set"][1]:
            index = match.index(("--match-set", said["--match-set"][0], False))
            needs.append(Need(Mark(f"set {match[index][1]}")))
    return tuple(needs), tuple(gives)


def _matches(options: Sequence[tuple[str, str, bool]]) -> list[list[tuple[str, str, bool]]]:
    """Part a rule's options by the matches (`-m`) they belong to."""
    found: list[list[tuple[str, str, bool]]] = [[]]
    for option in options:
        if option[0] in {"-m", "--match", "-j", "-g"}:
            found.append([])
        found[-1].append(option)
    return found


def _knocked(said: dict[str, str]) -> tuple[str, ...]:
    """Read the ports that xt_pknock (``--knockports``) or portkng (``--knock``) waits for."""
    wanted = ports(said.get("--knockports") or said.get("--knock")) or ()
    # pknock's own protocol is that of the rule unless a secret is used, which goes by UDP.
    return tuple(f"{'udp' if '--opensecret' in said else 'tcp'}/{port}" for port in wanted)
