"""How values get into a page of guidance: as Markdown, or quoted for a shell; nothing gets there raw."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from knockwatch.errors import KnockwatchError
from knockwatch.reports.escape import Markdown, code_span, plain_words, visible

_POWERSHELL_QUOTES = "'‘’‚‛"
"""What PowerShell takes for a single quote (about_Quoting_Rules, and its tokenizer's IsSingleQuote)."""


class UnfilledError(KnockwatchError):
    """A template uses a value that a case does not have."""


def written(value: Any) -> str:
    """Write a value of a template: what is safe as it is, numbers, and all other text as a code span.

    Raises
    ------
    UnfilledError
        If there is no value.
    """
    match value:
        case Markdown() | bool() | int():
            return str(value)
        case str():
            return code_span(value)
    raise UnfilledError(f"a template has no value to write: {value!r}")


def shell(text: str) -> Markdown:
    """Quote text as one word of a POSIX shell; with what a terminal or Markdown obeys in it, as Bash's ``$'…'``."""
    if visible(text) == text and "`" not in text:
        return Markdown(shlex.quote(text))
    spelled = "".join(
        rf"\x{byte:02x}" if not 0x20 <= byte < 0x7F or chr(byte) in "'`\\" else chr(byte)
        for byte in text.encode("utf-8", "surrogateescape" if _is_bytes(text) else "replace")
    )
    return Markdown(f"$'{spelled}'")


def powershell(text: str) -> Markdown:
    """Quote text as a literal string of PowerShell."""
    doubled = "".join(mark * 2 if mark in _POWERSHELL_QUOTES else mark for mark in visible(text))
    return Markdown(f"'{doubled}'")


def _is_bytes(text: str) -> bool:
    """Tell whether the lone surrogates of a text all stand for bytes, as Python reads names of files."""
    return all(0xDC80 <= ord(mark) <= 0xDCFF for mark in text if 0xD800 <= ord(mark) <= 0xDFFF)


def together(values: Sequence[str], last: str = " and ", between: str = ", ") -> Markdown:
    """List values that are each written safely: ``a, b and c``; without a last separator all are parted alike."""
    shown = [written(value) for value in values]
    if last and len(shown) > 1:
        shown = [*shown[:-2], last.join(shown[-2:])]
    return Markdown(between.join(shown))


FILTERS: Mapping[str, Callable[..., str]] = {
    "sh": shell,
    "powershell": powershell,
    "prose": plain_words,
    "code": code_span,
    "together": together,
}
