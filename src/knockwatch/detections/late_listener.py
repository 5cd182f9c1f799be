"""Listeners of odd processes: bound long after the boot by a shell or a service's child, or by a program that hides.

Only listeners whose process was looked at (`knockwatch host`) are judged; that something listens is no finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from knockwatch.config import Thresholds
from knockwatch.detections import UNTIMED_US, Finding, Pointer, Rule
from knockwatch.detections._firewall_callers import role_of
from knockwatch.hoststate.facts import ODDITIES, SEEN

if TYPE_CHECKING:
    import ibis.expr.types as ir

LABEL = "OddListener"
BOOT_SECONDS = 3600
"""After this the services of a boot run; what binds a port later was started by somebody or something."""
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "busybox"})

RULE = Rule(
    id="late-listener",
    title="Listener of an odd process",
    description=(
        "A process began to listen long after the boot and its parent is a shell or a service that starts no "
        "listeners, or it listens though its program was deleted, lies in memory or among temporary files, or bears "
        "another's name. A door may be a listener that a signal starts."
    ),
    labels=(LABEL,),
    attack=("T1205.001", "T1205"),
    data_sources=("Process: Process Metadata", "Network Traffic: Network Connection Creation"),
    tables=("changes",),
    false_positives=(
        "A server that somebody started by hand from a shell.",
        "A program that an update removed or moved while it ran.",
    ),
    severity="high",
    confidence="medium",
    references=(
        "https://attack.mitre.org/detectionstrategies/DET0302/",
        "https://attack.mitre.org/techniques/T1205/001/",
    ),
)


class LateListener:
    """Finds listeners of odd processes."""

    rule = RULE

    def candidates(self, tables: Mapping[str, ir.Table], thresholds: Thresholds) -> ir.Table:
        """Join listeners with what was seen of their processes."""
        del thresholds
        changes = tables["changes"]
        seen = changes.filter(changes.kind == SEEN).select(
            "host",
            "pid",
            "time_us",
            "file",
            "line",
            "actor",
            "actor_parent",
            "user",
            "rule_text",
            "seconds",
            facts=changes.name,
        )
        listeners = changes.filter(changes.kind == "listener-opened", changes.pid.notnull())
        listeners = listeners.select(
            "port",
            "protocol",
            "destination_ip",
            at_pid=listeners.pid,
            at_host=listeners.host,
            at_file=listeners.file,
            at_line=listeners.line,
        )
        same: Any = (seen.pid == listeners.at_pid) & seen.host.identical_to(listeners.at_host)
        return seen.join(listeners, same)

    def findings(self, candidates: pl.DataFrame, thresholds: Thresholds) -> Iterator[Finding]:
        """Make one finding of each odd process and port."""
        del thresholds
        by = ["host", "pid", "protocol", "port"]
        rows = candidates.sort(*by, "file", "line", "at_file", "at_line")
        for group in rows.partition_by(by, maintain_order=True):
            if finding := _finding(group.row(0, named=True), group):
                yield finding


def _finding(row: Mapping[str, Any], group: pl.DataFrame) -> Finding | None:
    """Judge one listener."""
    odd = {fact for fact in ODDITIES if fact in (row["facts"] or "").split()}
    role = role_of(row["actor_parent"], None)
    late = (row["seconds"] or 0) > BOOT_SECONDS and row["actor"] != row["actor_parent"]
    if not odd and not (late and role in {"shell", "service", "daemon"}):
        return None
    shell = row["actor"] in _SHELLS
    door = f"{row['protocol']}/{row['port']}"
    start_us = row["time_us"] or UNTIMED_US
    hours = f"{row['seconds'] / 3600:.0f} h after the boot" if late else "at boot"
    told = [
        f"{row['actor']} listens at {door}",
        f"it was started {hours} by {row['actor_parent'] or 'nobody seen'}",
    ]
    told += [words for fact, words in ODDITIES.items() if fact in odd]
    pairs = group.select("file", "line").rows() + group.select("at_file", "at_line").rows()
    return Finding(
        rule=RULE.id,
        label=LABEL,
        kind="change",
        leg="opening",
        start_us=start_us,
        end_us=start_us,
        destination=row["destination_ip"],
        host=row["host"],
        door=door,
        door_name=row["actor"],
        user=row["user"],
        command_line=row["rule_text"],
        facts=dict.fromkeys(odd, 1.0) | {"listens": 1.0, "shell": float(shell), "late": float(late)},
        note="; ".join(told) + ".",
        pointers=tuple(Pointer("changes", file, line) for file, line in dict.fromkeys(pairs)),
    )


DETECTION = LateListener()
