"""Who starts a firewall command, and whether that is telling; read from `content/firewall_callers.csv`."""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib.resources import files
from typing import Literal, cast, get_args

from knockwatch.detections._command_lines import commands, program

BY_DAEMON = "FirewallOpenedByKnockDaemon"
BY_SERVICE = "FirewallOpenedByService"
FOR_ONE = "FirewallOpenedForOneAddress"
"""Labels of the findings that tell of openings."""

Role = Literal["daemon", "service", "stranger", "shell", "manager", "front", "unknown"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Whoever comes first tells more; `stranger` is a program that the table does not know."""

_TEMPORARY = re.compile(
    r"^(?:/tmp|/var/tmp|/dev/shm)/|\(deleted\)$|^[A-Za-z]:\\(?:.*\\)?temp\\", re.IGNORECASE
)


@cache
def _table() -> tuple[tuple[re.Pattern[str], Role], ...]:
    """Load the table."""
    text = (files("knockwatch.content") / "firewall_callers.csv").read_text("utf-8")
    rows = []
    for row in csv.DictReader(text.splitlines()):
        if row["role"] not in ROLES:
            raise ValueError(f"firewall_callers.csv: no role {row['role']!r}")
        rows.append((re.compile(row["program"]), cast(Role, row["role"])))
    return tuple(rows)


def role_of(image: str | None, command_line: str | None) -> Role:
    """Tell what kind of program a caller is.

    Parameters
    ----------
    image, command_line
        Of the caller, as far as the evidence names them.

    Returns
    -------
    str
        One of `ROLES`; a shell that only runs a script given to it is `unknown`, since its own caller counts, and an
        interpreter is what it interprets.
    """
    words = (command_line or "").split()
    path = image or (words[0] if words else "")
    if not path:
        return "unknown"
    if _TEMPORARY.search(path):
        return "service"
    role = _named(path)
    if role == "front" and len(words) > 1:
        return _named(words[1], default="front")
    if role == "shell" and command_line and commands(command_line) != [words]:
        return "unknown"
    return role


def _named(path: str, default: Role = "stranger") -> Role:
    """Look a program up by the last part of its path."""
    name = program(path.lstrip("-"))
    return next((role for pattern, role in _table() if pattern.fullmatch(name)), default)
