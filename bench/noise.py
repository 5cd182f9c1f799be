"""(n) A firewall's log of nothing but internet noise, 500 MB, beside grep and a plain Polars extract of four fields.

Base rates are those of 622,943 lines of real noise: mostly one port a source, some short runs, few scans.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.emulated import parts
from bench.measure import Comparison, Contender, Wanted, compare, python, scan
from bench.netfilter import PLAIN_POLARS

MEGABYTES = 500
START = datetime(2026, 8, 1, tzinfo=UTC)
SESSIONS = {1: 507_432, 2: 8_278, 5: 1_468, 30: 337}
"""Ports of a session to how many such sessions 622,943 lines of internet noise held; 3 to 8 count as 5, more as 30."""
SERVERS = [f"203.0.113.{host}" for host in range(1, 255)]


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


def comparisons(wanted: Wanted) -> Iterator[Comparison]:
    """Compare on one log."""
    log, out = wanted.folder / "firewall.log", wanted.folder / "out"
    # Elsewhere: what a process took at most counts from the one that started it.
    with ProcessPoolExecutor(max_workers=1) as aside:
        count = aside.submit(make, log, wanted.rows(MEGABYTES, 1), wanted.seed).result()
    contenders = {
        "grep -c DPT=": Contender(["grep", "-c", "DPT=", str(log)], count),
        "plain Polars, 4 fields": Contender(python(PLAIN_POLARS, log), count),
        "knockwatch scan": Contender(scan("--out", out, log), count),
    }
    yield compare("n", "internet noise, netfilter text", contenders, wanted, lambda: [parts(out)])
