"""Programs that knock: knock, fwknop, hping3 and nping, and general tools that touch several ports in a row.

What a command line sends is read in `_client_commands` and `_port_touches`; who may run it is for the context to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import ibis
import polars as pl

from knockwatch.config import Thresholds
from knockwatch.detections import Finding, Pointer, Rule, Signal
from knockwatch.detections._client_commands import CLIENTS, CRAFTERS, Sent, clients
from knockwatch.detections._kusto import dated, has_any, in_any_case
from knockwatch.detections._port_touches import ENTERS, TOOLS
from knockwatch.detections._touch_runs import ENTERED, FEWEST, PAUSE_TIMES, PAUSE_US, TOUCHED, Run, runs

if TYPE_CHECKING:
    import ibis.expr.types as ir

LABEL = "KnockClientToolExecution"

_NAMES = ("knock", "knock.exe", "fwknop", "fwknop.exe")
_CRAFTER_NAMES = ("hping3", "hping3.exe", "nping")
_SYN_OPTIONS = ("--syn", "-S", "--tcp")
_TELLING_ARGUMENTS = ("--knock-port", "-knock", "/etc/knockd.conf", "knockd.conf")

_SIGNALS: Mapping[str, Signal] = {"knock": "sequence", "fwknop": "spa"}
_WHOLE = frozenset({"spa", "magic-packet"})
"""Signals of one packet, which is no step of a sequence."""
_SAME_US = 2_000_000
"""How far records of one start may lie apart: a shell, its wrapper and the client itself, and doubled exports."""
_LONGEST_COMMAND = 8000
"""Characters of a command line that are read."""

RULE = Rule(
    id="knock-client",
    title="Knock client started",
    description=(
        "A process knocks: knock, fwknop, or hping3 and nping sending single packets; or a command line names a "
        "knock option or knockd's configuration; or general tools (nc, socat, nmap, curl, /dev/tcp, PowerShell, "
        "Python) touch several ports of one host in a row, which alone is a lead, and before a log-in there an alert."
    ),
    labels=(LABEL, TOUCHED, ENTERED),
    attack=("T1205.001",),
    data_sources=("Process: Process Creation",),
    tables=("processes",),
    false_positives=(
        "Administrators who knock at their own doors; declare them under [context] administrators.",
        "Developers and network engineers who test a firewall with hping3 or nping; declare them under developers.",
        "Packaging and configuration management that touch knockd.conf.",
        "Checks of ports that no common service has.",
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
        named = _named(CLIENTS)
        wanted = (
            image.re_search(named).fill_null(False)  # noqa: FBT003 - Ibis takes the value alone
            | command.re_search(named).fill_null(False)  # noqa: FBT003
            | has_any(command, _TELLING_ARGUMENTS)
        )
        touching = _touching(image, command)
        hosts = processes.filter(touching).select(named=processes.host.fill_null("")).distinct()
        enters = image.re_search(_named(ENTERS)) | command.re_search(_named(ENTERS))
        entering = ibis.coalesce(enters, ibis.literal(value=False)) & processes.host.fill_null("").isin(
            hosts.named
        )
        return processes.filter(wanted | touching | entering).select(
            "time_us",
            "file",
            "line",
            "host",
            "user",
            "image",
            "parent_image",
            "parent_command_line",
            command_line=command.substr(0, _LONGEST_COMMAND),
        )

    def findings(self, candidates: pl.DataFrame, thresholds: Thresholds) -> Iterator[Finding]:
        """Read what each client sends; records of one start, and starts that send one step each, become one finding."""
        rows = candidates.sort("time_us", "file", "line").rows(named=True)
        told = [finding for row in rows for finding in _of_process(row, thresholds)]
        gap_us = int(thresholds.sequence_gap_seconds * 1_000_000)
        yield from _chained(_once(told), gap_us, thresholds.sequence_probes_max)
        yield from map(_of_run, runs(rows, thresholds))


def _named(names: Iterable[str]) -> str:
    """Write a pattern for programs' names, each ending where another word begins."""
    return rf"(?i)(?:^|[\s/\\\"'=;&|(])(?:{'|'.join(sorted(names))})(?:\.exe)?(?:$|[\s\"';&|)])"


