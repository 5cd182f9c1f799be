"""Speed and memory of `knockwatch scan` on netfilter text, beside public tools in the same run.

    python bench/netfilter.py [--megabytes 500] [--seed 1] [--runs 3] [--log FILE]

A log of internet noise with the base rates of the corpus (mostly one port a source, some short runs, few scans) is
made in a temporary folder. Each round runs `grep -c`, a plain Polars extract of four fields, and the whole scan, in
turn; medians, ratios and the peak memory of each process are printed as a Markdown table. The scan's own parts come
from its summary: parsing and rules grow with the log, cases with what is found in it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 8, 1, tzinfo=UTC)
SESSIONS = {1: 507_432, 2: 8_278, 5: 1_468, 30: 337}
"""Ports of a session to how many such sessions 622,943 lines of internet noise held; 3 to 8 count as 5, more as 30."""
SERVERS = [f"203.0.113.{host}" for host in range(1, 255)]
PLAIN_POLARS = (
    "import sys, polars as pl;"
    "t = pl.scan_csv(sys.argv[1], has_header=False, separator='\\x01', quote_char=None, new_columns=['t']);"
    "x = [pl.col('t').str.extract(f' {k}=(\\\\S+)').alias(k) for k in ('SRC', 'DST', 'SPT', 'DPT')];"
    "print(t.select(x).collect(engine='streaming').height)"
)


def lines(seed: int) -> Iterator[str]:
    """Write noise for ever: sessions of few ports by many sources, half a second apart in the mean."""
    chance = random.Random(seed)
    moment, uptime = START, 1_000_000.0
    while True:
        source = ".".join(str(chance.randint(1, 254)) for _ in range(4))
        server = chance.choice(SERVERS)
        for _ in range(*chance.choices(list(SESSIONS), list(SESSIONS.values()))):
            step = chance.expovariate(2.0)
            moment += timedelta(seconds=step)
            uptime += step
            accepted = chance.random() < 0.1
            port = chance.choice((22, 80, 443)) if accepted else chance.randint(1, 65535)
            yield (
                f"{moment:%b %e %H:%M:%S} fw1 kernel: [{uptime:.6f}] "
                f"{'IPT-ACCEPT' if accepted else 'IPT-DROP'}: IN=eth0 OUT= "
                f"MAC=aa:06:a8:ab:79:4c:76:df:0e:20:04:24:08:00 SRC={source} DST={server} LEN=60 TOS=0x00 "
                f"PREC=0x00 TTL={chance.randint(40, 240)} ID={chance.randint(0, 65535)} DF PROTO=TCP "
                f"SPT={chance.randint(1024, 65535)} DPT={port} WINDOW=1024 RES=0x00 SYN URGP=0 \n"
            )


def make(path: Path, megabytes: int, seed: int) -> int:
    """Write the log and give its number of lines."""
    count, size = 0, 0
    with path.open("w") as log:
        for line in lines(seed):
            log.write(line)
            count, size = count + 1, size + len(line)
            if size >= megabytes * 1_000_000:
                return count
    raise AssertionError("noise never ends")


def timed(command: list[str]) -> tuple[float, float]:
    """Run a command; give its seconds and its peak memory in MB."""
    # A file, since grep stops at the first match when it sees that nobody reads.
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        with subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024


def main() -> None:
    """Make the log, run the rounds, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--log", type=Path, help="keep the log here, and use it if it is there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="knockwatch-bench-") as folder:
        log = options.log or Path(folder) / "netfilter.log"
        if not log.exists():
            make(log, options.megabytes, options.seed)
        with log.open("rb") as stream:
            count = sum(piece.count(b"\n") for piece in iter(lambda: stream.read(1 << 24), b""))
        out = Path(folder) / "out"
        commands = {
            "grep -c DPT=": ["grep", "-c", "DPT=", str(log)],
            "plain Polars, 4 fields": [sys.executable, "-c", PLAIN_POLARS, str(log)],
            "knockwatch scan": [
                sys.executable,
                "-m",
                "knockwatch",
                "scan",
                "--quiet",
                "--out",
                str(out),
                str(log),
            ],
        }
        runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        parts: list[dict[str, float]] = []
        for _ in range(options.runs):
            for name, command in commands.items():
                runs[name].append(timed(command))
            parts.append(json.loads((out / "summary.json").read_text())["seconds"])
    print(
        f"{count:,} lines, {options.megabytes} MB, {os.cpu_count()} cores, medians of {options.runs} runs\n"
    )
    print("| command | seconds | lines/s | time of the scan, times this | peak MB |")
    print("|---|---:|---:|---:|---:|")
    scan = statistics.median(seconds for seconds, _ in runs["knockwatch scan"])
    for name, results in runs.items():
        seconds = statistics.median(seconds for seconds, _ in results)
        peak = max(memory for _, memory in results)
        print(f"| {name} | {seconds:.2f} | {count / seconds:,.0f} | {scan / seconds:.2f} | {peak:,.0f} |")
    for name, chosen in {"parsing": ["evidence"], "parsing and rules": ["evidence", "rules"]}.items():
        seconds = statistics.median(sum(part[which] for which in chosen) for part in parts)
        print(f"| of which {name} | {seconds:.2f} | {count / seconds:,.0f} | {scan / seconds:.2f} | |")


if __name__ == "__main__":
    main()
