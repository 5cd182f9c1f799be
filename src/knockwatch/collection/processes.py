"""Processes that wait for packets or connections, or are odd: what /proc says of them, for `hoststate.facts`."""

from __future__ import annotations

import json
import os
import platform
import pwd
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from knockwatch.collection.budget import Budget
from knockwatch.collection.configurations import Daemon
from knockwatch.collection.sockets import listeners, packet_sockets
from knockwatch.detections._waiting_programs import traces
from knockwatch.hoststate import facts

_KERNEL_THREAD = 0x00200000
"""PF_KTHREAD of linux/sched.h: no user's process has it."""
_KERNEL_NAME = re.compile(
    r"^\[.+\]$|^(?:kworker|ksoftirqd|kthreadd|kswapd|migration|rcu_|watchdogd?$|jbd2|kdevtmpfs|khugepaged|kcompactd|"
    r"kauditd|kblockd|scsi_|irq/|cpuhp|idle_inject|kdmtmpflush|netns$|khungtaskd|oom_reaper|writeback$)"
)
_MEMORY = re.compile(r"^/memfd:|^/(?:dev|run)/shm/")
_TEMPORARY = re.compile(r"^/(?:var/)?tmp/")
_DELETED = " (deleted)"
_INTERPRETER = re.compile(r"^(?:python|perl|ruby|php|node|java|lua|tclsh|guile|[a-z]*sh)[\d.]*$")
"""Programs whose command line may name the script instead."""
_DAEMONS = frozenset({"knockd", "fwknopd"})
_MOST_HELD = 4096
"""Open files of one process that are looked at."""
_MOST_TASKS = 64
_SOCKET = re.compile(r"^socket:\[(\d+)\]$")


@dataclass
class Told:
    """What was found: objects to write, the knock daemons that run, and what could not be seen."""

    objects: list[dict[str, Any]] = field(default_factory=list)
    daemons: list[Daemon] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Machine:
    """What is the same for all processes: times, this network namespace, its sockets."""

    booted: int
    ticks: int
    namespace: str | None
    packets: Mapping[int, str]
    listening: Mapping[int, str]


