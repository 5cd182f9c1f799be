"""Openings that a host shows: commands and rule changes that let somebody in, by whom they were made.

What a command opens is read in `_firewall_commands`, who calls it is judged in `_firewall_callers`; whether an entry
followed is for the cases to say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import ibis
import polars as pl

from knockwatch.config import Thresholds
from knockwatch.detections import Finding, Pointer, Rule
from knockwatch.detections._firewall_callers import BY_DAEMON, BY_SERVICE, FOR_ONE, ROLES, Role, role_of
from knockwatch.detections._firewall_commands import SHUTS, FirewallCommand, firewall_commands

if TYPE_CHECKING:
    import ibis.expr.types as ir

_LABELS: Mapping[Role, str] = {"daemon": BY_DAEMON, "service": BY_SERVICE}
_SAME_US = 2_000_000
"""How far records of one change may lie apart: a shell, a front end (ufw takes a second) and what it calls."""
_LONGEST_COMMAND = 8000
"""Characters of a command line that are read."""
_MEMBERS_MOST = 20
"""Additions to sets without a port by one kind of caller that may be openings; whoever adds more keeps a list."""
_NAMED = (
    r"(?i)(?:^|[\s/\\\"'=;&|(])"
    r"(?:ip6?tables(?:-nft|-legacy)?|nft|ufw|firewall-cmd|ipset|pfctl|netsh|(?:new|set)-netfirewallrule)"
    r"(?:\.exe)?(?:$|[\s\"';&|)])"
)
_SPECIFIC = r"(?i)\d+\.\d+\.\d+\.\d+|[0-9a-f]*:[0-9a-f:]*:[0-9a-f]|port|\d/(?:tcp|udp)"
"""An address or a port, without which a command opens nothing for anyone in particular."""
_OUTWARD = re.compile(r"\s(?:-[AI]|--append|--insert)\s+(?:OUTPUT|POSTROUTING)\b")

RULE = Rule(
    id="opening",
    title="Firewall opened for one address",
    description=(
        "A process lets one address in at one port, or adds it to a set with a timeout: what a knock daemon does "
        "after a complete signal. Right before an entry of that address it is the opening of a door. A rule made by "
        "a knock daemon proves the opening; one made by a web server or a program in /tmp is odd on its own."
    ),
    labels=(BY_DAEMON, BY_SERVICE, FOR_ONE),
    attack=("T1205.001", "T1205", "T1686"),
    data_sources=(
        "Firewall: Firewall Rule Modification",
        "Process: Process Creation",
        "Command: Command Execution",
    ),
    tables=("processes", "changes"),
    false_positives=(
        "An administrator or a script that lets a partner's address in by hand.",
        "A program that manages the firewall and that nobody has named to us yet.",
    ),
    severity="high",
    confidence="medium",
    references=(
        "https://attack.mitre.org/techniques/T1205/001/",
        "https://attack.mitre.org/detectionstrategies/DET0302/",
        "https://github.com/jvinet/knock/blob/master/doc/knockd.1.in",
    ),
)


@dataclass
class _Change:
    """One opening, while its records are gathered."""

    command: FirewallCommand
    host: str | None
    start_us: int
    end_us: int
    command_line: str
    user: str | None
    roles: dict[Role, str] = field(default_factory=dict)
    pointers: list[Pointer] = field(default_factory=list)

    @property
    def role(self) -> Role:
        """What kind of program made it: of all in the chain the most telling."""
        return min(self.roles, key=ROLES.index)


class Opening:
    """Finds changes of a firewall that let somebody in."""

    rule = RULE

    def candidates(self, tables: Mapping[str, ir.Table], thresholds: Thresholds) -> ir.Table:
        """Select processes and rule changes that name a firewall's tool and an address or a port, and rules for one."""
        del thresholds
        processes, changes = tables["processes"], tables["changes"]
        started = processes.mutate(
            table=ibis.literal("processes"),
            text=processes.command_line,
            parent=processes.parent_image,
            kind=ibis.null("string"),
            source_ip=ibis.null("string"),
            protocol=ibis.null("string"),
            port=ibis.null("int32"),
        )
        changed = changes.filter(changes.kind.isin(["rule-added", "rule-removed"])).mutate(
            table=ibis.literal("changes"),
            text=changes.rule_text,
            parent=changes.actor_parent,
            parent_command_line=ibis.null("string"),
        )
        columns = (
            "time_us",
            "file",
            "line",
            "host",
            "user",
            "table",
            "text",
            "parent",
            "parent_command_line",
            "kind",
            "source_ip",
            "protocol",
            "port",
        )
        rows = ibis.union(started.select(*columns), changed.select(*columns))
        text: Any = rows.text
        commanded = text.re_search(_NAMED) & text.re_search(_SPECIFIC)
        return rows.filter(commanded | rows.source_ip.notnull()).mutate(text=text.substr(0, _LONGEST_COMMAND))

    def findings(self, candidates: pl.DataFrame, thresholds: Thresholds) -> Iterator[Finding]:
        """Make one finding of each opening, without those of programs whose task it is."""
        del thresholds
        rows = candidates.drop_nulls("time_us").sort("time_us", "file", "line", "table")
        told = [change for change in _gathered(rows.iter_rows(named=True)) if _worth_telling(change)]
        added = Counter((change.host, change.role) for change in told if change.command.port is None)
        for change in told:
            listed = change.command.port is None and added[change.host, change.role] > _MEMBERS_MOST
            if change.role == "daemon" or not listed:
                yield _finding(change)


