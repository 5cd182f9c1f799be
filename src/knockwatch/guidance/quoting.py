"""How values get into a page of guidance: as Markdown, or quoted for a shell; nothing gets there raw."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from knockwatch.errors import KnockwatchError
from knockwatch.reports.escape import Markdown, code_span, plain_words, visible

_POWERSHELL_QUOTES = "'‘’‚‛"
"""What PowerShell takes for a single quote (about_Quoting_Rules, and its tokenizer's IsSingleQuote)."""


BLANK = "\ue000"
"""What stands for a value where text and values are apart: for private use, so `visible` leaves none in a value."""
_END = "\ue001"
_MARKED = re.compile(f"{BLANK}([^{_END}]*){_END}")


class Own(Markdown):
    """Our own words, out of a data file: no value of a case, though templates fill them in."""

    __slots__ = ()


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


def marked(value: Any) -> str:
    """Write a value so that `parted` finds it again; what is our own is text."""
    return str(value) if isinstance(value, Own) else f"{BLANK}{written(value)}{_END}"


def parted(page: str) -> tuple[str, tuple[str, ...]]:
    """Part a page of marked values: its text, with a blank for each value, and the values."""
    return _MARKED.sub(BLANK, page), tuple(_MARKED.findall(page))


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
    own = all(isinstance(value, Own) for value in values)
    return (Own if own else Markdown)(between.join(shown))


FILTERS: Mapping[str, Callable[..., str]] = {
    "sh": shell,
    "powershell": powershell,
    "prose": plain_words,
    "code": code_span,
    "together": together,
}
