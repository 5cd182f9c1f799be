"""Laying out text in columns on a terminal: a gutter, a body that wraps, a word at the right edge.

Rich measures and colours; lines are laid out here so that they carry no trailing blanks.
"""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.text import Text

GUTTER = 16
"""Columns at the left edge, for a severity with its score or for a paragraph's label."""
PLAIN_WIDTH = 80
"""Columns where the output is no terminal: the width that people agreed on."""
WIDEST = 100
"""Columns beyond which prose is tiring to read, however wide the terminal."""
WIDE = 120
"""Columns of a table of many columns where the output is no terminal."""
NARROWEST = 40
"""Columns below which nothing fits beside the gutter."""


class _Console(Console):
    """A console that leaves it to the command what becomes of a reader that has left."""

    def on_broken_pipe(self) -> None:
        """Pass the error on: Rich would end the program with status 1."""
        raise BrokenPipeError


def console_for(stream: TextIO) -> Console:
    """Make a console that colours on a terminal only, and takes nothing in the text for markup."""
    console = _Console(file=stream, markup=False, emoji=False, highlight=False)
    width = console.width if console.is_terminal else PLAIN_WIDTH
    console.width = max(NARROWEST, min(width, WIDEST))
    return console


def wide_console_for(stream: TextIO) -> Console:
    """Make a console for a table of many columns: as wide as the terminal."""
    console = console_for(stream)
    console.width = max(PLAIN_WIDTH, Console(file=stream).width) if console.is_terminal else WIDE
    return console


def put(console: Console, *lines: Text | str) -> None:
    """Print lines as they are."""
    for line in lines:
        console.print(line, soft_wrap=True)


def wrapped(body: Text, width: int) -> list[Text]:
    """Break text into lines of a width, words kept whole where they fit."""
    lines = list(body.wrap(Console(width=width), width))
    for line in lines:
        line.rstrip()
    return lines


def cut(line: Text, width: int, more: str) -> Text:
    """End a line with the sign that more follows, after a whole word if there is one."""
    room = width - len(more) - 1
    kept = line.plain[:room].rpartition(" ")[0] if line.cell_len > room else line.plain
    return Text(f"{kept or line.plain[:room]} {more}")


def block(console: Console, gutter: Text, body: Text, right: Text | None = None) -> None:
    """Print a body beside a gutter, with a word at the right edge of its first line."""
    indent = gutter.cell_len
    room = console.width - indent - (right.cell_len + 2 if right else 0)
    for number, line in enumerate(wrapped(body, room)):
        if number:
            put(console, Text(" " * indent) + line)
            continue
        first = Text.assemble(gutter, line)
        if right:
            first.append(" " * (console.width - first.cell_len - right.cell_len))
            first.append_text(right)
        put(console, first)


def indented(console: Console, body: Text, indent: int) -> None:
    """Print a body below a gutter."""
    for line in wrapped(body, console.width - indent):
        put(console, Text(" " * indent) + line)
