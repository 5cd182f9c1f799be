"""Write a lab run as Sentinel and Defender would export it: `python tests/export_lab.py RUN TARGET`.

Knows nothing of knockwatch, so that what it writes is no agreement with ourselves. `data/microsoft-exports.md` says
what each file shows.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

Row = dict[str, Any]

LINES = range(16, 45)
"""Lines of srv1's syslog: two knocks that open a door, one that does so without knockd, and their log-ins."""
KNOCKS_FROM, PROCESSES = 1795346618, 12
"""When the first knock began, and how many process starts from then on are kept."""
TENANT = "00000000-0000-0000-0000-000000000001"
INGESTION = timedelta(seconds=2)

_LINE = re.compile(r"^(\S+) (\S+) ([a-z]+)(?:\[(\d+)\])?: (.*)$")
_PACKET = re.compile(r"(IPT-\w+): IN=(\S*) .*SRC=(\S+) DST=(\S+) .*PROTO=(\w+)(?: SPT=(\d+) DPT=(\d+))?")
_LOGGED_IN = re.compile(r"^Accepted \w+ for (\S+) from (\S+) port (\d+)")
_STARTED = re.compile(r"type=SYSCALL msg=audit\((\d+\.\d+):(\d+)\).* ppid=(\d+) pid=(\d+).* exe=\"([^\"]*)\"")
_ARGUMENTS = re.compile(r"type=EXECVE msg=audit\(\d+\.\d+:(\d+)\): argc=\d+ (.*)$")


def syslog(run: Path) -> list[Row]:
    """Give some lines as rows of Syslog."""
    rows = []
    for line in (run / "srv1-syslog.iso.log").read_text().splitlines()[LINES.start - 1 : LINES.stop - 1]:
        found = _LINE.match(line)
        assert found, line
        time = datetime.fromisoformat(found[1]).replace(tzinfo=None)
        kernel = found[3] == "kernel"
        rows.append(
            {
                "TenantId": TENANT,
                "TimeGenerated": time + INGESTION,
                "EventTime": time.replace(microsecond=0),
                "Computer": found[2],
                "HostName": found[2],
                "Facility": {"kernel": "kern", "knockd": "user"}.get(found[3], "auth"),
                "SeverityLevel": "warning" if kernel else "notice",
                "ProcessName": found[3],
                "ProcessID": int(found[4]) if found[4] else None,
                "SyslogMessage": found[5],
                "Type": "Syslog",
            }
        )
    return rows


def common_security_log(run: Path) -> list[Row]:
    """Give the packets among those lines as rows of CommonSecurityLog."""
    rows = []
    for row in syslog(run):
        found = _PACKET.search(row["SyslogMessage"])
        if not found:
            continue
        denied = found[1] == "IPT-DROP"
        rows.append(
            {
                "TenantId": TENANT,
                "TimeGenerated": row["TimeGenerated"],
                "DeviceVendor": "Linux",
                "DeviceProduct": "netfilter",
                "DeviceEventClassID": found[1],
                "Activity": "packet",
                "LogSeverity": 5 if denied else 2,
                "DeviceAction": "Drop" if denied else "Accept",
                "DeviceInboundInterface": found[2],
                "SourceIP": found[3],
                "SourcePort": int(found[6]),
                "DestinationIP": found[4],
                "DestinationPort": int(found[7]),
                "Protocol": found[5],
                "DeviceName": row["HostName"],
                "Computer": "collector",
                "Message": "",
                "ReceiptTime": str(_milliseconds(row["TimeGenerated"] - INGESTION)),
                "Type": "CommonSecurityLog",
            }
        )
    return rows


def _milliseconds(time: datetime) -> int:
    """Give milliseconds since 1970."""
    return int(time.replace(tzinfo=UTC).timestamp() * 1000)


def device_process_events(run: Path) -> list[Row]:
    """Give the starts of knock, and of what knockd ran, as rows of DeviceProcessEvents; some without FileName."""
    started: dict[str, re.Match[str]] = {}
    known: dict[str, tuple[str, str]] = {}
    rows: list[Row] = []
    for line in (run / "audit.log").read_text("utf-8", "replace").splitlines():
        if found := _STARTED.search(line):
            started[found[2]] = found
        found = _ARGUMENTS.search(line)
        call = started.get(found[1]) if found else None
        if not found or not call:
            continue
        arguments = re.findall(r'a\d+="([^"]*)"', found[2])
        known[call[4]] = call[5], " ".join(arguments)
        if float(call[1]) < KNOCKS_FROM or len(rows) == PROCESSES:
            continue
        parent, parent_command = known.get(call[3], ("", ""))
        time = datetime.fromtimestamp(float(call[1]), UTC).replace(tzinfo=None)
        folder, _, name = call[5].rpartition("/")
        bare = len(rows) % 4 == 3
        rows.append(
            {
                "Timestamp": time,
                "TimeGenerated": time + INGESTION,
                "DeviceName": "admin",
                "ActionType": "ProcessCreated",
                "FileName": "" if bare else name,
                "FolderPath": "/" if bare else call[5],
                "ProcessCommandLine": " ".join([call[5], *arguments[1:]]) if bare else " ".join(arguments),
                "ProcessId": int(call[4]),
                "AccountName": "root",
                "InitiatingProcessId": int(call[3]),
                "InitiatingProcessFileName": parent.rpartition("/")[2],
                "InitiatingProcessFolderPath": parent,
                "InitiatingProcessCommandLine": parent_command,
                "AdditionalFields": {"ProcessCurrentWorkingDirectory": "/opt/knocklab", "Folder": folder},
                "ReportId": 1000 + len(rows),
            }
        )
    return rows


