"""Our signatures' patterns over hexadecimal text as patterns over bytes, and what of a signature bytes cannot say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

_TOKEN = re.compile(
    r"(?P<anchor>\^)|(?P<byte>[0-9a-f]{2})|(?P<any>\.\.)|\.\{(?P<some>\d+)\}|(?P<free>\(\.\.\)\*)|(?P<mark>[()|])"
)


def unsaid(match: Mapping[str, Any], conditions: AbstractSet[str]) -> bool:
    """Tell whether a signature has a condition without which it says nothing, but that cannot be written."""
    patterns = match.get("payload_head", {}).get("matches", ())
    return bool(match.keys() & conditions) or any(byte_pattern(pattern) is None for pattern in patterns)


def byte_pattern(pattern: str, any_byte: str = ".") -> str | None:
    """Write a pattern over lower-case hexadecimal as one over bytes.

    Parameters
    ----------
    pattern
        As signatures have it.
    any_byte
        What stands for any byte.

    Returns
    -------
    str or None
        None where the pattern looks at halves of bytes, or has what is not written here.
    """
    written, at = [], 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None:
            return None
        word = _word(token, any_byte)
        if word is None:
            return None
        written.append(word)
        at = token.end()
    return "".join(written)


def _word(token: re.Match[str], any_byte: str) -> str | None:
    """Write one token; an odd number of digits is no whole number of bytes."""
    if token["byte"]:
        return f"\\x{token['byte']}"
    if token["some"]:
        bytes_, half = divmod(int(token["some"]), 2)
        return None if half else f"{any_byte}{{{bytes_}}}"
    if token["free"]:
        return f"{any_byte}*"
    if token["any"]:
        return any_byte
    return token["anchor"] or token["mark"]