def _gathered(rows: Iterable[Mapping[str, Any]]) -> Iterator[_Change]:
    """Gather the records, given by time, that tell of one opening."""
    open_: dict[tuple[object, ...], _Change] = {}
    for row in rows:
        for command in _commands(row):
            if not command.opens or _OUTWARD.search(row["text"] or ""):
                continue
            key = (row["host"], command.source, command.door)
            known = open_.get(key)
            if known is None or row["time_us"] - known.end_us > _SAME_US:
                if known is not None:
                    yield known
                known = _Change(
                    command, row["host"], row["time_us"], row["time_us"], row["text"], row["user"]
                )
                open_[key] = known
            _add(known, row)
    yield from open_.values()


def _commands(row: Mapping[str, Any]) -> list[FirewallCommand]:
    """Read a record's command; a record of the firewall itself needs no words to say what it let in."""
    told = firewall_commands(row["text"] or "")
    lets_in = row["kind"] == "rule-added" and row["source_ip"] and not re.search(SHUTS, row["text"] or "")
    if told or not lets_in:
        return told
    rule = FirewallCommand("a new rule", adds=True, opens=True, source=row["source_ip"])
    return [replace(rule, protocol=row["protocol"], port=row["port"])]


def _add(change: _Change, row: Mapping[str, Any]) -> None:
    """Add a record."""
    change.end_us = max(change.end_us, row["time_us"])
    change.user = change.user or row["user"]
    caller = row["parent"] or (row["parent_command_line"] or "").partition(" ")[0]
    change.roles.setdefault(role_of(row["parent"], row["parent_command_line"]), caller)
    pointer = Pointer(row["table"], row["file"], row["line"], row["time_us"])
    if pointer not in change.pointers:
        change.pointers.append(pointer)


def _worth_telling(change: _Change) -> bool:
    """Tell whether it may be a door's opening: for one address, or by whom it is not expected of."""
    if change.role == "manager":
        return False
    if _alone(change.command.source):
        limited = change.command.port is not None or "timeout" in change.command_line.split()
        return limited or change.role in _LABELS
    return change.command.source is None and change.command.port is not None and change.role in _LABELS


def _alone(source: str | None) -> bool:
    """Tell whether a command is about one address, of another host."""
    return source is not None and "/" not in source and not ip_address(source).is_loopback


def _finding(change: _Change) -> Finding:
    """Tell of one opening."""
    source = change.command.source
    return Finding(
        rule=RULE.id,
        label=_LABELS.get(change.role, FOR_ONE),
        kind="change",
        leg="opening",
        start_us=change.start_us,
        end_us=change.end_us,
        sources=(source,) if source else (),
        host=change.host,
        door=change.command.door,
        conclusive=change.role == "daemon",
        user=change.user,
        command_line=change.command_line,
        note=_note(change),
        pointers=tuple(change.pointers),
    )


def _note(change: _Change) -> str:
    """Say who let whom in where."""
    caller = change.roles[change.role]
    by = {
        "daemon": f", started by the knock daemon {caller}",
        "service": f", started by {caller}, which has no business there",
        "stranger": f", started by {caller}, which is not known to manage firewalls",
        "shell": f", started from the shell {caller}",
    }.get(change.role, "")
    whom = change.command.source or "everyone"
    at = f" at {change.command.door}" if change.command.door else ""
    return f"A firewall command ({change.command.tool}) let {whom} in{at}{by}."


DETECTION = Opening()