def _device_row(time: datetime, host: str, action: str, report: int) -> Row:
    """Give what rows of all device tables begin with."""
    return {
        "Timestamp": time,
        "TimeGenerated": time + INGESTION,
        "DeviceId": "3f9a1c6e2b8d4f70a5e1c9b3d7f2a6e4c8b0d1f5",
        "DeviceName": host,
        "ActionType": action,
        "ReportId": report,
    }


def _sshd() -> Row:
    """Give the process that listens, takes connections, and lets people in."""
    return {
        "InitiatingProcessFileName": "sshd",
        "InitiatingProcessFolderPath": "/usr/sbin/sshd",
        "InitiatingProcessId": 700,
        "InitiatingProcessCommandLine": "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups",
        "InitiatingProcessParentFileName": "systemd",
        "InitiatingProcessAccountName": "root",
    }


def device_network_events(run: Path) -> list[Row]:
    """Give the packets that were let in as rows of DeviceNetworkEvents, after the listener that took them."""
    rows: list[Row] = []
    for packet in common_security_log(run):
        time = packet["TimeGenerated"] - INGESTION
        if not rows:
            rows.append(
                {
                    **_device_row(time, packet["DeviceName"], "ListeningConnectionCreated", 2000),
                    "LocalIP": "0.0.0.0",
                    "LocalPort": 22,
                    "RemoteIP": None,
                    "RemotePort": None,
                    "Protocol": "Tcp",
                    **_sshd(),
                    "AdditionalFields": None,
                }
            )
        if packet["DeviceAction"] == "Accept":
            rows.append(
                {
                    **_device_row(time, packet["DeviceName"], "InboundConnectionAccepted", 2000 + len(rows)),
                    "LocalIP": packet["DestinationIP"],
                    "LocalPort": packet["DestinationPort"],
                    "RemoteIP": f"::ffff:{packet['SourceIP']}",
                    "RemotePort": packet["SourcePort"],
                    "Protocol": packet["Protocol"].title(),
                    **_sshd(),
                    "AdditionalFields": None,
                }
            )
    return rows


def device_events(run: Path) -> list[Row]:
    """Give the packets that were dropped as rows of DeviceEvents, where Defender has what the firewall blocked."""
    return [
        {
            **_device_row(
                packet["TimeGenerated"] - INGESTION,
                packet["DeviceName"],
                "FirewallInboundConnectionBlocked",
                3000 + number,
            ),
            "FileName": "",
            "ProcessCommandLine": "",
            "RegistryKey": "",
            "LocalIP": packet["DestinationIP"],
            "LocalPort": packet["DestinationPort"],
            "RemoteIP": packet["SourceIP"],
            "RemotePort": packet["SourcePort"],
        }
        for number, packet in enumerate(common_security_log(run))
        if packet["DeviceAction"] == "Drop"
    ]


def device_logon_events(run: Path) -> list[Row]:
    """Give the log-ins among those lines as rows of DeviceLogonEvents."""
    rows: list[Row] = []
    for row in syslog(run):
        if found := _LOGGED_IN.match(row["SyslogMessage"]):
            rows.append(
                {
                    **_device_row(
                        row["TimeGenerated"] - INGESTION, row["HostName"], "LogonSuccess", 4000 + len(rows)
                    ),
                    "LogonType": "Network",
                    "AccountName": found[1],
                    "RemoteIP": found[2],
                    "RemotePort": int(found[3]),
                    **_sshd(),
                }
            )
    return rows


