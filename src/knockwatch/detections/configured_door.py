"""Doors that a host's own configuration names: rule sets, knockd.conf, access.conf, and the filters of knock daemons.

What a configuration says was read by its source; here the lines of one door become one finding. Who used it is not
known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from knockwatch.config import Thresholds
from knockwatch.detections import UNTIMED_US, Finding, Pointer, Rule, Signal
from knockwatch.detections._firewall_commands import firewall_commands
from knockwatch.tables import CONFIGURED

if TYPE_CHECKING:
    import ibis.expr.types as ir

LABEL = "ConfiguredDoor"
_DOOR = (
    "file", "host", "actor", "name", "signal", "steps", "order_known", "seconds", "source_bound", "source_ip",
    "destination_ip", "ip_version", "protocol", "port",
)  # fmt: skip
"""What all lines of one door have in common."""
_LINES_MOST = 64
"""Lines of one door that are quoted."""
_LONGEST_LINE = 8000
"""Characters of a line that are read."""

RULE = Rule(
    id="configured-door",
    title="Door in a host's configuration",
    description=(
        "A firewall's rules, read as a state machine, or a knock daemon's configuration or packet filter open a "
        "service only to who sends a secret signal. The configuration names the secret exactly."
    ),
    labels=(LABEL,),
    attack=("T1205.001", "T1205", "T1205.002"),
    data_sources=("Firewall: Firewall Rule Modification", "Command: Command Execution"),
    tables=("changes",),
    false_positives=("A door of the site's own that nobody has named to us yet.",),
    severity="medium",
    confidence="high",
    references=(
        "https://attack.mitre.org/techniques/T1205/001/",
        "https://wiki.nftables.org/wiki-nftables/index.php/Port_knocking_example",
        "https://github.com/jvinet/knock/blob/master/doc/knockd.1.in",
    ),
)


class ConfiguredDoor:
    """Finds doors that configurations name."""

    rule = RULE

    def candidates(self, tables: Mapping[str, ir.Table], thresholds: Thresholds) -> ir.Table:
        """Select the lines that make doors."""
        del thresholds
        changes = tables["changes"]
        rows = changes.filter(changes.kind == CONFIGURED)
        text: Any = rows.rule_text
        return rows.select(*_DOOR, "line", rule_text=text.substr(0, _LONGEST_LINE))

    def findings(self, candidates: pl.DataFrame, thresholds: Thresholds) -> Iterator[Finding]:
        """Make one finding of the lines of each door; a signal that only closes a door is none."""
        del thresholds
        doors = candidates.sort("file", "line").group_by(_DOOR, maintain_order=True)
        for door in doors.agg("line", "rule_text").iter_rows(named=True):
            for service in _services(door):
                yield _finding(door, service)


def _services(door: Mapping[str, Any]) -> list[str | None]:
    """Tell what a door opens: as the source says, else as its commands do; nothing where they only close something."""
    if door["port"] is not None:
        return [f"{door['protocol'] or 'tcp'}/{door['port']}"]
    commands = [
        command
        for text in door["rule_text"]
        # Of a configuration's line the value is the command.
        for command in firewall_commands(text.partition("=")[2])
    ]
    if commands and not any(command.opens for command in commands):
        return []
    return list(dict.fromkeys(command.door for command in commands if command.opens)) or [None]


def _finding(door: Mapping[str, Any], service: str | None) -> Finding:
    """Tell of one door."""
    facts = {"configured": 1.0}
    for fact in ("seconds", "ip_version"):
        if door[fact] is not None:
            facts[fact] = float(door[fact])
    if door["source_bound"] is False:
        facts["for_all"] = 1.0
    return Finding(
        rule=RULE.id,
        label=LABEL,
        kind="door",
        leg=None,
        start_us=UNTIMED_US,
        end_us=UNTIMED_US,
        destination=door["destination_ip"],
        host=door["host"],
        door=service,
        door_name=door["name"],
        sequence=tuple((door["steps"] or "").split()),
        order_known=door["order_known"] is not False,
        signal=cast(Signal, door["signal"]),
        facts=facts,
        note=_note(door),
        pointers=tuple(Pointer("changes", door["file"], line) for line in door["line"][:_LINES_MOST]),
    )


def _note(door: Mapping[str, Any]) -> str:
    """Say who waits for the signal, how long, and whom it may come from."""
    who = f"{door['actor']} waits for it" if door["actor"] else "The firewall's own rules wait for it"
    named = f" under the name {door['name']}" if door["name"] else ""
    limit = f", {door['seconds']} s at most" if door["seconds"] else ""
    whom = f"; it must come from {door['source_ip']}" if door["source_ip"] else ""
    return f"{who}{named}{limit}{whom}."


DETECTION = ConfiguredDoor()
