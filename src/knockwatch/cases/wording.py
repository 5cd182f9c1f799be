"""Small pieces of prose that explanations share."""

from __future__ import annotations

from collections.abc import Iterable

NAMES_SHOWN = 4


def enumerated(items: Iterable[str], most: int = NAMES_SHOWN) -> str:
    """List things in a sentence: a, b and 3 more."""
    names = list(items)
    shown = names[:most] if len(names) > most + 1 else names
    if more := len(names) - len(shown):
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def times(count: int) -> str:
    """Say how often."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
