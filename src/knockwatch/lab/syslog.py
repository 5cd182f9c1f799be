"""The lab's syslog: a log socket per host and the kernel's ring buffer in, two text files per host out.

It writes what rsyslog writes by default: `HOST-syslog.log` with RFC 3164 times and `HOST-syslog.iso.log` with ISO
times, both UTC. The kernel's ring buffer is the whole machine's, and its lines name no host: a packet's destination
MAC tells whose firewall wrote them; the rest but for promiscuous mode is nobody's and left out.
Run as `python -m knockwatch.lab.syslog OUT`, with the table of MACs in the lab's state.
"""

from __future__ import annotations

import json
import os
import re
import select
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from knockwatch.lab.journal import STATE

KERNEL = Path("/dev/kmsg")
OWNERS = STATE / "macs.json"
_MAC = re.compile(r" MAC=([0-9a-f:]{17})")
_MESSAGE = re.compile(r"(?:<\d+>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )?(.*)", re.DOTALL)
"""What programs send to a log socket: priority, time, and the tag with the message."""


def rendered(record: str) -> str | None:
    """Render a record of the ring buffer as rsyslog does: time since boot in brackets, then the line."""
    head, found, text = record.partition(";")
    fields = head.split(",")
    if not found or len(fields) < 3:
        return None
    seconds, micros = divmod(int(fields[2]), 1_000_000)
    line = text.split("\n", 1)[0]
    return f"kernel: [{seconds:5d}.{micros:06d}] {line}"


def owner(line: str, macs: dict[str, str]) -> str | None:
    """Tell whose kernel line it is; None for what does not concern the lab."""
    if " IN=" in line and (found := _MAC.search(line)):
        return macs.get(found[1])
    return "kernel" if "promiscuous mode" in line else None


class Log:
    """Writes the lines of every host."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def write(self, host: str, message: str) -> None:
        """Write a line in both shapes, stamped now."""
        now = datetime.now(UTC)
        line = f"{host} {message.rstrip()}\n"
        iso = now.isoformat(timespec="microseconds")
        old = f"{now:%b} {now.day:2d} {now:%H:%M:%S}"
        for name, stamp in (("syslog.iso.log", iso), ("syslog.log", old)):
            with (self.out / f"{host}-{name}").open("a", encoding="utf-8") as file:
                file.write(f"{stamp} {line}")


def _records(kernel: int) -> Iterator[str]:
    """Read what is new in the ring buffer; each read gives one record."""
    while True:
        try:
            yield os.read(kernel, 8192).decode("utf-8", "replace")
        except BlockingIOError:
            return
        except BrokenPipeError:
            # Records were overwritten before they were read: reading goes on with the oldest there is.
            continue


def serve(out: Path, hosts: list[str], macs: dict[str, str]) -> None:
    """Write down everything until the process is ended."""
    log, poll = Log(out), select.poll()
    kernel = os.open(KERNEL, os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(kernel, 0, os.SEEK_END)
    poll.register(kernel, select.POLLIN)
    names: dict[int, tuple[str, socket.socket]] = {}
    for host in hosts:
        door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        door.bind(str(STATE / host / "log"))
        (STATE / host / "log").chmod(0o666)
        names[door.fileno()] = (host, door)
        poll.register(door, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == kernel:
                for record in _records(kernel):
                    line = rendered(record)
                    if line and (whose := owner(line, macs)):
                        log.write(whose, line)
            else:
                host, door = names[descriptor]
                found = _MESSAGE.match(door.recv(65535).decode("utf-8", "replace").rstrip("\0"))
                log.write(host, found[1] if found else "")


def main(out: Path) -> None:
    """Serve with what the lab's state says."""
    macs = json.loads(OWNERS.read_text())
    hosts = sorted(path.name for path in STATE.iterdir() if path.is_dir() and path.name in set(macs.values()))
    serve(out, hosts, macs)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
