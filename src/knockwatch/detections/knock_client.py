"""Programs that knock: knock, fwknop, hping3 and nping, wherever a process record shows them.

What a command line sends is read in `_client_commands`; who may run it is for the context to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ibis
import polars as pl

from knockwatch.config import Thresholds
from knockwatch.detections import Finding, Pointer, Rule, Signal
from knockwatch.detections._client_commands import CLIENTS, CRAFTERS, Sent, clients
from knockwatch.detections._kusto import dated, has_any, in_any_case

if TYPE_CHECKING:
    import ibis.expr.types as ir

LABEL = "KnockClientToolExecution"

_NAMES = ("knock", "knock.exe", "fwknop", "fwknop.exe")
_CRAFTER_NAMES = ("hping3", "hping3.exe", "nping")
_SYN_OPTIONS = ("--syn", "-S", "--tcp")
_TELLING_ARGUMENTS = ("--knock-port", "-knock", "/etc/knockd.conf", "knockd.conf")

_SIGNALS: Mapping[str, Signal] = {"knock": "sequence", "fwknop": "spa"}
_SAME_US = 2_000_000
"""How far records of one start may lie apart: a shell, its wrapper and the client itself, and doubled exports."""
_LONGEST_COMMAND = 8000
"""Characters of a command line that are read."""

RULE = Rule(
    id="knock-client",
    title="Knock client started",
    description=(
        "A process knocks: knock, fwknop, or hping3 and nping sending single packets; or a command line names a "
        "knock option or knockd's configuration."
    ),
    labels=(LABEL,),
    attack=("T1205.001",),
    data_sources=("Process: Process Creation",),
    tables=("processes",),
    false_positives=(
        "Administrators who knock at their own doors; declare them under [context] administrators.",
        "Developers and network engineers who test a firewall with hping3 or nping; declare them under developers.",
        "Packaging and configuration management that touch knockd.conf.",
    ),
    severity="high",
    confidence="medium",
    references=(
        "https://attack.mitre.org/techniques/T1205/001/",
        "https://github.com/jvinet/knock/blob/master/doc/knock.1.in",
        "https://github.com/mrash/fwknop",
    ),
    specification=True,
)


class KnockClient:
    """Finds programs that knock."""

    rule = RULE

    def specification(self, views: Mapping[str, ir.Table]) -> ir.Table:
        """Select the DeviceProcessEvents rows of the specification's third branch, with its columns."""
        events = views["DeviceProcessEvents"]
        command: Any = events.ProcessCommandLine
        crafted = in_any_case(events.FileName, _CRAFTER_NAMES) & has_any(command, _SYN_OPTIONS)
        rows = events.filter(
            dated(events.Timestamp),
            in_any_case(events.FileName, _NAMES) | crafted | has_any(command, _TELLING_ARGUMENTS),
        )
        return rows.select(
            "AccountName",
            "FileName",
            "ProcessCommandLine",
            "InitiatingProcessFileName",
            "InitiatingProcessCommandLine",
            TimeGenerated=rows.Timestamp,
            Computer=rows.DeviceName,
            DetectionBranch=ibis.literal(LABEL),
        ).relocate("TimeGenerated", "Computer")

    def candidates(self, tables: Mapping[str, ir.Table], thresholds: Thresholds) -> ir.Table:
        """Select processes whose image or command line names a client, an option or knockd's configuration."""
        del thresholds
        processes = tables["processes"]
        image: Any = processes.image
        command: Any = processes.command_line
        # A name that ends where another word begins; what it does there is read afterwards.
        named = rf"(?i)(?:^|[\s/\\\"'=;&|(])(?:{'|'.join(CLIENTS)})(?:\.exe)?(?:$|[\s\"';&|)])"
        wanted = (
            image.re_search(named).fill_null(False)  # noqa: FBT003 - Ibis takes the value alone
            | command.re_search(named).fill_null(False)  # noqa: FBT003
            | has_any(command, _TELLING_ARGUMENTS)
        )
        return processes.filter(wanted).select(
            "time_us",
            "file",
            "line",
            "host",
            "user",
            "image",
            command_line=command.substr(0, _LONGEST_COMMAND),
        )

    def findings(self, candidates: pl.DataFrame, thresholds: Thresholds) -> Iterator[Finding]:
        """Read what each client sends; records of one start, and starts that send one step each, become one finding."""
        told = [
            finding
            for row in candidates.sort("time_us", "file", "line").iter_rows(named=True)
            for finding in _of_process(row, thresholds)
        ]
        gap_us = int(thresholds.sequence_gap_seconds * 1_000_000)
        yield from _chained(_once(told), gap_us, thresholds.sequence_probes_max)