def _touching(image: Any, command: Any) -> Any:
    """Select processes that may touch ports by a general tool; what they do is read afterwards."""
    plain = [name for name in TOOLS if name not in {"curl", "wget"}]
    patterns = (
        _named(plain),
        r"(?i)(?:curl|wget)\b.*:\d{2,5}",
        r"/dev/(?:tcp|udp)/",
        r"(?i)test-netconnection|\btnc\b|sockets\.(?:tcp|udp)client|portknock",
        r"(?i)(?:powershell|pwsh)\S*\s.*\s[-/]e(?:c|nc\w*)?\s+[A-Za-z0-9+/=]{24}",
        r"(?i)python[\d.]*\S*\s.*-c\b.*(?:socket|scapy)",
    )
    no = ibis.literal(value=False)
    found = ibis.coalesce(image.re_search(_named(plain)), no)
    for pattern in patterns:
        found |= ibis.coalesce(command.re_search(pattern), no)
    return found


def _of_run(run: Run) -> Finding:
    """Make the finding of a run of touches."""
    row = run.row
    who = row["user"] or "someone"
    where = f" on {row['host']}" if row["host"] else ""
    entered = run.entered and not run.monitor
    then = ", and logged in there at once" if entered else ""
    return Finding(
        rule=RULE.id,
        label=ENTERED if entered else TOUCHED,
        kind="client",
        leg="signal",
        start_us=run.start_us,
        end_us=run.end_us,
        destination=run.address,
        host=row["host"],
        sequence=tuple(run.steps),
        order_known=run.order_known,
        signal="sequence",
        user=row["user"],
        command_line=run.texts[0],
        note=f"{who}{where} touched {', '.join(run.steps)} of {run.target} with {', '.join(run.tools)}{then}.",
        pointers=tuple(dict.fromkeys(run.pointers)),
    )


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
        sources=(sent.source,) if sent and sent.source else (),
        destination=sent.address if sent else None,
        host=row["host"],
        door=sent.door if sent else None,
        sequence=sent.steps if sent else (),
        signal=_signal(sent),
        user=row["user"],
        command_line=command_line,
        note=note,
        pointers=(Pointer("processes", row["file"], row["line"], row["time_us"]),),
    )


def _signal(sent: Sent | None) -> Signal | None:
    """Say what kind of signal a client sends; a packet with a payload of its own is one by itself."""
    if sent is None:
        return None
    return "magic-packet" if sent.payload and len(sent.steps) == 1 else _SIGNALS.get(sent.tool)


def _once(told: Iterable[Finding]) -> Iterator[Finding]:
    """Join the findings, given by time, that tell of one start."""
    open_: dict[tuple[object, ...], Finding] = {}
    for finding in told:
        key = (
            *(finding.kind, finding.host, finding.sources, finding.destination),
            *(finding.sequence, finding.door, _aim(finding)),
        )
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
        key = (finding.host, finding.user, finding.destination, finding.sources, tool)
        if len(finding.sequence) != 1 or finding.signal in _WHOLE or finding.sequence == ("icmp",):
            yield finding
            continue
        known = open_.get(key)
        far = known is None or finding.start_us - known.end_us > gap_us or len(known.sequence) >= most
        if known is None or far or _begins_anew(known, finding):
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
            order_known=known.order_known
            and (finding.start_us > known.end_us or finding.pointers == known.pointers[-1:]),
            note=f"{known.note.partition(':')[0].rstrip('.')}: {', '.join(sequence)}.",
            pointers=(*known.pointers, *finding.pointers),
        )
    yield from open_.values()


def _begins_anew(known: Finding, finding: Finding) -> bool:
    """Tell whether a step begins another sequence: the first one again, or one after an unusual pause.

    Of fewer steps than a sequence has, it takes both.
    """
    times = [pointer.time_us or 0 for pointer in known.pointers]
    longest = max((later - earlier for earlier, later in pairwise(times)), default=0)
    paused = finding.start_us - known.end_us > max(PAUSE_US, PAUSE_TIMES * longest)
    again = finding.sequence[0] == known.sequence[0]
    if len(set(known.sequence)) < FEWEST:
        return again and paused and len(known.sequence) > 1
    return again or paused


def _aim(finding: Finding) -> str:
    """Give what tells one start from another where nothing was sent to an address."""
    return finding.note.rpartition(" ran ")[2]


DETECTION = KnockClient()
