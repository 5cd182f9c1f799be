"""Where each key and item of a TOML document stands; what they say is read by `tomllib`, which knows no positions."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Path = tuple[str | int, ...]

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r]+|\#[^\n]*)
    |(?P<newline>\n)
    |(?P<quoted>\"{3}(?:\\.|[^\\])*?\"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')
    |(?P<mark>[\[\]{},=.])
    |(?P<bare>[^\s\[\]{},=."'\#]+)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Origin:
    """The file a document comes from and the line of each of its keys; no part of what it says."""

    file: str = field(default="configuration", compare=False)
    lines: Mapping[Path, int] = field(default_factory=dict, compare=False)

    def line(self, path: Path) -> int | None:
        """Find the line of a key, or of the nearest thing that holds it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def lines_of(text: str) -> dict[Path, int]:
    """Find the line, from 1, of every table, key and array item.

    Parameters
    ----------
    text
        A document that `tomllib` accepts; of any other, what is found means nothing.

    Returns
    -------
    dict
        Path to line: ``("context", "scanners", 0)`` is the first scanner, ``("context", "doors", 1)`` the second
        door, whether it is written as an inline table or under ``[[context.doors]]``.
    """
    walker = _Walker(text)
    walker.document()
    return walker.found


class _Walker:
    """Walks the tokens of a document and notes the line of each path it meets."""

    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.position = 0
        self.found: dict[Path, int] = {}
        self.arrays: dict[Path, int] = {}

    @property
    def kind(self) -> str:
        return self.tokens[self.position][0] if self.position < len(self.tokens) else "end"

    @property
    def word(self) -> str:
        return self.tokens[self.position][1] if self.position < len(self.tokens) else ""

    @property
    def line(self) -> int:
        return self.tokens[min(self.position, len(self.tokens) - 1)][2]

    def document(self) -> None:
        table: Path = ()
        while self.kind != "end":
            if self.kind == "newline":
                self.position += 1
            elif self.word == "[":
                table = self.header()
            else:
                self.pair(table)

    def header(self) -> Path:
        """Read ``[a.b]`` or ``[[a.b]]``; a name that is an array of tables means its last one."""
        line = self.line
        self.position += 1
        of_array = self.word == "["
        self.position += of_array
        path: Path = ()
        for name in (names := self.names())[:-1]:
            self.note((*path, name), line)
            path = self.last((*path, name))
        path = (*path, names[-1])
        if of_array:
            self.note(path, line)
            self.arrays[path] = self.arrays.get(path, -1) + 1
        path = self.last(path)
        self.note(path, line)
        while self.kind not in {"newline", "end"}:
            self.position += 1
        return path

    def last(self, path: Path) -> Path:
        return (*path, self.arrays[path]) if path in self.arrays else path

    def pair(self, table: Path) -> None:
        """Read ``name = value``, noting the line of each dotted part."""
        line = self.line
        for name in self.names():
            table = (*table, name)
            self.note(table, line)
        self.position += 1
        self.value(table)

    def names(self) -> list[str]:
        names = [self.name()]
        while self.word == ".":
            self.position += 1
            names.append(self.name())
        return names

    def name(self) -> str:
        kind, word = self.kind, self.word
        self.position += 1
        return str(tomllib.loads(f"x = {word}")["x"]) if kind == "quoted" else word

    def value(self, path: Path) -> None:
        """Read a value up to what follows it."""
        if self.kind == "mark" and self.word in "[{":
            closing = "]" if self.word == "[" else "}"
            self.position += 1
            self.items(path, closing)
            return
        while self.kind in {"quoted", "bare"} or self.word == ".":
            self.position += 1

    def items(self, path: Path, closing: str) -> None:
        """Read the items of an array or an inline table up to its closing bracket."""
        index = 0
        while self.kind != "end" and self.word != closing:
            if self.kind == "newline" or self.word == ",":
                self.position += 1
            elif closing == "}":
                self.pair(path)
            else:
                self.note((*path, index), self.line)
                self.value((*path, index))
                index += 1
        self.position += 1

    def note(self, path: Path, line: int) -> None:
        self.found.setdefault(path, line)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Split a document into kind, text and line of its tokens, without blanks and comments."""
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind != "blank":
            yield kind, match.group(), bisect_right(starts, match.start())
