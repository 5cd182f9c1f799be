"""Programs that see packets before the firewall: packet and raw sockets, their filters, BPF programs, implants' files.

What a filter waits for is read in `hoststate.bpf`, who may be expected to have one in `_waiting_programs`. That an
owner is odd is a fact the gathering tells; what it amounts to is for the cases to say.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from knockwatch.config import Thresholds
from knockwatch.detections import UNTIMED_US, Finding, Pointer, Rule, Signal
from knockwatch.detections._waiting_programs import Known, Trace, known_program, traces
from knockwatch.hoststate.bpf import Wait, instructions, waits
from knockwatch.hoststate.facts import FOUND, NO_OWNER, ODDITIES, SEEN, WAITS

if TYPE_CHECKING:
    import ibis.expr.types as ir

SOCKET_LABEL = "PacketSocketOwner"
PROGRAM_LABEL = "BpfProgram"
TRACE_LABEL = "ImplantFile"
_KINDS = ("socket-opened", "filter-attached", SEEN, FOUND)
_BPF_PROGRAM = re.compile(r"^(?:(\d+): ([a-z_]+)  (?:name (\S+)  )?tag|(xdp|tc) \S+?\(\d+\) (.+))")
_ATTACHED = re.compile(r"(?:(?:^|\s)(\S+) )?(?:prog_)?id (\d+)")
_MODES = frozenset({"driver", "generic", "offload", "multi", "xdp", "xdpgeneric", "xdpoffload"})
"""What stands in the place of an XDP program's name (bpftool-net(8))."""
_CONSTANT = re.compile(r"=(0x[0-9a-f]+)$")
_DEEP = re.compile(r"^(?:transport|computed|frame)\+")
_MOST_LINES = 20
"""Lines of one owner that are pointed at: snapshots repeat them."""
_MOST_STEPS = 32
_TRUST = {"low": 1.0, "medium": 2.0, "high": 3.0}
_LONGEST_LINE = 128 << 10

RULE = Rule(
    id="sniffer",
    title="Program that waits for packets",
    description=(
        "A program holds a packet or raw socket, or a BPF program is attached where packets come in: it sees "
        "packets that the firewall drops, so it can wait for a knock or a magic packet without listening. Its filter "
        "tells what for. Alone it is a lead; a filter with an implant's constants, or an owner that was deleted, lies "
        "in memory only or bears another's name, is an alert."
    ),
    labels=(SOCKET_LABEL, PROGRAM_LABEL, TRACE_LABEL),
    attack=("T1205.002", "T1205", "T1040"),
    data_sources=(
        "Process: Process Metadata",
        "Network Traffic: Network Traffic Content",
        "File: File Metadata",
    ),
    tables=("changes",),
    false_positives=(
        "Capture tools, intrusion detection and network daemons that content/sniffers.csv does not name.",
        "A program that was removed or moved by an update while it ran.",
    ),
    severity="high",
    confidence="medium",
    references=(
        "https://attack.mitre.org/techniques/T1205/002/",
        "https://attack.mitre.org/software/S1161/",
        "https://github.com/SigmaHQ/sigma/blob/master/rules/linux/auditd/path/lnx_auditd_bpfdoor_file_accessed.yml",
    ),
)


@dataclass
class _Owner:
    """What is told of one process that sees packets."""

    name: str | None
    host: str | None
    parent: str | None = None
    user: str | None = None
    text: str | None = None
    start_us: int = UNTIMED_US
    sees: bool = False
    hidden: bool = False
    facts: set[str] = field(default_factory=set)
    waits: list[Wait] = field(default_factory=list)
    pointers: list[Pointer] = field(default_factory=list)


