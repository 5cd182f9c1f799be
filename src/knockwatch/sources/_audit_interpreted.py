"""Records of the Linux audit system as ``ausearch -i`` shows them, put back into the kernel's own spelling.

What is interpreted has names for numbers, decoded texts and local times, and its values hold blanks.
"""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from knockwatch.clock import Clock
from knockwatch.sources._audit_history import SCALARS
from knockwatch.sources._audit_log import FOUND, READ, event_name, parted

RECORD = r"^(?:node=\S+ )?type=[A-Z]\S* msg=audit\(\d+[/.-]\d+[/.-]\d+ [^)]*:\d+\) : "
_HEADER = (
    r"^(?:node=(?P<host>\S+) )?type=(?P<type>[A-Z]\S*) "
    r"msg=audit\((?P<time>[^)]+):(?P<serial>\d+)\) : ?(?P<body>.*)$"
)
_CLOCK_TIME = "%H:%M:%S%.f"
_DATES = ("%d.%m.%y", "%d.%m.%Y", "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d")
_SLASHED = ("%m/%d/%y", "%m/%d/%Y"), ("%d/%m/%y", "%d/%m/%Y")
_PAIR = re.compile(r"(?:^| )([A-Za-z_0-9-]+)=(\S*)")
_ARGUMENT = re.compile(r"(?:^| )a(\d+)(?:\[\d+\])?=")
_LENGTH = re.compile(r" a\d+_len=\d+")
_NUMBERS = {
    "a0": {"inet": 2, "inet6": 10, "packet": 17},
    "a1": {"SOCK_STREAM": 1, "SOCK_DGRAM": 2, "SOCK_RAW": 3, "SOCK_PACKET": 10, "SOL_SOCKET": 1},
    "a2": {"SO_ATTACH_FILTER": 26, "SO_ATTACH_BPF": 50},
}
"""What the names of socket(2)'s and setsockopt(2)'s arguments stand for (bits/socket.h, asm-generic/socket.h)."""


def parsed_interpreted(
    lines: pl.DataFrame, clock: Clock, *, day_first: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read interpreted records.

    Parameters
    ----------
    lines
        `line` and `text`.
    day_first
        Whether dates with slashes begin with the day: `ausearch` writes them as the locale has it (``%x``).

    Returns
    -------
    tuple
        The records that matter, as the kernel would have written them, and `line` and `text` of what is no record.
    """
    fields = lines.with_columns(pl.col("text").str.extract_groups(_HEADER).alias("f")).unnest("f")
    dates = (*_SLASHED[1 if day_first else 0], *_DATES)
    times = clock.strptime(fields["time"], [f"{date} {_CLOCK_TIME}" for date in dates])
    sound, bad = parted(fields.with_columns(times.alias("time_us"), event_name()))
    wanted = sound.filter(pl.col("type").is_in(READ))
    rows = [
        {**{name: row[name] for name in ("line", "event", "host", "type", "time_us", "time")}, **_raw(row)}
        for row in wanted.iter_rows(named=True)
    ]
    return pl.DataFrame(rows, schema=FOUND, orient="row"), bad


def _raw(row: dict[str, Any]) -> dict[str, str | None]:
    """Put one record back into the kernel's spelling: its text, and the fields that a record holds once."""
    # ausearch writes a blank after the last field; one before it is part of an argument.
    body: str = row["body"].removesuffix(" ")
    match row["type"]:
        case "EXECVE":
            return {"text": f"): {_arguments(body)}"}
        case "PROCTITLE":
            return {"text": "", "proctitle": _hexed(body.removeprefix("proctitle="))}
        case "SOCKADDR":
            return {"text": "", "saddr": body.removeprefix("saddr=")}
    pairs = dict(_PAIR.findall(body))
    if row["type"] == "NETFILTER_CFG":
        written = (f"{key}={_hexed(value) if key == 'comm' else value}" for key, value in pairs.items())
        return {"text": f"): {' '.join(written)}"}
    scalars: dict[str, str | None] = {name: pairs.get(name) for name in SCALARS}
    scalars |= {name: _number(name, pairs.get(name)) for name in _NUMBERS}
    exe = pairs.get("exe")
    return scalars | {"text": "", "SYSCALL": pairs.get("syscall"), "syscall": None, "exe": exe and f'"{exe}"'}


def _arguments(body: str) -> str:
    """Write the arguments of a command in hexadecimal; what looks like a later argument within one is part of it."""
    body = _LENGTH.sub("", body)
    starts: list[tuple[int, int, int]] = []
    for found in _ARGUMENT.finditer(body):
        index = int(found[1]) if len(found[1]) < 9 else -1
        following = not starts or index == starts[-1][0] + 1
        piece = "[" in found[0] and bool(starts) and index == starts[-1][0]
        if following or piece:
            starts.append((index, found.start(), found.end()))
    ends = [*(start for _, start, _ in starts), len(body)][1:]
    pieces = zip(starts, ends, strict=True)
    return " ".join(f"a{index}={_hexed(body[begin:end])}" for (index, _, begin), end in pieces)


def _hexed(text: str) -> str:
    """Write a text in hexadecimal, as the kernel does where it holds blanks."""
    return text.encode().hex() or '""'


def _number(name: str, text: str | None) -> str | None:
    """Give an argument of a system call as a hexadecimal number; flags that follow a name are left out."""
    if text is None:
        return None
    number = _NUMBERS[name].get(text.partition("|")[0])
    return text if number is None else f"{number:x}"
