"""(d) Flow records in JSON, Zeek's conn.log and Suricata's eve.json, beside jq, Python's json and plain Polars.

Connections of noise, and in eve.json nearly as many events of applications and some alerts. The others read the same
fields without judging them; knockwatch's part is its ingest to Parquet files.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from bench.measure import Comparison, Contender, Wanted, compare, python

LINES = 600_000
START = datetime(2026, 8, 1, tzinfo=UTC)
STATES = {"S0": "S", "SF": "ShADadFf", "REJ": "Sr", "RSTO": "ShADadR", "OTH": "Dd"}
ZEEK_FIELDS = (
    "ts",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "proto",
    "conn_state",
    "history",
    "orig_pkts",
)
EVE_FIELDS = ("timestamp", "event_type", "src_ip", "src_port", "dest_ip", "dest_port", "proto", "flow", "tcp")

PYTHON_JSON = (
    "import sys, json;"
    "print(sum(len([r.get(k) for k in sys.argv[2:]]) for r in map(json.loads, open(sys.argv[1]))))"
)
PLAIN_POLARS = (
    "import sys, polars as pl;"
    "t = pl.scan_ndjson(sys.argv[1], infer_schema_length=1000).select(sys.argv[2:]);"
    "print(t.collect(engine='streaming').height)"
)
KNOCKWATCH = (
    "import sys; from knockwatch.config import EvidenceSettings; from knockwatch.ingest import Workspace, ingest\n"
    "with Workspace.temporary() as space:\n"
    "    ingest([sys.argv[1]], EvidenceSettings(), space)\n"
    "    print(space.summaries[0].rows, space.summaries[0].not_understood)"
)


def zeek(chance: random.Random) -> Iterator[dict[str, Any]]:
    """Write connections for ever."""
    moment = START
    while True:
        moment += timedelta(seconds=chance.expovariate(50))
        state = chance.choice(list(STATES))
        record = {"ts": round(moment.timestamp(), 6), "uid": f"C{chance.getrandbits(88):x}"} | {
            "id.orig_h": address(chance), "id.orig_p": chance.randint(1024, 65535),
            "id.resp_h": f"203.0.113.{chance.randint(1, 254)}", "id.resp_p": chance.randint(1, 65535),
        }  # fmt: skip
        timed = {"duration": chance.random(), "orig_bytes": chance.randint(0, 5000), "resp_bytes": 0}
        record |= {
            "proto": "tcp",
            **(timed if state != "S0" else {}),
            "conn_state": state,
            "local_orig": False,
        }
        record |= {"local_resp": True, "missed_bytes": 0, "history": STATES[state]}
        yield record | {
            "orig_pkts": chance.randint(1, 9), "orig_ip_bytes": chance.randint(40, 9000),
            "resp_pkts": chance.randint(0, 9), "resp_ip_bytes": chance.randint(0, 90000),
        }  # fmt: skip


def eve(chance: random.Random) -> Iterator[dict[str, Any]]:
    """Write events for ever: of ten, five flows, one alert, two of dns and two of http."""
    moment = START
    while True:
        moment += timedelta(seconds=chance.expovariate(50))
        text = f"{moment:%Y-%m-%dT%H:%M:%S.%f}+0000"
        kind = chance.choice(["flow"] * 5 + ["alert"] + ["dns", "http"] * 2)
        record = {"timestamp": text, "flow_id": chance.getrandbits(50), "in_iface": "eth0", "event_type": kind} | {
            "src_ip": address(chance), "src_port": chance.randint(1024, 65535),
            "dest_ip": f"203.0.113.{chance.randint(1, 254)}", "dest_port": chance.randint(1, 65535), "proto": "TCP",
        }  # fmt: skip
        flow = {"pkts_toserver": chance.randint(1, 9), "pkts_toclient": chance.randint(0, 9), "start": text}
        flow |= {"bytes_toserver": chance.randint(60, 9999), "bytes_toclient": chance.randint(0, 99999)}
        ended = {**flow, "end": text, "age": 0, "state": "closed", "reason": "timeout", "alerted": False}
        alert = {
            "action": "allowed",
            "gid": 1,
            "signature_id": 2001219,
            "signature": "ET SCAN SSH",
            "severity": 2,
        }
        flags = {
            "tcp_flags": "1b",
            "tcp_flags_ts": "1b",
            "tcp_flags_tc": "1b",
            "syn": True,
            "state": "closed",
        }
        yield (
            record
            | {
                "flow": {"flow": ended, "tcp": flags},
                "alert": {"alert": alert, "flow": flow},
                "dns": {
                    "dns": {"type": "query", "id": 7, "rrname": "www.example.org", "rrtype": "A", "tx_id": 0}
                },
                "http": {
                    "http": {"hostname": "www.example.org", "url": "/a", "http_method": "GET", "status": 200}
                },
            }[kind]
        )


def address(chance: random.Random) -> str:
    """Give any address."""
    return ".".join(str(chance.randint(1, 254)) for _ in range(4))


def make(path: Path, records: Iterator[dict[str, Any]], count: int) -> None:
    """Write a log."""
    with path.open("w") as log:
        for record in islice(records, count):
            log.write(json.dumps(record, separators=(",", ":")) + "\n")


def contenders(log: Path, fields: tuple[str, ...], lines: int) -> dict[str, Contender]:
    """Give what is compared."""
    picked = ",".join(f'."{field}"' for field in fields)
    commands = {
        "jq -c": ["jq", "-c", f"[{picked}]", str(log)],
        "Python's json": python(PYTHON_JSON, log, *fields),
        "plain Polars": python(PLAIN_POLARS, log, *fields),
        "knockwatch ingest": python(KNOCKWATCH, log),
    }
    return {name: Contender(command, lines) for name, command in commands.items()}


def comparisons(wanted: Wanted) -> Iterator[Comparison]:
    """Compare on both logs."""
    kinds: dict[str, tuple[Callable[[random.Random], Iterator[dict[str, Any]]], tuple[str, ...]]] = {
        "conn.log": (zeek, ZEEK_FIELDS),
        "eve.json": (eve, EVE_FIELDS),
    }
    lines = wanted.rows(LINES, 10_000)
    for name, (records, fields) in kinds.items():
        log = wanted.folder / name
        make(log, records(random.Random(wanted.seed)), lines)
        yield compare(f"d {name}", "flows in JSON", contenders(log, fields, lines), wanted)