class Sniffer:
    """Finds programs that wait for packets."""

    rule = RULE

    def candidates(self, tables: Mapping[str, ir.Table], thresholds: Thresholds) -> ir.Table:
        """Select sockets, filters, processes and files that were seen."""
        del thresholds
        changes = tables["changes"]
        rows = changes.filter(changes.kind.isin(_KINDS))
        text: Any = rows.rule_text
        columns = ("file", "line", "time_us", "host", "kind", "actor", "actor_parent", "user", "pid", "name")
        return rows.select(*columns, rule_text=text.substr(0, _LONGEST_LINE))

    def findings(self, candidates: pl.DataFrame, thresholds: Thresholds) -> Iterator[Finding]:
        """Make one finding of each owner, BPF program and file of an implant."""
        del thresholds
        rows = list(candidates.sort("file", "line", "kind", "rule_text").iter_rows(named=True))
        programs: dict[tuple[str | None, str], list[Mapping[str, Any]]] = defaultdict(list)
        files: dict[tuple[str | None, str], list[Mapping[str, Any]]] = defaultdict(list)
        owned = []
        names: dict[tuple[str | None, str], str] = {}
        for row in rows:
            text = row["rule_text"] or ""
            found = _BPF_PROGRAM.match(text) if row["kind"] == "filter-attached" else None
            if row["kind"] == FOUND:
                files[row["host"], text].append(row)
            elif found is None:
                owned.append(row)
            elif found[1]:
                names[row["host"], found[1]] = name = found[3] or f"unnamed {found[2]}"
                programs[row["host"], name].append(row)
        for row in rows:
            found = _BPF_PROGRAM.match(row["rule_text"] or "") if row["kind"] == "filter-attached" else None
            if found and found[4]:
                number, name = _attached(found)
                programs[row["host"], names.get((row["host"], number), name)].append(row)
        yield from (finding for owner in _owners(owned) if (finding := _of_owner(owner)))
        for (host, name), told in programs.items():
            yield from _of_program(host, name, told)
        for (host, path), told in files.items():
            yield from _of_file(host, path, told)


def _owners(rows: Iterable[Mapping[str, Any]]) -> list[_Owner]:
    """Put together what is told of each process; sockets that name no owner matter where none does."""
    owners: dict[tuple[object, ...], _Owner] = {}
    nameless: dict[str | None, _Owner] = {}
    for row in rows:
        if row["actor"] is None and row["name"] != NO_OWNER:
            owner = nameless.setdefault(row["host"], _Owner(None, row["host"]))
        else:
            name = _bare(row["actor"])
            owner = owners.setdefault((row["host"], row["pid"], name), _Owner(name, row["host"]))
        _add(owner, row)
    named = {owner.host for owner in owners.values() if owner.sees}
    return [*owners.values(), *(owner for host, owner in nameless.items() if host not in named)]


def _bare(name: str | None) -> str | None:
    """Take the folders off a program's path; a kernel thread's name may hold a slash."""
    return name.rpartition("/")[2] if name and name.startswith("/") else name


def _add(owner: _Owner, row: Mapping[str, Any]) -> None:
    """Add one row."""
    owner.parent = owner.parent or row["actor_parent"]
    owner.user = owner.user or row["user"]
    if row["kind"] == SEEN:
        owner.text, owner.facts = row["rule_text"], owner.facts | set((row["name"] or "").split())
        owner.start_us = row["time_us"] or UNTIMED_US
        owner.sees |= WAITS in owner.facts
    else:
        owner.sees = True
        owner.hidden |= row["name"] == NO_OWNER
    if row["kind"] == "filter-attached":
        program = instructions(row["rule_text"] or "")
        owner.waits += [wait for wait in waits(program or ()) if wait not in owner.waits]
    owner.pointers.append(Pointer("changes", row["file"], row["line"], row["time_us"]))


def _of_owner(owner: _Owner) -> Finding | None:
    """Tell of one process; nothing of programs that are what their name says and wait for what they should."""
    odd = [fact for fact in ODDITIES if fact in owner.facts]
    if not owner.sees and not odd:
        return None
    known = known_program(owner.name or "")
    expected = known is not None and known.expects(owner.waits)
    trace = _constant(owner.waits)
    if known and expected and known.role in {"service", "monitor"} and not odd and not trace:
        return None
    steps = _steps(owner.waits)
    facts = dict.fromkeys(odd, 1.0)
    facts |= {"steps": float(len(steps)), "constants": float(any(map(_reads_deep, owner.waits)))}
    facts |= {"sees": float(owner.sees), "hidden": float(owner.hidden)}
    facts |= _role(known, expected=expected) | ({"trace": _TRUST[trace.trust]} if trace else {})
    return Finding(
        rule=RULE.id,
        label=SOCKET_LABEL,
        kind="sniffer",
        leg=None,
        start_us=owner.start_us,
        end_us=owner.start_us,
        host=owner.host,
        door_name=owner.name,
        sequence=steps,
        order_known=len(steps) < 2,
        user=owner.user,
        command_line=owner.text,
        signal=_signal(owner.waits, steps),
        facts=facts,
        note=_note(owner, known if expected else None, odd, trace),
        pointers=tuple(dict.fromkeys(owner.pointers))[:_MOST_LINES],
    )


def _role(known: Known | None, *, expected: bool) -> dict[str, float]:
    """Say of which sort a program is, where it does what its sort does."""
    if known is None:
        return {}
    return {known.role: 1.0} if expected else {"unexpected": 1.0}


