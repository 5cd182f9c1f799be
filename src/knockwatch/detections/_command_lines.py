"""Command lines as people and daemons write them: the programs they start, with their words. It runs nothing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import NamedTuple

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
_SEPARATOR = re.compile(r"^[;&|]+$")
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*=")
_MOST_NESTED = 6
"""Shells and wrappers within each other that are followed: more than people write, and an end to crafted ones."""


class _Wrapper(NamedTuple):
    """A program that starts another: its options that take a value, and how many words come before the other."""

    valued: str = ""
    words: int = 0


_WRAPPERS: Mapping[str, _Wrapper] = {
    "busybox": _Wrapper(),
    "chroot": _Wrapper(words=1),
    "command": _Wrapper(),
    "doas": _Wrapper("-u -C"),
    "env": _Wrapper("-u -C --unset --chdir"),
    "exec": _Wrapper("-a"),
    "ionice": _Wrapper("-c -n -p"),
    "nice": _Wrapper("-n"),
    "nohup": _Wrapper(),
    "nsenter": _Wrapper("-t --target -S -G"),
    "proxychains": _Wrapper("-f"),
    "proxychains4": _Wrapper("-f"),
    "setsid": _Wrapper(),
    "stdbuf": _Wrapper("-i -o -e"),
    "strace": _Wrapper("-e -o -p -s"),
    "sudo": _Wrapper("-u -g -h -p -r -t -C -D -R -T -U --user --group"),
    "time": _Wrapper("-f -o"),
    "timeout": _Wrapper("-k -s --kill-after --signal", words=1),
    "torsocks": _Wrapper(),
    "unshare": _Wrapper(),
    "watch": _Wrapper("-n --interval"),
}


def commands(command_line: str) -> list[list[str]]:
    """Split a command line into the programs it starts, shells and wrappers such as ``sudo`` taken off.

    Parameters
    ----------
    command_line
        As a shell, knockd's `Command` or an endpoint's record has it; quotes may have been lost on the way.

    Returns
    -------
    list
        The words of each program, itself first; none is empty.
    """
    return list(_unwrapped(command_line, _MOST_NESTED))


def program(word: str) -> str:
    """Give the last part of a program's path in lower case, without ``.exe``."""
    return re.split(r"[/\\]", word)[-1].lower().removesuffix(".exe")


def _unwrapped(command_line: str, depth: int) -> Iterator[list[str]]:
    """Yield every program of a command line."""
    for words in _simple(command_line):
        yield from _started(words, depth)


def _started(words: Sequence[str], depth: int) -> Iterator[list[str]]:
    """Yield what a simple command starts in the end."""
    rest = list(words)
    while rest and _ASSIGNMENT.match(rest[0]):
        rest.pop(0)
    if not rest:
        return
    name = program(rest[0])
    if depth and name in _SHELLS:
        script = _script(rest[1:])
        if script is not None:
            yield from _unwrapped(script, depth - 1)
            return
    elif depth and name in _WRAPPERS:
        yield from _started(_after_wrapper(rest[1:], _WRAPPERS[name]), depth - 1)
        return
    elif depth and name == "ip" and rest[1:3] == ["netns", "exec"]:
        yield from _started(rest[4:], depth - 1)
        return
    yield rest


def _script(words: Sequence[str]) -> str | None:
    """Give what ``-c`` tells a shell to run; records without quotes have it as several words."""
    for index, word in enumerate(words):
        if not word.startswith("-"):
            return None
        if word.endswith("c") and not word.startswith("--"):
            script = list(words[index + 1 :])
            # One word with others after it has lost its quotes: a script of one word needs no arguments.
            return None if not script else script[0] if " " in script[0] else " ".join(script)
    return None


def _after_wrapper(words: Sequence[str], wrapper: _Wrapper) -> list[str]:
    """Give the words after a wrapper's own options and arguments."""
    valued = wrapper.valued.split()
    rest = list(words)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in valued and rest:
            rest.pop(0)
    while rest and _ASSIGNMENT.match(rest[0]):
        rest.pop(0)
    return rest[wrapper.words :]


def _simple(command_line: str) -> Iterator[list[str]]:
    """Split at what separates commands; quotes that never close are text."""
    try:
        lexer = shlex.shlex(command_line, posix=True, punctuation_chars=";&|")
        lexer.whitespace_split = True
        lexer.commenters = ""
        words = list(lexer)
    except ValueError:
        words = command_line.split()
    simple: list[str] = []
    for word in words:
        if _SEPARATOR.match(word):
            if simple:
                yield simple
            simple = []
        else:
            simple.append(word)
    if simple:
        yield simple


def address_of(target: str | None) -> str | None:
    """Give a target of a command in shortest form, if it is an address and no name."""
    try:
        return str(ip_address(target or ""))
    except ValueError:
        return None
