"""Windows events to rows of the tables, whoever wrote them down: processes, messages, and what two more modules read.

Connections are `_windows_connections`', changes of the firewall `_windows_changes`' business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import polars as pl

from knockwatch.clock import Clock
from knockwatch.sources import Batch
from knockwatch.sources._addresses import shortest
from knockwatch.sources._event_times import moments
from knockwatch.sources._windows_changes import listeners, registry_rules, rules
from knockwatch.sources._windows_connections import connections
from knockwatch.sources._windows_fields import FIELDS, IDS, OPENSSH, Kind, kind_of
from knockwatch.sources._windows_records import Event, text_of
from knockwatch.sources._windows_values import joined, named, number, pairs, said

FILLS = ("processes", "connections", "messages", "changes")
EXAMPLE = 300
"""Characters of a record that are kept while it is read, to show it where it makes no sense."""

_FRAME: Mapping[str, pl.DataType] = {
    "line": pl.Int64(),
    **{name: pl.String() for name in ("text", "provider", "kind", "computer", "time", "offset")},
    "event_id": pl.Int64(),
    **dict.fromkeys(FIELDS, pl.String()),
}
_MISFITS = {"line": pl.Int64(), "text": pl.String()}

_LOG_ON = {
    name: name
    for name in (
        *("LogonType", "IpAddress", "IpPort", "TargetUserName", "TargetDomainName", "LogonProcessName"),
        *("AuthenticationPackageName", "WorkstationName", "Status", "SubStatus"),
    )
}
"""Addresses stand before names: an account's name may be anything."""
_SESSION = {"Address": "Address", "User": "User", "SessionID": "SessionID"}
_MESSAGES: Mapping[int, Mapping[str, str]] = {
    4624: _LOG_ON,
    4625: _LOG_ON,
    4697: {
        name: name
        for name in (
            *("ServiceName", "ServiceFileName", "ServiceType", "ServiceStartType", "ServiceAccount"),
            *("SubjectUserName", "SubjectDomainName"),
        )
    },
    7045: {name: name for name in ("ServiceName", "ImagePath", "ServiceType", "StartType", "AccountName")},
    5155: {name: name for name in ("Application", "SourceAddress", "SourcePort", "Protocol")},
    22: {name: name for name in ("QueryName", "QueryStatus", "QueryResults", "Image", "User")},
    # The manifest leaves the fields of 1149 without names.
    1149: {"Param3": "Address", "Param1": "User", "Param2": "Domain"},
    21: _SESSION,
    25: _SESSION,
}
"""Which fields make the message of an event, in their order, and how they are called there."""

Reader = Callable[[pl.DataFrame], tuple[pl.DataFrame, pl.Series]]
"""Makes rows of events of one kind, and says which of the events make sense."""


def mention(before: str, between: str) -> re.Pattern[str]:
    """Give the pattern of texts that mention one of the events that are read.

    Parameters
    ----------
    before, between
        Patterns of what stands before an event's number, and right after it.
    """
    numbers = "|".join(str(event_id) for event_id in sorted(IDS))
    return re.compile(f"{before}(?:{numbers}){between}")


def read_events(events: Iterable[tuple[int, Event | None, str]], clock: Clock) -> Batch:
    """Make rows of events.

    Parameters
    ----------
    events
        Number of the record, the event (None: a record that is none), and the record as written.
    clock
        How to read times without a zone.

    Returns
    -------
    Batch
        The rows. Misfits are records that are no event, and events without a time, or whose addresses or ports are
        none. Events that are not read make neither rows nor misfits.
    """
    odd: list[tuple[int, str]] = []
    rows: list[dict[str, object]] = []
    count = 0
    for line, event, text in events:
        count += 1
        if event is None:
            odd.append((line, text[:EXAMPLE]))
        elif kind := kind_of(event.provider, event.event_id):
            rows.append(_row(line, event, kind, text))
    frame = pl.DataFrame(rows, schema=_FRAME)
    tables, lost = _tables(_timed(frame, clock))
    strays = pl.DataFrame(odd, schema=_MISFITS, orient="row")
    return Batch(count, tables, pl.concat([strays, lost]).sort("line"))


