"""Reading text as a state, for tests."""

from collections.abc import Callable, Sequence
from typing import Any

from knockwatch.hoststate import Numbered, State

Door = tuple[str, str | None]


def numbered(text: str) -> list[Numbered]:
    """Number the lines of a text."""
    return list(enumerate(text.splitlines(), 1))


def doors(read: Callable[[Sequence[Numbered]], State], text: str) -> dict[Door, list[dict[str, Any]]]:
    """Read a text and give its doors: steps and service to rows."""
    found: dict[Door, list[dict[str, Any]]] = {}
    for row in read(numbered(text)).rows:
        if row["kind"] == "door-configured":
            service = f"{row['protocol']}/{row['port']}" if row["port"] else None
            found.setdefault((row["steps"], service), []).append(row)
    return found