def _of_process(row: Mapping[str, Any], thresholds: Thresholds) -> Iterator[Finding]:
    """Tell what one process does."""
    command_line = row["command_line"] or row["image"] or ""
    sent = [one for one in clients(command_line, row["image"]) if _may_knock(one, thresholds)]
    for one in sent:
        yield _finding(row, command_line, one)
    if not sent and (arguments := _telling(command_line)):
        yield _finding(row, command_line, None, arguments)


def _may_knock(sent: Sent, thresholds: Thresholds) -> bool:
    """Tell whether a client may be knocking: a packet crafter that names no port, or very many, does other things."""
    if sent.tool not in CRAFTERS:
        return True
    return 0 < len(sent.steps) <= thresholds.sequence_probes_max


def _telling(command_line: str) -> str | None:
    """Give the first argument that speaks of knocking."""
    lower = command_line.lower()
    return next((text for text in ("knockd.conf", "--knock-port", "-knock") if text in lower), None)


def _finding(
    row: Mapping[str, Any], command_line: str, sent: Sent | None, argument: str | None = None
) -> Finding:
    """Make the finding of one process."""
    who = row["user"] or "someone"
    where = f" on {row['host']}" if row["host"] else ""
    if sent is None:
        note = f"{who}{where} ran a command that names {argument}."
    else:
        target = f" at {sent.target}" if sent.target else ""
        steps = f": {', '.join(sent.steps)}" if sent.steps else ""
        note = f"{who}{where} ran {sent.tool}{target}{steps}."
    return Finding(
        rule=RULE.id,
        label=LABEL,
        # Touching the daemon's configuration sends nothing.
        kind="client" if sent or argument != "knockd.conf" else "daemon",
        leg="signal" if sent else None,
        start_us=row["time_us"] or 0,
        end_us=row["time_us"] or 0,
        destination=sent.address if sent else None,
        host=row["host"],
        door=sent.door if sent else None,
        sequence=sent.steps if sent else (),
        signal=_SIGNALS.get(sent.tool) if sent else None,
        user=row["user"],
        command_line=command_line,
        note=note,
        pointers=(Pointer("processes", row["file"], row["line"], row["time_us"]),),
    )


def _once(told: Iterable[Finding]) -> Iterator[Finding]:
    """Join the findings, given by time, that tell of one start."""
    open_: dict[tuple[object, ...], Finding] = {}
    for finding in told:
        key = (finding.kind, finding.host, finding.destination, finding.sequence, finding.door, _aim(finding))
        known = open_.get(key)
        if known is None or finding.start_us - known.end_us > _SAME_US:
            if known is not None:
                yield known
            open_[key] = finding
            continue
        # The shorter command line is the client's own; the longer ones are what started it.
        own = min(known, finding, key=lambda one: len(one.command_line or ""))
        open_[key] = replace(
            own,
            start_us=known.start_us,
            end_us=finding.end_us,
            user=known.user or finding.user,
            pointers=(*known.pointers, *finding.pointers),
        )
    yield from open_.values()


def _chained(told: Iterable[Finding], gap_us: int, most: int) -> Iterator[Finding]:
    """Join starts that follow each other and send one step each to one target: hping3 is called once a port."""
    open_: dict[tuple[object, ...], Finding] = {}
    for finding in sorted(told, key=lambda finding: finding.start_us):
        tool = _aim(finding).partition(":")[0]
        key = (finding.host, finding.user, finding.destination, tool)
        if len(finding.sequence) != 1 or finding.signal == "spa" or finding.sequence == ("icmp",):
            yield finding
            continue
        known = open_.get(key)
        if known is None or finding.start_us - known.end_us > gap_us or len(known.sequence) >= most:
            if known is not None:
                yield known
            open_[key] = finding
            continue
        sequence = (*known.sequence, *finding.sequence)
        open_[key] = replace(
            known,
            end_us=finding.end_us,
            sequence=sequence,
            # Two starts within the record's finest unit have no order; sorting kept that of file and line.
            order_known=known.order_known and finding.start_us > known.end_us,
            note=f"{known.note.partition(':')[0].rstrip('.')}: {', '.join(sequence)}.",
            pointers=(*known.pointers, *finding.pointers),
        )
    yield from open_.values()


def _aim(finding: Finding) -> str:
    """Give what tells one start from another where nothing was sent to an address."""
    return finding.note.rpartition(" ran ")[2]


DETECTION = KnockClient()