def _row(line: int, event: Event, kind: Kind, text: str) -> dict[str, object]:
    """Give an event the columns of the frame."""
    return {
        "line": line,
        "text": text[:EXAMPLE],
        "provider": event.provider,
        "kind": kind,
        "computer": event.computer,
        "time": event.time,
        "offset": event.offset,
        "event_id": event.event_id,
        **{name: text_of(event.data[name]) for name in FIELDS if name in event.data},
    }


def _timed(frame: pl.DataFrame, clock: Clock) -> pl.DataFrame:
    """Read the times, and make fields that say nothing null."""
    written = pl.concat_str("time", pl.col("offset").fill_null(""))
    times = moments(frame.select(written).to_series(), clock)
    return frame.with_columns(
        times.alias("time_us"),
        *(said(name) for name in FIELDS),
        said("computer").alias("host"),
    )


def _tables(frame: pl.DataFrame) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """Make rows of each kind of event; what makes no sense comes back."""
    tables: dict[str, list[pl.DataFrame]] = {}
    lost = [frame.filter(pl.col("time_us").is_null())]
    sound = frame.filter(pl.col("time_us").is_not_null())
    for kind, (table, reader) in _READERS.items():
        mine = sound.filter(pl.col("kind").is_in(kind))
        if mine.is_empty():
            continue
        rows, fits = reader(mine)
        tables.setdefault(table, []).append(rows)
        lost.append(mine.filter(~fits))
    return (
        {table: pl.concat(parts, how="diagonal_relaxed") for table, parts in tables.items()},
        pl.concat(part.select("line", "text") for part in lost),
    )


def _processes(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read process creations: Sysmon 1 and Security 4688.

    In the latter `ProcessId` is the parent's; its subject asked for the process, its target, if there is one, is who
    it runs as.
    """
    audited = pl.col("event_id") == 4688
    image = pl.when(audited).then("NewProcessName").otherwise("Image")
    rows = frame.select(
        *("line", "time_us", "time", "host"),
        pl.when(audited)
        .then(
            pl.coalesce(
                joined("TargetDomainName", "TargetUserName"), joined("SubjectDomainName", "SubjectUserName")
            )
        )
        .otherwise("User")
        .alias("user"),
        image.alias("image"),
        pl.col("CommandLine").alias("command_line"),
        pl.when(audited).then(number("NewProcessId")).otherwise(number("ProcessId")).alias("pid"),
        pl.when(audited).then("ParentProcessName").otherwise("ParentImage").alias("parent_image"),
        pl.col("ParentCommandLine").alias("parent_command_line"),
        pl.when(audited).then(number("ProcessId")).otherwise(number("ParentProcessId")).alias("parent_pid"),
    )
    fits = rows["image"].is_not_null()
    return rows.filter(fits), fits


def _messages(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Write events as messages: ``EventID=4624 LogonType=3 IpAddress=192.0.2.7 …``; OpenSSH's are such already."""
    for name in ("IpAddress", "Address", "Param3"):
        frame = frame.with_columns(pl.coalesce(shortest(named(frame, name)), name).alias(name))
    openssh = pl.col("provider") == OPENSSH
    written = pl.coalesce(
        pl.when(openssh).then("payload"),
        *(
            pl.when(pl.col("event_id") == event_id).then(pairs(event_id, names))
            for event_id, names in _MESSAGES.items()
        ),
    )
    rows = frame.select(
        *("line", "time_us", "time", "host"),
        pl.when(openssh).then("process").otherwise("provider").alias("program"),
        written.alias("message"),
    )
    fits = rows["message"].is_not_null()
    return rows.filter(fits), fits


_READERS: Mapping[tuple[Kind, ...], tuple[str, Reader]] = {
    ("process",): ("processes", _processes),
    ("connection", "filtered"): ("connections", connections),
    ("listener",): ("changes", listeners),
    ("rule",): ("changes", rules),
    ("registry",): ("changes", registry_rules),
    ("message",): ("messages", _messages),
}
