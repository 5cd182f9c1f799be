"""Events of the Linux audit system, in their order, to processes and changes: who started what, and who changed what.

Parents and actors are named from what earlier events told. How records are found in a file is not known here.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import polars as pl

from knockwatch.sources import _audit_records as records
from knockwatch.tables import schema

REMEMBERED = 65_536
"""Processes and sockets remembered, to name parents and actors."""
SCALARS = (
    "arch", "syscall", "success", "exit", "a0", "a1", "a2", "ppid", "pid", "uid", "exe", "UID", "SYSCALL", "saddr",
    "proctitle",
)  # fmt: skip
"""Fields that a record holds once, read for all records at once."""
_LARGEST = 2**63 - 1
_FIELD = re.compile(r"([A-Za-z_0-9]+)=([^ \x1d]+)")
_ADDS = re.compile(r" (?:-[AIRNP]|--append|--insert|--replace|--new-chain|--policy)(?= |$)")
_REMOVES = re.compile(r" (?:-[DFX]|--delete|--flush|--delete-chain)(?= |$)")
_ZEROES = re.compile(r" (?:-Z|--zero)(?= |$)")


def _events(found: pl.DataFrame) -> Iterator[_Event]:
    """Put the records of each event together, events in the order of their first records."""
    ordered = found.with_columns(pl.col("line").min().over("event").alias("first")).sort(
        "first", "event", "line"
    )
    event, number = None, None
    for row in ordered.drop("first").iter_rows(named=True):
        if event is None or row["event"] != number:
            if event:
                yield event
            event, number = _Event(row["host"], row["time_us"], row["time"]), row["event"]
        event.records.setdefault(row["type"], []).append(row)
    if event:
        yield event


@dataclass
class _Event:
    """The records of one event, by their types."""

    host: str | None
    time_us: int
    time: str
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def first(self, kind: str) -> dict[str, Any]:
        """Give the first record of a type; empty where there is none."""
        found = self.records.get(kind)
        return found[0] if found else {}

    def number(self, name: str, base: int = 10) -> int | None:
        """Read a number of the system call."""
        try:
            number = int(self.first("SYSCALL").get(name) or "", base)
        except ValueError:
            return None
        return number if abs(number) <= _LARGEST else None

    def call(self) -> str | None:
        """Name the system call, where it is one that matters."""
        record = self.first("SYSCALL")
        return records.call(record.get("arch"), record.get("syscall"), records.decoded(record.get("SYSCALL")))

    def command_line(self) -> str | None:
        """Give the arguments of the program started, else the title of the process, which is cut."""
        if executed := self.records.get("EXECVE"):
            return " ".join(records.arguments(row["text"] for row in executed)) or None
        return records.title(self.first("PROCTITLE").get("proctitle"))

    def row(self, line: int, **values: Any) -> dict[str, Any]:
        """Make a row of a table."""
        return {"time_us": self.time_us, "time": self.time, "host": self.host, "line": line, **values}


@dataclass(frozen=True)
class _Process:
    """What is known of a process."""

    image: str | None
    command_line: str | None


class History:
    """What earlier events told of processes and sockets, as far back as `REMEMBERED`; turns events into rows."""

    def __init__(self) -> None:
        self.processes = _Recent[_Process]()
        self.transports = _Recent[str | None]()

    def rows(self, found: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """Read whole events, in their order."""
        processes, changes = list[dict[str, Any]](), list[dict[str, Any]]()
        for event in _events(found):
            # Of a call that failed nothing remains; a record without its call is all there is.
            if event.first("SYSCALL").get("success") == "no":
                continue
            started = self._process(event)
            if started:
                processes.append(started)
            changes += self._changes(event)
        return {
            "processes": _frame("processes", processes),
            "changes": _frame("changes", changes),
        }

    def _process(self, event: _Event) -> dict[str, Any] | None:
        """Learn who acts; give a row where a program was started."""
        system_call, executed = event.first("SYSCALL"), event.records.get("EXECVE")
        image = records.decoded(system_call.get("exe"))
        pid, parent_pid = event.number("pid"), event.number("ppid")
        command_line = event.command_line()
        key = (event.host, pid)
        is_start = bool(executed) or event.call() == records.EXECVE
        known = self.processes.get(key)
        if pid is not None and (is_start or known is None or known.image != image):
            self.processes.put(key, _Process(image, command_line))
        if not is_start:
            return None
        parent = self.processes.get((event.host, parent_pid)) if parent_pid is not None else None
        return event.row(
            (executed[0] if executed else system_call)["line"],
            user=_user(system_call),
            image=image or (command_line or "").partition(" ")[0] or None,
            command_line=command_line,
            pid=pid,
            parent_image=parent and parent.image,
            parent_command_line=parent and parent.command_line,
            parent_pid=parent_pid,
        )

    def _changes(self, event: _Event) -> Iterator[dict[str, Any]]:
        """Give a row for each change an event tells of."""
        for row in event.records.get("NETFILTER_CFG", ()):
            if change := self._rule(event, row):
                yield change
        system_call = event.first("SYSCALL")
        match event.call():
            case records.SOCKET:
                family, kind = event.number("a0", 16) or 0, event.number("a1", 16) or 0
                self.transports.put(
                    (event.host, event.number("pid"), event.number("exit")), records.transport(family, kind)
                )
                told, text = "socket-opened", records.packet_socket(family, kind)
            case records.SETSOCKOPT:
                level, option = event.number("a1", 16) or 0, event.number("a2", 16) or 0
                told, text = "filter-attached", records.attached_filter(level, option)
            case records.BIND:
                yield from self._listener(event)
                return
            case _:
                return
        if text:
            yield event.row(system_call["line"], kind=told, rule_text=text, **self._actor(event))

    def _rule(self, event: _Event, row: dict[str, Any]) -> dict[str, Any] | None:
        """Read a NETFILTER_CFG record."""
        fields = dict(_FIELD.findall(row["text"].partition("): ")[2]))
        actor = self._actor(event, fields)
        process = self.processes.get((event.host, actor["pid"]))
        command_line = (process and process.command_line) or event.command_line()
        kind = _kind(fields.get("op"), event.call(), command_line)
        if kind is None:
            return None
        text = command_line or row["text"].partition("): ")[2]
        return event.row(row["line"], kind=kind, rule_text=text, **actor)

    def _listener(self, event: _Event) -> Iterator[dict[str, Any]]:
        """Read a bind(2); port 0 is a client's, who lets the kernel choose."""
        at = records.endpoint(event.first("SOCKADDR").get("saddr") or "")
        if at and at[1]:
            protocol = self.transports.get((event.host, event.number("pid"), event.number("a0", 16)))
            yield event.row(
                event.first("SYSCALL")["line"],
                kind="listener-opened",
                destination_ip=at[0],
                port=at[1],
                protocol=protocol,
                **self._actor(event),
            )

    def _actor(self, event: _Event, fields: dict[str, str] | None = None) -> dict[str, Any]:
        """Say who made a change: by the call, else by what the record itself says (`pid`, `comm`)."""
        system_call, own = event.first("SYSCALL"), fields or {}
        pid = event.number("pid")
        if pid is None and (own.get("pid") or "").isdecimal():
            pid = int(own["pid"][:9])
        process = self.processes.get((event.host, pid))
        parent = self.processes.get((event.host, event.number("ppid")))
        return {
            "actor": records.decoded(system_call.get("exe"))
            or (process and process.image)
            or records.decoded(own.get("comm")),
            "actor_parent": parent and parent.image,
            "user": _user(system_call),
            "pid": pid,
        }


