"""Microsoft's tables as views on the canonical ones, with exactly their columns, order and types; and their export.

Rows that were exported from Sentinel or Defender stand in the views as they came; native evidence is projected.
Kusto's strings are never null, so the views' are empty instead. Nothing here decides what a row means.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis

from knockwatch.engines.embedded import Engine
from knockwatch.ingest import Workspace
from knockwatch.microsoft import columns
from knockwatch.tables import ACCEPTED, CANONICAL, DENIED, REFUSED

if TYPE_CHECKING:
    import ibis.expr.types as ir

KUSTO_TYPES: Mapping[str, str] = {
    "string": "string",
    "int": "int32",
    "long": "int64",
    "real": "float64",
    "datetime": "timestamp(6)",
    # The text of the JSON: an export may hold JSON that is cut, and a cast would lose it.
    "dynamic": "string",
}
ACTIONS: Mapping[str, str] = {DENIED: "Deny", REFUSED: "Reject", ACCEPTED: "Allow"}
"""What DeviceAction says of an outcome where the recorder had no word of its own; the others say nothing."""
_AS_DEVICES_WRITE = {"icmp6": "ICMPv6"}
_LAST_PART = r"([^/\\]*)$"


@cache
def schema(view: str) -> Mapping[str, str]:
    """Give a view's columns in Microsoft's order with the Ibis types of their Kusto types."""
    return {name: KUSTO_TYPES[kind] for name, kind in dict(columns(view)).items()}


def views(tables: Mapping[str, ir.Table]) -> dict[str, ir.Table]:
    """Build Microsoft's three tables.

    Parameters
    ----------
    tables
        The canonical tables, and rows exported from Microsoft's under their names where there are any.

    Returns
    -------
    dict
        `Syslog`, `CommonSecurityLog` and `DeviceProcessEvents`.
    """
    native = {
        "Syslog": _syslog(_native(tables["messages"])),
        "CommonSecurityLog": _common_security_log(_native(tables["connections"])),
        "DeviceProcessEvents": _device_process_events(_native(tables["processes"])),
    }
    return {
        name: ibis.union(_verbatim(name, tables[name]), rows, distinct=False) if name in tables else rows
        for name, rows in native.items()
    }


def export(
    workspace: Workspace,
    folder: Path,
    *,
    memory_limit: str | None = None,
    since_us: int | None = None,
    until_us: int | None = None,
) -> list[Path]:
    """Write the canonical tables and the views, each as NAME.parquet, streamed by the engine.

    Parameters
    ----------
    workspace
        What was read.
    folder
        Where the files go; it is made where it does not exist.
    memory_limit, since_us, until_us
        As for `knockwatch.engines.embedded.Engine`.

    Returns
    -------
    list
        The files, in the order of writing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with Engine(workspace, memory_limit=memory_limit, since_us=since_us, until_us=until_us) as engine:
        tables = engine.tables()
        canonical = {name: tables[name] for name in CANONICAL}
        for name, rows in {**canonical, **views(tables)}.items():
            path = folder / f"{name}.parquet"
            engine.write(rows, path)
            written.append(path)
    return written


def _native(rows: ir.Table) -> ir.Table:
    """Leave out the rows that stand verbatim among the exported ones."""
    return rows.filter(~rows.exported.fill_null(False))  # noqa: FBT003 - Ibis takes the value alone


def _verbatim(view: str, rows: ir.Table) -> ir.Table:
    """Give exported rows all of Microsoft's columns; a value that does not fit its type becomes null."""
    return _shaped(
        view,
        {
            name: rows[name] if rows[name].type() == ibis.dtype(kind) else _fitted(rows[name], kind)
            for name, kind in schema(view).items()
            if name in rows.columns and not rows[name].type().is_null()
        },
        rows,
    )


def _fitted(value: Any, kind: str) -> Any:
    """Cast a value where it can be cast."""
    if kind.startswith("timestamp"):
        # Exported times have been read as UTC already, with or without saying so.
        return value.cast(kind) if value.type().is_timestamp() else value.try_cast(kind)
    return value.try_cast(kind)


def _shaped(view: str, values: Mapping[str, Any], rows: ir.Table) -> ir.Table:
    """Project values to a view: all columns in order and type, strings never null."""

    def column(name: str, kind: str) -> Any:
        value = values.get(name)
        if name == "Type":
            # An export may leave it out; every row of a table has it.
            value = ibis.literal(view)
        if kind == "string" and _kusto_type(view, name) == "string":
            return ibis.literal("") if value is None else value.cast("string").fill_null("")
        return ibis.null(kind) if value is None else _fitted(value, kind)

    return rows.select(**{name: column(name, kind) for name, kind in schema(view).items()})


def _kusto_type(view: str, column: str) -> str:
    """Give a column's Kusto type."""
    return str(dict(columns(view))[column])


def _moment(microseconds: Any) -> Any:
    """Turn microseconds UTC into a timestamp without a zone."""
    return ibis.timestamp("1970-01-01 00:00:00") + microseconds.as_interval("us")


def _syslog(messages: ir.Table) -> ir.Table:
    """Project native messages to Syslog."""
    time = _moment(messages.time_us)
    return _shaped(
        "Syslog",
        {
            "TimeGenerated": time,
            "EventTime": time,
            "Computer": messages.host,
            "HostName": messages.host,
            "Facility": messages.facility,
            "SeverityLevel": messages.severity,
            "SyslogMessage": messages.message,
            "ProcessID": messages.pid,
            "ProcessName": messages.program,
        },
        messages,
    )


def _common_security_log(connections: ir.Table) -> ir.Table:
    """Project native connections to CommonSecurityLog."""
    protocol: Any = connections.protocol
    action: Any = connections.action
    by_outcome = connections.outcome.cases(*ACTIONS.items(), else_="")
    return _shaped(
        "CommonSecurityLog",
        {
            "TimeGenerated": _moment(connections.time_us),
            "DeviceVendor": connections.vendor,
            "DeviceProduct": connections.product,
            "DeviceName": connections.sensor,
            "Computer": connections.sensor,
            "Activity": connections.rule,
            "DeviceAction": action.nullif("").fill_null(by_outcome),
            "EventCount": connections.event_count,
            "Protocol": protocol.cases(*_AS_DEVICES_WRITE.items(), else_=protocol.upper()),
            "SourceIP": connections.source_ip,
            "SourcePort": connections.source_port,
            "DestinationIP": connections.destination_ip,
            "DestinationPort": connections.destination_port,
            "SentBytes": connections.bytes_sent,
            "ReceivedBytes": connections.bytes_received,
        },
        connections,
    )


def _device_process_events(processes: ir.Table) -> ir.Table:
    """Project native processes to DeviceProcessEvents."""
    time = _moment(processes.time_us)
    image: Any = processes.image
    parent: Any = processes.parent_image
    return _shaped(
        "DeviceProcessEvents",
        {
            "TimeGenerated": time,
            "Timestamp": time,
            "ProcessCreationTime": time,
            "ActionType": ibis.literal("ProcessCreated"),
            "DeviceName": processes.host,
            "AccountName": processes.user,
            "FileName": image.re_extract(_LAST_PART, 1),
            "FolderPath": image,
            "ProcessCommandLine": processes.command_line,
            "ProcessId": processes.pid,
            "InitiatingProcessFileName": parent.re_extract(_LAST_PART, 1),
            "InitiatingProcessFolderPath": parent,
            "InitiatingProcessCommandLine": processes.parent_command_line,
            "InitiatingProcessId": processes.parent_pid,
        },
        processes,
    )
