"""Configurations of the knock daemons that run, copied without their keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_FILES = {
    "knockd": (("knockd.conf", ("-c", "--config"), "/etc/knockd.conf"),),
    "fwknopd": (
        ("access.conf", ("-a", "--access-file"), "/etc/fwknop/access.conf"),
        ("fwknopd.conf", ("-c", "--config-file"), "/etc/fwknop/fwknopd.conf"),
    ),
}
"""Options by which the daemons are told where their files are, and where they look without (knockd(1), fwknopd(8))."""
_SECRET = re.compile(rb"(?i)^\s*\S*(?:KEY|PASSPHRASE|PASSWORD|SECRET|GPG_\S*_PW)\S*\s*[:=\s]\s*\S")
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Daemon:
    """A knock daemon that runs: its process, its name and its words."""

    pid: int
    name: str
    words: tuple[str, ...]


def gather(folder: Path, daemons: Iterable[Daemon]) -> list[str]:
    """Write the files of the daemons that run; give a sentence for each that cannot be read.

    The file of a daemon that does not run is left alone: packages bring samples, which open nothing.
    """
    unseen: list[str] = []
    seen: set[tuple[int, int]] = set()
    for name, path in [(f"{daemon.pid}-{name}", path) for daemon in daemons for name, path in _files(daemon)]:
        try:
            status = path.stat()
            text = _without_keys(path)
        except OSError as error:
            unseen.append(f"a knock daemon's configuration: {path} cannot be read ({error.strerror})")
            continue
        if (status.st_dev, status.st_ino) not in seen:
            (folder / name).write_bytes(text)
        seen.add((status.st_dev, status.st_ino))
    return unseen


def _files(daemon: Daemon) -> Iterator[tuple[str, Path]]:
    """Give the files that a daemon's command line names, as the daemon sees them."""
    for name, options, usual in _FILES.get(daemon.name, ()):
        told = _value(daemon.words, options) or usual
        process = Path("/proc", str(daemon.pid))
        within = str(Path(_folder(process), told))
        yield name, process / "root" / within.lstrip("/")


def _folder(process: Path) -> str:
    """Give the folder a process works in."""
    try:
        return str((process / "cwd").readlink())
    except OSError:
        return "/"


def _value(words: tuple[str, ...], options: tuple[str, ...]) -> str | None:
    """Give the value of an option, as ``-c FILE``, ``-cFILE`` or ``--config=FILE``."""
    for index, word in enumerate(words):
        if word in options and index + 1 < len(words):
            return words[index + 1]
        for option in options:
            if option.startswith("--") and word.startswith(f"{option}="):
                return word.partition("=")[2]
            if not option.startswith("--") and word.startswith(option) and len(word) > len(option):
                return word[len(option) :]
    return None


def _without_keys(path: Path) -> bytes:
    """Read a configuration; a line that holds a key becomes a comment, so that the others keep their numbers."""
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES)
    return b"\n".join(b"# a key, left out" if _SECRET.match(line) else line for line in text.split(b"\n"))
