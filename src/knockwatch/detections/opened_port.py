"""Ports that a host opened for everybody: new listeners, and rules that name no source. Evidence for a door's opening.

Hosts open ports all day, so on its own this makes no case; right at the use of a door at that port it is the opening.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from knockwatch.config import Thresholds
from knockwatch.detections import Finding, Pointer, Rule
from knockwatch.detections._firewall_commands import SHUTS
from knockwatch.detections._pairs import answered

if TYPE_CHECKING:
    import ibis.expr.types as ir

OPENED = "PortOpened"
"""Label of the findings."""
_LISTENER, _RULE = "listener-opened", "rule-added"
_NAMES = 200
"""Characters of a process's name that are shown."""

RULE = Rule(
    id="opened-port",
    title="Port opened for everybody",
    description=(
        "A process began to listen on a port, or a rule was added that lets everybody in at one. Where somebody had "
        "just sent a signal and then entered there, it is the opening of that door: an implant that starts a shell, "
        "or a rule that lets in more than who knocked."
    ),
    labels=(OPENED,),
    attack=("T1205.001", "T1205", "T1686"),
    data_sources=("Firewall: Firewall Rule Modification", "Process: OS API Execution"),
    tables=("changes", "connections"),
    false_positives=(
        "Services that start or restart; they make no case unless a door was used at that moment.",
    ),
    severity="medium",
    confidence="medium",
    references=(
        "https://attack.mitre.org/detectionstrategies/DET0302/",
        "https://attack.mitre.org/techniques/T1205/001/",
    ),
)


class OpenedPort:
    """Finds ports that were opened, of those that anybody then reached."""

    rule = RULE

    def candidates(self, tables: Mapping[str, ir.Table], thresholds: Thresholds) -> ir.Table:
        """Select dated listeners and rules for everybody, at ports where a session was answered."""
        del thresholds
        changes, connections = tables["changes"], tables["connections"]
        reached = connections.filter(answered(connections), connections.destination_port.notnull())
        reached = reached.select("protocol", port=reached.destination_port).distinct()
        rows = changes.filter(
            changes.kind.isin([_LISTENER, _RULE]),
            changes.time_us.notnull(),
            changes.port.notnull(),
            changes.source_ip.isnull(),
        )
        actor: Any = rows.actor
        text: Any = rows.rule_text
        rows = rows.filter((rows.kind == _LISTENER) | text.isnull() | ~text.re_search(SHUTS))
        rows = rows.mutate(protocol=rows.protocol.fill_null("tcp"), actor=actor.substr(0, _NAMES))
        return rows.semi_join(reached, ["protocol", "port"]).select(
            "time_us", "file", "line", "host", "kind", "actor", "user", "destination_ip", "protocol", "port"
        )

    def findings(self, candidates: pl.DataFrame, thresholds: Thresholds) -> Iterator[Finding]:
        """Make one finding of each."""
        del thresholds
        for row in candidates.sort("time_us", "file", "line").iter_rows(named=True):
            yield _finding(row)


def _finding(row: Mapping[str, Any]) -> Finding:
    """Tell of one port that was opened."""
    door = f"{row['protocol']}/{row['port']}"
    who = row["actor"] or "a process"
    did = (
        f"{who} began to listen on {door}"
        if row["kind"] == _LISTENER
        else f"{who} let everybody in at {door}"
    )
    return Finding(
        rule=RULE.id,
        label=OPENED,
        kind="change",
        leg="opening",
        start_us=row["time_us"],
        end_us=row["time_us"],
        host=row["host"],
        destination=row["destination_ip"],
        door=door,
        user=row["user"],
        note=f"{did} at that moment.",
        pointers=(Pointer("changes", row["file"], row["line"], row["time_us"]),),
    )


DETECTION = OpenedPort()