def main(run: Path, target: Path) -> None:
    """Write every table in every format."""
    tables: dict[str, Callable[[Path], list[Row]]] = {
        "Syslog": syslog,
        "CommonSecurityLog": common_security_log,
        "DeviceProcessEvents": device_process_events,
        "DeviceNetworkEvents": device_network_events,
        "DeviceEvents": device_events,
        "DeviceLogonEvents": device_logon_events,
    }
    for name, rows_of in tables.items():
        rows = rows_of(run)
        for form, write in (
            ("csv", _write_csv),
            ("json", _write_json),
            ("json-lines", _write_lines),
            ("parquet", _write_parquet),
        ):
            folder = target / f"microsoft-{form}"
            folder.mkdir(parents=True, exist_ok=True)
            write(folder, name, rows)
    _write_stream(
        target / "defender-stream",
        [
            (name, row)
            for name, rows_of in tables.items()
            if name.startswith("Device")
            for row in rows_of(run)
        ],
    )


def _write_stream(folder: Path, rows: Iterable[tuple[str, Row]]) -> None:
    """As Defender's streaming API writes records: lines of a blob, and a message of an Event Hub."""
    records = [
        {
            "time": _bare({"t": row["TimeGenerated"]})["t"],
            "tenantId": TENANT,
            "operationName": "Publish",
            "category": f"AdvancedHunting-{name}",
            "properties": {
                key: f"{value:%Y-%m-%dT%H:%M:%S.%f}0Z"
                if isinstance(value, datetime)
                else json.dumps(value)
                if isinstance(value, dict)
                else value
                for key, value in row.items()
                if key != "TimeGenerated"
            },
            "Tenant": "DefaultTenant",
        }
        for name, row in rows
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "PT1H.json").write_text("".join(json.dumps(record) + "\r\n" for record in records))
    (folder / "event-hub.json").write_text(json.dumps({"records": records[-6:]}))


def _write_csv(folder: Path, name: str, rows: Iterable[Row]) -> None:
    """As portals do: Defender's with words for months, Sentinel's in the American way; one with tabs."""
    rows = list(rows)
    defender = name.startswith("Device")
    zone = "Local Time" if defender else "UTC"
    header = [f"{key} [{zone}]" if isinstance(value, datetime) else key for key, value in rows[0].items()]
    with (folder / f"{name}.csv").open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out, delimiter="\t" if name == "CommonSecurityLog" else ",")
        writer.writerow(header)
        for row in rows:
            writer.writerow(
                _defender_time(value)
                if defender and isinstance(value, datetime)
                else _sentinel_time(value)
                if isinstance(value, datetime)
                else json.dumps(value)
                if isinstance(value, dict)
                else value
                for value in row.values()
            )


def _sentinel_time(time: datetime) -> str:
    """Write ``11/22/2026, 11:23:40.710 AM``."""
    hour, half = (time.hour + 11) % 12 + 1, "AM" if time.hour < 12 else "PM"
    fraction = f".{time.microsecond // 1000:03}" if time.microsecond else ""
    return f"{time.month}/{time.day}/{time.year}, {hour}:{time:%M:%S}{fraction} {half}"


def _defender_time(time: datetime) -> str:
    """Write ``Nov 22, 2026 11:23:38 AM``."""
    hour, half = (time.hour + 11) % 12 + 1, "AM" if time.hour < 12 else "PM"
    return f"{time:%b} {time.day}, {time.year} {hour}:{time:%M:%S} {half}"


def _write_json(folder: Path, name: str, rows: Iterable[Row]) -> None:
    """As an array, under ``value``, or under ``Results``; nulls left out."""
    records = [_bare(row) for row in rows]
    wrapped: Any = {
        "Syslog": {"value": records},
        "DeviceProcessEvents": {"Stats": {}, "Results": records},
        "DeviceEvents": {"value": records},
    }
    text = json.dumps(wrapped.get(name, records), indent=2 if name == "CommonSecurityLog" else None)
    (folder / f"{name}.json").write_text(text)


def _write_lines(folder: Path, name: str, rows: Iterable[Row]) -> None:
    """As data export to storage does."""
    (folder / f"{name}.json").write_text("".join(json.dumps(_bare(row)) + "\n" for row in rows))


def _bare(row: Row) -> Row:
    """Leave out nulls, write times with the seven digits of .NET."""
    return {
        key: f"{value:%Y-%m-%dT%H:%M:%S.%f}0Z" if isinstance(value, datetime) else value
        for key, value in row.items()
        if value is not None
    }


def _write_parquet(folder: Path, name: str, rows: Iterable[Row]) -> None:
    """With timestamps in UTC, and what is dynamic as text."""
    frame = pl.DataFrame(
        [{k: json.dumps(v) if isinstance(v, dict) else v for k, v in r.items()} for r in rows]
    )
    times = [
        pl.col(column).dt.replace_time_zone("UTC")
        for column, kind in frame.schema.items()
        if kind == pl.Datetime
    ]
    frame.with_columns(times).write_parquet(folder / f"{name}.parquet", compression="snappy")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
