"""Facts of a running host that no tool prints: who owns which socket, and what is odd about a process.

They are JSON, one object a line: first the host, then processes, sockets without an owner, and files. `knockwatch
host` gathers them (`collection`); nothing is gathered here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from knockwatch.hoststate import Numbered, State
from knockwatch.hoststate.words import LARGEST_PORT

VERSION = 1
SIGN = re.compile(r'^\{"knockwatch_host": ?\d', re.MULTILINE)
"""How such a file begins."""
SEEN = "process-seen"
FOUND = "file-seen"
NO_OWNER = "no-owner"
"""Name of a socket that no process was seen to hold."""

DELETED = "deleted"
REPLACED = "replaced"
MEMORY_ONLY = "memory-only"
TEMPORARY = "temporary"
KERNEL_NAME = "kernel-name"
OTHER_PROGRAM = "other-program"
QUIET = "quiet-environment"
WAITS = "waits-for-packets"
ODDITIES: Mapping[str, str] = {
    DELETED: "its program was deleted",
    MEMORY_ONLY: "its program lies in memory only",
    TEMPORARY: "its program lies in a folder for temporary files",
    KERNEL_NAME: "it bears the name of a kernel thread and is none",
    OTHER_PROGRAM: "its command line names another program than it runs",
    QUIET: "its environment hides a shell's history (HOME=/tmp, HISTFILE=/dev/null)",
}
"""What is odd about a process, in words; an update leaves programs that are deleted and `replaced`."""

_LISTENER = re.compile(r"^(tcp|udp)/(\d{1,5}) (\S+)$")
_LARGEST = 2**63
_LONGEST = 4000
"""Characters of a command line that are kept."""


def read(lines: Sequence[Numbered]) -> State:
    """Read the facts of one host."""
    state = State()
    for number, text in lines:
        if not text.strip():
            continue
        told = _object(text)
        rows = None if told is None else _rows(told)
        if rows is None:
            state.misfits.append((number, text))
            continue
        state.known.add(number)
        state.rows += [{"line": number, **row} for row in rows]
    return state


def unseen(text: str) -> list[str]:
    """Give what the gathering could not see, from the first line of such a file; empty where it does not say."""
    told = _object(text.partition("\n")[0]) or {}
    said = told.get("unseen")
    return [str(sentence) for sentence in said] if isinstance(said, list) else []


def _object(text: str) -> dict[str, Any] | None:
    """Read one line."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _rows(told: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Make the rows of one object; None where it is of no kind that is known."""
    if "knockwatch_host" in told:
        return []
    if isinstance(path := told.get("file"), str):
        size = told.get("size")
        return [{"kind": FOUND, "rule_text": path, "seconds": _whole(size)}]
    if isinstance(socket := told.get("socket"), str):
        return [_socket(socket, {"name": NO_OWNER})]
    if isinstance(attached := told.get("attached"), str):
        return [{"kind": "filter-attached", "rule_text": attached}]
    process = told.get("process")
    return _process(process) if isinstance(process, dict) else None


def _process(process: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Make the rows of a process: itself, and each socket it holds."""
    pid, name = process.get("pid"), process.get("name")
    if _whole(pid) is None or not isinstance(name, str):
        return None
    seconds, started = process.get("seconds_after_boot"), process.get("started_us")
    image, command = _text(process, "image"), _text(process, "command_line")
    owner = {
        "actor": name,
        "pid": pid,
        "actor_parent": _text(process, "parent"),
        "user": _text(process, "user"),
    }
    seen = {
        **owner,
        "kind": SEEN,
        "rule_text": f"{image or '(program not seen)'}: {command or name}"[:_LONGEST],
        "name": " ".join(_words(process.get("facts"))),
        "seconds": _whole(seconds),
        "time_us": _whole(started),
    }
    return [seen, *(_socket(socket, owner) for socket in _words(process.get("sockets")))]


def _socket(text: str, owner: Mapping[str, Any]) -> dict[str, Any]:
    """Make the row of a socket, as ``packet protocol 0x0003 on eth0`` or ``tcp/22 192.0.2.1``."""
    found = _LISTENER.match(text)
    if found and int(found[2]) <= LARGEST_PORT:
        at = None if found[3] in {"0.0.0.0", "::"} else found[3]  # noqa: S104, read and never bound
        listener = {"protocol": found[1], "port": int(found[2]), "destination_ip": at}
        return {**owner, "kind": "listener-opened", "rule_text": text, **listener}
    return {**owner, "kind": "socket-opened", "rule_text": text}


def _whole(value: object) -> int | None:
    """Give a value that is a whole number, and one that a table can hold."""
    return value if isinstance(value, int) and -_LARGEST <= value < _LARGEST else None


def _text(process: Mapping[str, Any], key: str) -> str | None:
    """Give a value that is text."""
    value = process.get(key)
    return value if isinstance(value, str) and value else None


def _words(value: object) -> list[str]:
    """Give the texts of a list."""
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []
