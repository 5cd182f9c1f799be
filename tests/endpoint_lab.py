"""Write a lab run as endpoint sensors and lakes would record it: `python -m tests.endpoint_lab RUN TARGET`.

Knows nothing of knockwatch, so that what it writes is no agreement with ourselves. `data/endpoint-sensors.md` says what
each file shows.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from tests.export_lab import (
    INGESTION,
    common_security_log,
    device_logon_events,
    device_process_events,
    syslog,
)

Row = dict[str, Any]
AID = "4d92d2adf9009775a446ce0fe2689915"
PROTOCOL_TCP = 6


def _iso(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def _milliseconds(time: datetime) -> int:
    return int(time.replace(tzinfo=UTC).timestamp() * 1000)


def filebeat(run: Path) -> list[Row]:
    """Lines of programs, taken apart by Filebeat's module system; those of the kernel as they stand in the file."""
    whole = (run / "srv1-syslog.iso.log").read_text().splitlines()[15:44]
    return [
        {
            "@timestamp": _iso(row["EventTime"]),
            "agent": {"type": "filebeat", "name": "srv1", "version": "8.17.0"},
            "ecs": {"version": "8.0.0"},
            "event": {
                "dataset": "system.syslog" if kernel else "system.auth",
                "kind": "event",
                "module": "system",
            },
            "host": {"hostname": "srv1"},
            "input": {"type": "log"},
            **(
                {"message": line}
                if kernel
                else {
                    "message": row["SyslogMessage"],
                    "process": {"name": row["ProcessName"], "pid": row["ProcessID"]},
                }
            ),
        }
        for row, line in zip(syslog(run), whole, strict=True)
        for kernel in [row["ProcessName"] == "kernel"]
    ]


def elastic_defend(run: Path) -> list[Row]:
    """Programs started, connections that were taken, and log-ins, as an endpoint's sensor writes them."""
    common = {"agent": {"type": "endpoint"}, "ecs": {"version": "8.10.0"}}
    rows = [
        {
            "@timestamp": _iso(row["Timestamp"]),
            **common,
            "event": {"category": ["process"], "type": ["start"], "action": "exec", "kind": "event"},
            "host": {"name": "admin"},
            "user": {"name": row["AccountName"]},
            "process": {
                "pid": row["ProcessId"],
                "executable": row["FolderPath"],
                "command_line": row["ProcessCommandLine"],
                "args": row["ProcessCommandLine"].split(" "),
                "parent": {
                    "pid": row["InitiatingProcessId"],
                    "executable": row["InitiatingProcessFolderPath"] or None,
                    "command_line": row["InitiatingProcessCommandLine"] or None,
                },
            },
            "message": "Endpoint process event",
        }
        for row in device_process_events(run)
    ]
    rows += [
        {
            "@timestamp": _iso(packet["TimeGenerated"] - INGESTION),
            **common,
            "event": {
                "category": ["network"],
                "type": ["start"],
                "action": "connection_accepted",
                "kind": "event",
            },
            "host": {"name": "srv1"},
            "source": {"ip": packet["SourceIP"], "port": packet["SourcePort"]},
            "destination": {"ip": packet["DestinationIP"], "port": packet["DestinationPort"]},
            "network": {"transport": "tcp", "direction": "ingress", "type": "ipv4"},
            "process": {"name": "sshd", "executable": "/usr/sbin/sshd", "pid": 700},
            "message": "Endpoint network event",
        }
        for packet in common_security_log(run)
        if packet["DeviceAction"] == "Accept"
    ]
    rows += [
        {
            "@timestamp": _iso(row["Timestamp"]),
            **common,
            "event": {
                "category": ["authentication", "session"],
                "action": "ssh_login",
                "outcome": "success",
                "kind": "event",
            },
            "host": {"name": "srv1"},
            "source": {"ip": row["RemoteIP"], "port": row["RemotePort"]},
            "process": {"name": "sshd"},
            "user": {"name": row["AccountName"]},
        }
        for row in device_logon_events(run)
    ]
    return rows


def firewall_hits(run: Path) -> Row:
    """The packets that the firewall logged, as a search in Elasticsearch gives them."""
    hits = [
        {
            "_index": ".ds-logs-iptables.log-default-2026.11.22-000001",
            "_id": str(number),
            "_source": {
                "@timestamp": _iso(packet["TimeGenerated"] - INGESTION),
                "event": {
                    "category": ["network"],
                    "type": ["denied" if packet["DeviceAction"] == "Drop" else "allowed", "connection"],
                    "action": packet["DeviceAction"].lower(),
                    "kind": "event",
                    "dataset": "iptables.log",
                },
                "source": {"ip": packet["SourceIP"], "port": packet["SourcePort"]},
                "destination": {"ip": packet["DestinationIP"], "port": packet["DestinationPort"]},
                "network": {"transport": "tcp", "type": "ipv4"},
                "host": {"name": "srv1"},
                "rule": {"name": packet["DeviceEventClassID"]},
            },
        }
        for number, packet in enumerate(common_security_log(run))
    ]
    return {"took": 3, "timed_out": False, "hits": {"total": {"value": len(hits)}, "hits": hits}}


