"""How evidence is made safe to show, in this one place: for terminals, JSON read on one, spreadsheets and Markdown.

Evidence is written by whoever attacks: a log line may hold terminal escapes that clear the screen, marks that turn
the reading direction around, characters that nobody sees, a formula, a link or markup.
"""

from __future__ import annotations

import json
import re
from typing import Any

_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
# Letters and marks that `str.isprintable` lets pass although they show nothing: Unicode's Default_Ignorable_Code_Point
# (DerivedCoreProperties.txt) without those it already refuses, and the blank braille pattern.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula (OWASP, CSV Injection)."""
_TICKS = re.compile("`+")
_WORD = re.compile(r"[(]?[^\W_]+(?:['’/-][^\W_]+)*[)]?[.,;:]*")
"""A word without a character that Markdown, a forge's mentions or its links give a meaning."""
_ITEM = re.compile(r"\d+[.)]")
"""What begins an item of a numbered list."""


class Markdown(str):
    """Text that can stand in Markdown as it is: our own, or made safe by `code_span` or `plain_words`."""

    __slots__ = ()


def visible(text: str) -> str:
    r"""Show what a terminal would obey, hide or reorder.

    Control characters, terminal escapes, marks of reading direction, zero-width and unassigned characters, lone
    surrogates, line breaks and blanks other than the plain one become ``\n``, ``\x1b``, ``\u202e`` and the like;
    all else stays as it is, in any script.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_SHORT.get(mark) or _code(mark) if _is_unsafe(mark) else mark for mark in text)


def json_text(value: Any, *, indent: int | None = None) -> str:
    r"""Write JSON whose strings keep every script readable and hold nothing that a terminal obeys.

    The characters of `visible` are written as JSON's own ``\uXXXX``, so the text reads back unchanged.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    if text.isascii() and "\x7f" not in text:
        return text
    # What is unsafe stands only inside strings, but for the line breaks of the indentation.
    return "".join(_units(mark) if mark != "\n" and _is_unsafe(mark) else mark for mark in text)


def cell(text: str) -> str:
    """Make a CSV cell that a spreadsheet takes for text: an apostrophe goes before what would be a formula."""
    shown = visible(text)
    return f"'{shown}" if text.startswith(_FORMULA) else shown


def code_span(text: str) -> Markdown:
    """Write text as a Markdown code span, in which nothing has a meaning: no markup, no link, no mention.

    A table would part it at a ``|``: none of ours holds evidence.
    """
    shown = visible(text)
    if not shown.strip():
        return Markdown("(empty)")
    fence = "`" * (max(map(len, _TICKS.findall(shown)), default=0) + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return Markdown(f"{fence}{pad}{shown}{pad}{fence}")


def plain_words(text: str) -> Markdown:
    """Write a sentence as Markdown: plain words as they are, all else (addresses, names, commands) as code spans."""
    parts: list[str] = []
    odd: list[str] = []
    for word in visible(text).split(" "):
        if _WORD.fullmatch(word) and not _ITEM.fullmatch(word):
            parts += [code_span(" ".join(odd))] * bool(odd) + [word]
            odd = []
        elif word:
            odd.append(word)
    return Markdown(" ".join([*parts, *[code_span(" ".join(odd))] * bool(odd)]))


def _is_unsafe(mark: str) -> bool:
    """Tell whether a character must be shown by its code."""
    return not mark.isprintable() or _UNSEEN.match(mark) is not None


def _code(mark: str) -> str:
    r"""Write a character as ``\xNN``, ``\uNNNN`` or ``\UNNNNNNNN``."""
    number = ord(mark)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _units(mark: str) -> str:
    r"""Write a character as JSON does: ``\uXXXX``, two of them beyond the first plane."""
    units = mark.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
