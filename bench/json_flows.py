"""Speed and memory of reading flow records in JSON, beside public tools in the same run.

    python bench/json_flows.py [--megabytes 200] [--seed 1] [--runs 3]

A Zeek conn.log and a Suricata eve.json are made in a temporary folder: connections of noise, and in eve.json nearly
as many events of applications and some alerts. Each round runs `jq`, Python's json, a plain Polars scan (of the same
fields, without judging them) and `knockwatch`'s ingest to Parquet files, in turn. A Markdown table has the medians of
processor time, which other work on the machine changes less than the clock's, and the peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

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


def make(path: Path, records: Iterator[dict[str, Any]], megabytes: int) -> int:
    """Write a log and give its number of lines."""
    size, count = 0, 0
    with path.open("w") as log:
        while size < megabytes * 1_000_000:
            size += log.write(json.dumps(next(records), separators=(",", ":")) + "\n")
            count += 1
    return count


def timed(command: list[str]) -> tuple[float, float, float]:
    """Run a command; give its seconds, its processor seconds and its peak memory in MB."""
    begin = time.perf_counter()
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL) as process,
    ):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def commands(log: Path, fields: tuple[str, ...]) -> dict[str, list[str]]:
    """Give what is compared."""
    python = [sys.executable, "-c"]
    found = {
        "Python's json": [*python, PYTHON_JSON, str(log), *fields],
        "plain Polars": [*python, PLAIN_POLARS, str(log), *fields],
        "knockwatch": [*python, KNOCKWATCH, str(log)],
    }
    if shutil.which("jq"):
        picked = ",".join(f'."{field}"' for field in fields)
        found = {"jq -c": ["jq", "-c", f"[{picked}]", str(log)], **found}
    return found


def compare(log: Path, fields: tuple[str, ...], lines: int, runs: int) -> None:
    """Run the rounds over one log and print their table."""
    todo = commands(log, fields)
    results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in todo}
    for _ in range(runs):
        for name, command in todo.items():
            results[name].append(timed(command))
    size = log.stat().st_size / 1e6
    print(f"\n{log.name}: {lines:,} lines, {size:,.0f} MB, {os.cpu_count()} cores, medians of {runs} runs\n")
    print(
        "| command | seconds | processor seconds | MB per processor second | times knockwatch's | peak MB |"
    )
    print("|---|---:|---:|---:|---:|---:|")
    own = statistics.median(used for _, used, _ in results["knockwatch"])
    for name, rounds in results.items():
        seconds, used = (statistics.median(one[place] for one in rounds) for place in (0, 1))
        peak = max(one[2] for one in rounds)
        print(
            f"| {name} | {seconds:.2f} | {used:.2f} | {size / used:,.0f} | {used / own:.2f} | {peak:,.0f} |"
        )


def main() -> None:
    """Make the logs, run the rounds, print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    kinds: dict[str, tuple[Callable[[random.Random], Iterator[dict[str, Any]]], tuple[str, ...]]] = {
        "conn.log": (zeek, ZEEK_FIELDS),
        "eve.json": (eve, EVE_FIELDS),
    }
    with tempfile.TemporaryDirectory(prefix="knockwatch-bench-") as folder:
        for name, (records, fields) in kinds.items():
            log = Path(folder) / name
            lines = make(log, records(random.Random(options.seed)), options.megabytes)
            compare(log, fields, lines, options.runs)


if __name__ == "__main__":
    main()