def ocsf(run: Path) -> list[Row]:
    """Packets, a listener, programs and log-ins in the classes of OCSF 1.3."""
    product = {"name": "lab", "vendor_name": "lab"}
    metadata = {"version": "1.3.0", "product": product, "profiles": ["host", "security_control"]}
    device = {"hostname": "srv1", "type_id": 1}
    server = {
        "process": {"pid": 700, "name": "sshd", "file": {"path": "/usr/sbin/sshd"}},
        "user": {"name": "root"},
    }
    rows: list[Row] = []
    for packet in common_security_log(run):
        network = {
            "class_uid": 4001,
            "category_uid": 4,
            "time": _milliseconds(packet["TimeGenerated"] - INGESTION),
            "metadata": metadata,
            "device": device,
            "connection_info": {"protocol_num": PROTOCOL_TCP, "protocol_name": "tcp", "direction_id": 1},
        }
        if not rows:
            listening = {"activity_id": 7, "dst_endpoint": {"ip": "::", "port": 22}, "actor": server}
            rows.append({**network, **listening})
        denied = packet["DeviceAction"] == "Drop"
        rows.append(
            {
                **network,
                "activity_id": 5 if denied else 1,
                "src_endpoint": {"ip": packet["SourceIP"], "port": packet["SourcePort"]},
                "dst_endpoint": {"ip": packet["DestinationIP"], "port": packet["DestinationPort"]},
                **({"disposition_id": 2, "action_id": 2} if denied else {"status_id": 1}),
            }
        )
    rows += [
        {
            "class_uid": 1007,
            "category_uid": 1,
            "activity_id": 1,
            "time": _milliseconds(row["Timestamp"]),
            "metadata": metadata,
            "device": {**device, "hostname": "admin"},
            "actor": {
                "process": {
                    "pid": row["InitiatingProcessId"],
                    "cmd_line": row["InitiatingProcessCommandLine"] or None,
                    "file": {"path": row["InitiatingProcessFolderPath"] or None},
                },
                "user": {"name": row["AccountName"]},
            },
            "process": {
                "pid": row["ProcessId"],
                "cmd_line": row["ProcessCommandLine"],
                "file": {"path": row["FolderPath"], "name": row["FileName"]},
            },
        }
        for row in device_process_events(run)
    ]
    rows += [
        {
            "class_uid": 3002,
            "category_uid": 3,
            "activity_id": 1,
            "time": _milliseconds(row["Timestamp"]),
            "metadata": metadata,
            "device": device,
            "status_id": 1,
            "logon_type_id": 3,
            "service": {"name": "sshd"},
            "src_endpoint": {"ip": row["RemoteIP"], "port": row["RemotePort"]},
            "user": {"name": row["AccountName"]},
        }
        for row in device_logon_events(run)
    ]
    return rows


def falcon(run: Path) -> list[Row]:
    """Programs, connections and a listener as Falcon's sensor has them: all values are text."""

    def event(name: str, time: datetime, host: str, **fields: object) -> Row:
        seconds = f"{time.replace(tzinfo=UTC).timestamp():.3f}"
        return {
            "event_simpleName": name,
            "name": f"{name}LinV1",
            "aid": AID,
            "cid": "c4e1f8a2b7d94e0f9a6b3c2d1e0f4a5b",
            "aip": "203.0.113.1",
            "event_platform": "Lin",
            "ComputerName": host,
            "timestamp": str(_milliseconds(time + INGESTION)),
            "ContextTimeStamp": seconds,
            **{key: str(value) for key, value in fields.items()},
        }

    rows = [
        event(
            "ProcessRollup2",
            row["Timestamp"],
            "admin",
            ProcessStartTime=f"{row['Timestamp'].replace(tzinfo=UTC).timestamp():.3f}",
            ImageFileName=row["FolderPath"],
            CommandLine=row["ProcessCommandLine"],
            RawProcessId=row["ProcessId"],
            TargetProcessId=289741187433 + number,
            ParentBaseFileName=row["InitiatingProcessFileName"],
            UserName=row["AccountName"],
            UID=0,
        )
        for number, row in enumerate(device_process_events(run))
    ]
    accepted = [packet for packet in common_security_log(run) if packet["DeviceAction"] == "Accept"]
    for number, packet in enumerate(accepted):
        time = packet["TimeGenerated"] - INGESTION
        mine = {
            "LocalAddressIP4": packet["DestinationIP"],
            "LocalPort": packet["DestinationPort"],
            "Protocol": PROTOCOL_TCP,
            "ContextBaseFileName": "sshd",
            "ContextProcessId": 289734651298,
        }
        if not number:
            rows.append(event("NetworkListenIP4", time, "srv1", **{**mine, "LocalAddressIP4": "0.0.0.0"}))
            rows.append(event("RawBindIP4", time, "srv1", **{**mine, "ContextBaseFileName": "knockd"}))
        rows.append(
            event(
                "NetworkReceiveAcceptIP4",
                time,
                "srv1",
                RemoteAddressIP4=packet["SourceIP"],
                RemotePort=packet["SourcePort"],
                ConnectionDirection=1,
                ConnectionFlags=0,
                **mine,
            )
        )
    rows += [
        event(
            "UserLogon",
            row["Timestamp"],
            "srv1",
            LogonType=10,
            RemoteAddressIP4=row["RemoteIP"],
            UserName=row["AccountName"],
        )
        for row in device_logon_events(run)
    ]
    return rows


def main(run: Path, target: Path) -> None:
    """Write every format."""

    def lines(name: str, rows: list[Row]) -> None:
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    lines("ecs/filebeat.ndjson", filebeat(run))
    lines("ecs/elastic-defend.ndjson", elastic_defend(run))
    (target / "ecs" / "hits.json").write_text(json.dumps(firewall_hits(run)))
    lines("ocsf/events.jsonl", ocsf(run))
    (target / "ocsf-parquet").mkdir(exist_ok=True)
    pl.DataFrame(ocsf(run), infer_schema_length=None).write_parquet(
        target / "ocsf-parquet" / "events.gz.parquet", compression="gzip"
    )
    lines("crowdstrike-fdr/data.json", falcon(run))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
