"""YAML as rule repositories write it: mappings, lists, plain words, text in blocks. It writes, and reads nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

Value = str | int | float | bool | None | Sequence["Value"] | Mapping[str, "Value"]

_PLAIN = re.compile(r"[A-Za-z][\w.,/()' -]*[\w.)]|[A-Za-z]")
"""Text that no reader of YAML takes for anything else, but for the words below."""
_WORDS = re.compile(r"(?i:true|false|yes|no|on|off|null|y|n)")


def yaml_text(document: Mapping[str, Value]) -> str:
    """Write a document, its keys in their order; text of several lines becomes a block."""
    return "\n".join(_mapping(document, 0)) + "\n"


def _mapping(value: Mapping[str, Value], depth: int) -> Iterator[str]:
    """Write the lines of a mapping."""
    pad = "  " * depth
    for key, member in value.items():
        yield from _member(f"{pad}{_scalar(key)}:", member, depth)


def _member(start: str, value: Value, depth: int) -> Iterator[str]:
    """Write a key or a dash with what follows."""
    if isinstance(value, str) and "\n" in value:
        yield f"{start} |"
        pad = "  " * (depth + 1)
        yield from (f"{pad}{line}".rstrip() for line in value.rstrip("\n").split("\n"))
    elif isinstance(value, Mapping) and value:
        yield start
        yield from _mapping(value, depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        yield start
        yield from _list(value, depth + 1)
    else:
        yield f"{start} {_scalar(value)}"


def _list(value: Sequence[Value], depth: int) -> Iterator[str]:
    """Write the lines of a list; a mapping's first key stands beside the dash."""
    pad = "  " * depth
    for member in value:
        if isinstance(member, Mapping) and member:
            lines = _mapping(member, depth + 1)
            first = next(lines)
            yield f"{pad}- {first.lstrip()}"
            yield from lines
        else:
            yield from _member(f"{pad}-", member, depth)


def _scalar(value: Value) -> str:
    """Write a value in one line; JSON's strings are YAML's too."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and not _WORDS.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)