def _steps(asked: Iterable[Wait]) -> tuple[str, ...]:
    """Give the ports, and ICMP, that filters wait for."""
    found = [
        f"{wait.protocol or 'tcp'}/{wait.port}" if wait.port else wait.protocol or ""
        for wait in asked
        if wait.port or (wait.protocol or "").startswith("icmp")
    ]
    return tuple(dict.fromkeys(found))[:_MOST_STEPS]


def _signal(asked: Iterable[Wait], steps: tuple[str, ...]) -> Signal | None:
    """Tell what kind of signal a filter can wait for."""
    if any(map(_reads_deep, asked)):
        return "magic-packet"
    if steps and all(step.startswith("icmp") for step in steps):
        return "icmp"
    return "sequence" if steps else None


def _reads_deep(wait: Wait) -> bool:
    """Tell whether a filter compares more than addresses, protocols, ports and TCP's flags."""
    return any(
        _DEEP.match(told) and not re.match(r"transport\+13\[1\]|frame\+(?:20|67|6|54)\[", told)
        for told in wait.constants
    )


def _constant(asked: Iterable[Wait]) -> Trace | None:
    """Find a constant of an implant in what filters compare."""
    values = {
        found[1]
        for wait in asked
        for told in wait.constants
        if _DEEP.match(told) and (found := _CONSTANT.search(told))
    }
    return max(
        (trace for trace in traces("constant") if trace.value in values),
        key=lambda trace: _TRUST[trace.trust],
        default=None,
    )


def _note(owner: _Owner, known: Known | None, odd: Iterable[str], trace: Trace | None) -> str:
    """Say who sees packets, what it is, what for, and what is odd."""
    who = owner.name or "A process that the evidence does not name"
    if owner.hidden:
        who = "A process that cannot be found"
    told = [f"{who} {'sees packets before the firewall' if owner.sees else 'runs'}"]
    if owner.parent:
        told.append(f"its parent is {owner.parent}")
    if known:
        told.append(f"by its name it is: {known.why}")
    told += [ODDITIES[fact] for fact in odd]
    if WAITS in owner.facts:
        told.append("it is blocked in packet_recvmsg")
    if trace:
        told.append(f"its filter has the constant {trace.value} of {trace.family} ({trace.source})")
    elif deep := [said for wait in owner.waits if _reads_deep(wait) for said in wait.constants]:
        told.append(f"its filter compares {', '.join(list(dict.fromkeys(deep))[:4])}")
    return "; ".join(told) + "."


def _attached(found: re.Match[str]) -> tuple[str, str]:
    """Give the number and the name of a program that is attached; XDP's are told without their name."""
    told = _ATTACHED.search(found[5])
    named = told[1] if told and told[1] and told[1] not in _MODES else None
    return told[2] if told else "", named or f"unnamed {found[4]}"


def _of_program(host: str | None, name: str, rows: list[Mapping[str, Any]]) -> Iterator[Finding]:
    """Tell of one BPF program, unless network software has such."""
    trace = next((trace for trace in traces("program") if trace.value == name), None)
    known = known_program(name)
    if known and known.role == "program" and not trace:
        return
    family = f" {trace.family} has one of this name ({trace.source})." if trace else ""
    yield Finding(
        rule=RULE.id,
        label=PROGRAM_LABEL,
        kind="sniffer",
        leg=None,
        start_us=UNTIMED_US,
        end_us=UNTIMED_US,
        host=host,
        door_name=name,
        facts={"sees": 1.0, "bpf": 1.0} | ({"trace": _TRUST[trace.trust]} if trace else {}),
        note=f"The BPF program {name} sees packets before the firewall.{family}",
        pointers=_pointers(rows),
    )


def _of_file(host: str | None, path: str, rows: list[Mapping[str, Any]]) -> Iterator[Finding]:
    """Tell of a file that an implant leaves."""
    trace = next((trace for trace in traces("file", "file-empty") if trace.value == path), None)
    if trace is None:
        return
    empty = "empty " if trace.what == "file-empty" else ""
    yield Finding(
        rule=RULE.id,
        label=TRACE_LABEL,
        kind="sniffer",
        leg=None,
        start_us=UNTIMED_US,
        end_us=UNTIMED_US,
        host=host,
        door_name=path,
        facts={"trace": _TRUST[trace.trust], "file": 1.0},
        note=f"The {empty}file {path} is there; {trace.family} leaves it ({trace.source}).",
        pointers=_pointers(rows),
    )


def _pointers(rows: Iterable[Mapping[str, Any]]) -> tuple[Pointer, ...]:
    """Point at rows, each line once."""
    found = (Pointer("changes", row["file"], row["line"], row["time_us"]) for row in rows)
    return tuple(dict.fromkeys(found))[:_MOST_LINES]


DETECTION = Sniffer()
