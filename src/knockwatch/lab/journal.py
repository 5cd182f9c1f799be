"""The lab's journal: each change to the machine is written down before it is made, and undone from there.

It is a file of one JSON object a line in the lab's state directory, appended to in single writes, so that a process
that is killed at any moment leaves either a line or nothing; a line whose change was not made yet is undone as well,
which does no harm.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from knockwatch.lab import LabError

STATE = Path("/run/knockwatch-lab")
"""Everything the lab needs while it is up: the journal, sockets, generated keys and configurations."""
TAKEN = STATE.with_name("knockwatch-lab.down")
"""What the state is called while it is undone: what starts late finds no journal to write to, and does not start."""
JOURNAL = STATE / "journal"
MARK = "KNOCKWATCH_LAB"
"""Variable in the environment of every process that the lab starts, so that none is overlooked."""
PREFIX = "kw-"
"""How the lab's network namespaces are called, before the host's name."""
NETNS = Path("/run/netns")
PATIENCE_SECONDS = 3.0
"""How long a process may take to end before it is killed."""
STRAY_ROUNDS = 5
"""How often it is looked for processes that others have started meanwhile."""

_RECORDED = (
    """printf '{"undo": "process", "pid": %d, "start": %s, "name": "%s"}\\n' $$ "$(cut -d' ' -f22 /proc/$$/stat)" """
    """"$1" >>"$0" && shift && exec "$@" """
)
"""A shell's program: write the own pid and when it started into the journal, and become the command."""