Known = TypeVar("Known")


class _Recent(Generic[Known]):
    """The last `REMEMBERED` things that were learnt or asked for."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], Known] = OrderedDict()

    def get(self, key: tuple[object, ...]) -> Known | None:
        """Give what is known under a key."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: tuple[object, ...], value: Known) -> None:
        """Remember; a pid that is used again is a new process."""
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)


def _user(system_call: dict[str, Any]) -> str | None:
    """Name who made a call: by the name ENRICHED adds, else by number."""
    return records.decoded(system_call.get("UID")) or system_call.get("uid")


def _kind(operation: str | None, system_call: str | None, command_line: str | None) -> str | None:
    """Say what a NETFILTER_CFG record did; None where it changed no rule.

    Operations are those of the kernel's audit_nfcfgs (kernel/auditsc.c), of which nftables logs the first of a
    transaction. Kernels before 5.7 name none: there, a table is replaced where setsockopt(2) was called. Whole
    tables are what the legacy iptables replaces, also to reset counters; only the command says why.
    """
    if operation is None:
        operation = "xt_replace" if system_call == records.SETSOCKOPT else None
    if operation == "xt_replace":
        if command_line and _ZEROES.search(command_line) and not _ADDS.search(command_line):
            return None
        return "rule-removed" if command_line and _REMOVES.search(command_line) else "rule-added"
    if operation and operation.startswith("nft_register"):
        return "rule-added"
    return "rule-removed" if operation and operation.startswith("nft_unregister") else None


def _frame(table: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Make a table of rows."""
    return pl.DataFrame(rows, schema=schema(table), strict=False)