def gather(budget: Budget) -> Told:
    """Look at every process of this network namespace."""
    machine = _Machine(_booted(), os.sysconf("SC_CLK_TCK"), _namespace("self"), packet_sockets(), listeners())
    told, owned, closed = Told(), set[int](), 0
    elsewhere: set[str] = set()
    pids = sorted(int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
    for index, pid in enumerate(pids):
        if not budget.left:
            told.unseen.append(f"{len(pids) - index} of {len(pids)} processes: no time was left")
            break
        namespace = _namespace(str(pid))
        if namespace and namespace != machine.namespace:
            elsewhere.add(namespace)
            continue
        held = _held(pid)
        closed += held is None
        owned |= held or set()
        _look_at(pid, held or set(), machine, told)
    if closed:
        told.unseen.append(f"which sockets {closed} processes of other users hold: run it as root")
    elif not told.unseen:
        told.objects += [{"socket": words} for inode, words in machine.packets.items() if inode not in owned]
    if elsewhere:
        told.unseen.append(
            f"{len(elsewhere)} other network namespaces (containers): run it in each, as nsenter -n -t PID"
        )
    told.objects += list(_files())
    return told


def write(path: Path, told: Told, unseen: Iterable[str]) -> None:
    """Write what was found, the host first."""
    host = {"knockwatch_host": facts.VERSION, "name": platform.node(), "unseen": list(unseen)}
    with path.open("w", encoding="utf-8", errors="backslashreplace") as out:
        for one in ({**host, "kernel": platform.release()}, *told.objects):
            out.write(json.dumps(one, ensure_ascii=True) + "\n")


def _look_at(pid: int, held: set[int], machine: _Machine, told: Told) -> None:
    """Look at one process; keep it where it waits for something or is odd."""
    folder = Path("/proc", str(pid))
    status = _status(folder)
    if status is None or status.flags & _KERNEL_THREAD:
        return
    image, words = _link(folder / "exe"), _words(folder / "cmdline")
    sockets = [
        known[inode] for known in (machine.packets, machine.listening) for inode in held if inode in known
    ]
    odd = _oddities(status.name, image, words, folder)
    if status.name in _DAEMONS:
        told.daemons.append(Daemon(pid, status.name, tuple(words)))
    waits = any("packet_recvmsg" in text for text in _stacks(folder))
    if not (sockets or waits or facts.KERNEL_NAME in odd or facts.QUIET in odd or status.name in _DAEMONS):
        return
    since_boot = status.started // machine.ticks
    parent = _status(Path("/proc", str(status.parent)))
    told.objects.append(
        {
            "process": {
                "pid": pid,
                "name": status.name,
                "image": image,
                "command_line": " ".join(words),
                "user": _user(folder),
                "parent": parent.name if parent else None,
                "started_us": (machine.booted + since_boot) * 1_000_000 if machine.booted else None,
                "seconds_after_boot": since_boot,
                "facts": [*odd, *([facts.WAITS] if waits else [])],
                "sockets": sorted(sockets),
            }
        }
    )


@dataclass(frozen=True)
class _Status:
    """What /proc/PID/stat says (proc(5))."""

    name: str
    parent: int
    flags: int
    started: int


def _status(folder: Path) -> _Status | None:
    """Read /proc/PID/stat; a name may hold blanks and brackets."""
    try:
        text = (folder / "stat").read_text("utf-8", "backslashreplace")
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return _Status(name, int(fields[1]), int(fields[6]), int(fields[19])) if len(fields) > 19 else None


def _oddities(name: str, image: str | None, words: list[str], folder: Path) -> list[str]:
    """Tell what is odd about a process."""
    if image is None:
        return []
    path = image.removesuffix(_DELETED)
    odd: list[str] = []
    if _MEMORY.match(path):
        odd.append(facts.MEMORY_ONLY)
    elif _TEMPORARY.match(path):
        odd.append(facts.TEMPORARY)
    if image.endswith(_DELETED):
        replaced = not odd and (folder / "root" / path.lstrip("/")).exists()
        odd.append(facts.REPLACED if replaced else facts.DELETED)
    called = words[0] if words else ""
    if any(_KERNEL_NAME.match(said) for said in (name, called)):
        odd.append(facts.KERNEL_NAME)
    if _names_another(called, path, folder):
        odd.append(facts.OTHER_PROGRAM)
    environment = _bytes(folder / "environ").split(b"\0")
    if b"HOME=/tmp" in environment and b"HISTFILE=/dev/null" in environment:
        odd.append(facts.QUIET)
    return odd


def _names_another(called: str, path: str, folder: Path) -> bool:
    """Tell whether a command line begins with the path of a program that is there and is not the one that runs."""
    called = called.partition(" ")[0]
    if not called.startswith("/") or _INTERPRETER.match(Path(path).name):
        return False
    root = folder / "root"
    named = root / called.lstrip("/")
    try:
        real = os.path.realpath(named)
        # Updates leave another file at the same path.
        same = Path(called).name == Path(path).name or Path(real).samefile(root / path.lstrip("/"))
    except OSError:
        return False
    return named.exists() and not same


def _held(pid: int) -> set[int] | None:
    """Give the inodes of the sockets that a process holds; None where it is not ours to look."""
    found: set[int] = set()
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            for count, entry in enumerate(entries):
                if count >= _MOST_HELD:
                    break
                match = _SOCKET.match(_link(Path(entry.path)) or "")
                if match:
                    found.add(int(match[1]))
    except PermissionError:
        return None
    except OSError:
        pass
    return found


def _stacks(folder: Path) -> Iterator[str]:
    """Give what the threads of a process are blocked in."""
    try:
        tasks = sorted((folder / "task").iterdir())[:_MOST_TASKS]
    except OSError:
        return
    for task in tasks:
        for name in ("stack", "wchan"):
            yield _bytes(task / name).decode("ascii", "replace")


def _files() -> Iterator[dict[str, Any]]:
    """Tell of files that implants are known to leave; they are looked at, never opened."""
    for trace in traces("file", "file-empty"):
        try:
            found = os.lstat(trace.value)
        except OSError:
            continue
        if trace.what == "file" or (stat.S_ISREG(found.st_mode) and found.st_size == 0):
            yield {"file": trace.value, "size": found.st_size}


def _booted() -> int:
    """Give the time of the boot in seconds since 1970; 0 where it is not told."""
    told = re.search(rb"^btime (\d+)", _bytes(Path("/proc/stat")), re.MULTILINE)
    return int(told[1]) if told else 0


def _namespace(pid: str) -> str | None:
    """Name the network namespace of a process."""
    return _link(Path("/proc", pid, "ns", "net"))


def _user(folder: Path) -> str | None:
    """Name the user of a process."""
    try:
        number = folder.stat().st_uid
        return pwd.getpwuid(number).pw_name
    except OSError:
        return None
    except KeyError:
        return str(number)


def _words(path: Path) -> list[str]:
    """Read the words of a command line."""
    text = _bytes(path).decode("utf-8", "backslashreplace").rstrip("\0")
    return text.split("\0") if text else []


def _link(path: Path) -> str | None:
    """Read a link of /proc."""
    try:
        return str(path.readlink())
    except OSError:
        return None


def _bytes(path: Path) -> bytes:
    """Read a small file of /proc; what is gone or closed to us is empty."""
    try:
        with path.open("rb") as file:
            return file.read(1 << 18)
    except OSError:
        return b""