def record(undo: str, **facts: Any) -> None:
    """Write down how to undo what is done next."""
    line = json.dumps({"undo": undo, **facts}) + "\n"
    descriptor = os.open(JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def record_self(name: str) -> None:
    """Write down this process itself, which a `down` elsewhere ends first."""
    record("process", pid=os.getpid(), start=began(os.getpid()), name=name)


def marked() -> dict[str, str]:
    """Give the environment for what the lab starts."""
    return {**os.environ, MARK: str(STATE), "TZ": "UTC"}


def entries(journal: Path = JOURNAL) -> Iterator[Mapping[str, Any]]:
    """Read the journal; a last line that was cut is passed over."""
    if not journal.is_file():
        return
    for line in journal.read_text("utf-8", "replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


def recorded(name: str, command: list[str]) -> list[str]:
    """Wrap a command so that it writes its pid into the journal before it starts; `name` has no quotes."""
    return ["/bin/sh", "-c", _RECORDED, str(JOURNAL), name, *command]


def began(pid: int) -> str | None:
    """Tell when a process began, in clock ticks after boot; None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def alive(entry: Mapping[str, Any]) -> bool:
    """Tell whether a process of the journal still runs, and is not another one with its number."""
    start = began(entry["pid"])
    return start is not None and start == str(entry["start"]) and not _zombie(entry["pid"])


def _zombie(pid: int) -> bool:
    """Tell whether a process has ended and nobody has asked."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return True


def undo_all(state: Path) -> None:
    """Undo everything in a state's journal, last first: processes, then namespaces, then the rest; may be repeated."""
    todo = list(entries(state / JOURNAL.name))
    processes = [entry for entry in todo if entry["undo"] == "process"]
    _end([entry for entry in processes if entry["pid"] != os.getpid()])
    # What a killed `up` had started goes on by itself, and may start something more before it ends.
    for _ in range(STRAY_ROUNDS):
        if not (strays := _strays()):
            break
        _end(strays)
    for entry in reversed(todo):
        undo = _UNDO.get(entry["undo"])
        if undo is not None:
            undo(entry)


def _end(processes: list[Mapping[str, Any]]) -> None:
    """End processes: ask, wait, then kill."""
    running = [entry for entry in processes if alive(entry)]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for entry in running:
            if alive(entry):
                _signal(entry["pid"], number)
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end and any(alive(entry) for entry in running):
            time.sleep(0.02)


def _strays() -> list[Mapping[str, Any]]:
    """List the processes with the lab's mark, but for this one."""
    mark = f"{MARK}={STATE}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            entry = {"pid": int(folder.name), "start": began(int(folder.name))}
            if mark in (folder / "environ").read_bytes().split(b"\0") and alive(entry):
                found.append(entry)
    return [entry for entry in found if entry["pid"] != os.getpid()]


def _signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may just have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def inhabitants(namespace: str) -> list[Mapping[str, Any]]:
    """List the processes in a network namespace."""
    found = run(["ip", "netns", "pids", namespace], check=False)
    pids = (int(word) for word in found.split())
    return [{"pid": pid, "start": start} for pid in pids if (start := began(pid)) is not None]


def _remove_namespace(entry: Mapping[str, Any]) -> None:
    """End what lives in a namespace, and remove it; what forked away from a daemon lives in ours only."""
    name = entry["name"]
    if not (NETNS / name).exists():
        return
    _end(inhabitants(name))
    run(["ip", "netns", "del", name], check=False)
    (NETNS / name).unlink(missing_ok=True)


def _restore_sysctl(entry: Mapping[str, Any]) -> None:
    """Write back a kernel setting."""
    Path(entry["path"]).write_text(entry["value"])


def _remove_tree(entry: Mapping[str, Any]) -> None:
    """Remove a file or folder that the lab made."""
    path = entry["path"]
    run(["rm", "-rf", "--one-file-system", path], check=False)


def _remove_empty(entry: Mapping[str, Any]) -> None:
    """Remove a folder that the lab made, unless somebody else has put something in."""
    with suppress(OSError):
        Path(entry["path"]).rmdir()


def _unmount(entry: Mapping[str, Any]) -> None:
    """Unmount the folder of namespaces that `ip` mounted on itself, unless it has others by now."""
    path = Path(entry["path"])
    if not path.is_dir() or any(path.iterdir()):
        return
    end = time.monotonic() + PATIENCE_SECONDS
    while _mounts(path) and time.monotonic() < end:
        # It may be busy for a moment while somebody looks into it.
        run(["umount", str(path)], check=False)
        time.sleep(0.02)
    _remove_empty(entry)


def _mounts(path: Path) -> int:
    """Count the mounts on a folder."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return sum(line.split()[4] == str(path) for line in lines)


def _restore_pid_file(entry: Mapping[str, Any]) -> None:
    """Put back what a pid file said, or that there was none, unless whom it names now is alive and so not the lab's."""
    path = Path(entry["path"])
    with suppress(OSError, ValueError):
        if began(int(path.read_text())) is not None:
            return
    if entry["text"] is None:
        path.unlink(missing_ok=True)
    else:
        path.write_text(entry["text"])


def _restore_audit(entry: Mapping[str, Any]) -> None:
    """Put back the audit rules and settings."""
    # The kernel notices that an auditd was killed when it has something to tell it: that audit is switched on.
    run(["auditctl", "-e", "1"], check=False)
    run(["auditctl", "-D"], check=False)
    for rule in entry["rules"]:
        run(["auditctl", *shlex.split(rule)], check=False)
    flags = {"backlog_limit": "-b", "rate_limit": "-r", "failure": "-f", "enabled": "-e"}
    for name, flag in flags.items():
        if name in entry["settings"]:
            run(["auditctl", flag, entry["settings"][name]], check=False)
    if wait := entry["settings"].get("backlog_wait_time"):
        run(["auditctl", "--backlog_wait_time", wait], check=False)


_UNDO = {
    "namespace": _remove_namespace,
    "sysctl": _restore_sysctl,
    "tree": _remove_tree,
    "empty": _remove_empty,
    "netns": _unmount,
    "pid file": _restore_pid_file,
    "audit": _restore_audit,
}


def run(command: list[str], *, check: bool = True, stdin: str | None = None) -> str:
    """Run a program of the machine and give its output; raises LabError with what it said if it failed."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        input=stdin,
        timeout=120,
        check=False,
        env=marked(),
    )
    if check and done.returncode:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines()[:3]]
        why = " ".join(said) or f"status {done.returncode}"
        raise LabError(f"{' '.join(command[:6])} failed: {why}")
    return done.stdout
