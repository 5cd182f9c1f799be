"""Parsed evidence kept between scans, by what the file holds and how it was read; it knows no format.

Below the folder is one folder for each file that was read: its tables as Parquet, and `entry.json`, which says what
became of the file and what each table must hash to. It is made under another name and renamed when it is whole, so
that whoever finds it finds all of it. What is damaged is removed and read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from errno import EACCES, EEXIST
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from knockwatch._kept import program, user_folder

if TYPE_CHECKING:
    from knockwatch.config import CacheSettings

FOLDER_VARIABLE = "KNOCKWATCH_CACHE"
"""Names the folder, whatever the configuration says."""
SCHEMA = 1
"""Of `entry.json`; an entry of another one is never found, since its key differs."""
PIECE_BYTES = 16 << 20
"""Hashed at a time: large enough to be worth a thread."""
_DESCRIPTION = "entry.json"
_LOCK = "lock"
_UNFINISHED = "unfinished-"
_TAG = "CACHEDIR.TAG"
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n# Parsed by knockwatch: `knockwatch cache clear`\n"
"""Tells programs that make backups to leave the folder out (https://bford.info/cachedir), and us that it is ours."""
_KEY_LETTERS = 64
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Entry:
    """What was parsed of one file.

    Parameters
    ----------
    folder
        Where its tables are, each in Parquet files ``TABLE-NUMBER.parquet``.
    told
        What `Unfinished.keep` was given.
    kept
        Whether it stays there when the scan ends.
    """

    folder: Path
    told: dict[str, Any]
    kept: bool

    def files(self) -> Iterator[tuple[str, Path]]:
        """Give its Parquet files, each with the name of its table."""
        for path in sorted(self.folder.glob("*.parquet")):
            yield path.stem.rpartition("-")[0], path


@dataclass(frozen=True)
class Unfinished:
    """An entry in the making: Parquet files are written to its folder, then it is kept or given up."""

    folder: Path
    target: Path

    def keep(self, told: dict[str, Any]) -> Entry:
        """Make it an entry.

        Raises
        ------
        OSError
            If the folder is full or gone.
        """
        files = {path.name: _hash(path) for path in sorted(self.folder.glob("*.parquet"))}
        body = json.dumps({"told": told, "files": files})
        for path in self.folder.iterdir():
            path.chmod(0o600)
        with _private(self.folder / _DESCRIPTION) as stream:
            stream.write(f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}")
        try:
            self.folder.rename(self.target)
        except OSError:
            # Another scan was faster: its entry is the same.
            found = _read(self.target)
            if found is None:
                raise
            self.give_up()
            return found
        return Entry(self.target, told, kept=True)

    def give_up(self) -> None:
        """Remove it."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Cache:
    """The folder of entries, in use until it is closed: while anyone uses it, nothing is removed.

    Parameters
    ----------
    folder
        Where the entries are.
    most_bytes
        What they may take together; the least recently used go first. A scan stores and uses at most as much.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self.most_bytes = most_bytes
        self.used_bytes = 0
        self._lock = _prepared(folder)
        _flock(self._lock, shared=True)

    @classmethod
    def of(cls, settings: CacheSettings) -> Self | None:
        """Open the configured cache; None where it is off, cannot be made, or is somebody else's: nothing needs it."""
        try:
            return cls(folder_of(settings), settings.megabytes * _MEGABYTE) if settings.megabytes else None
        except OSError:
            return None

    def close(self) -> None:
        """Let go of it; whoever is the last to do so removes what is too much."""
        try:
            if _flock(self._lock, shared=False):
                self._trim(self.most_bytes)
        finally:
            os.close(self._lock)

    def find(self, key: str) -> Entry | None:
        """Find an entry that is whole; a damaged one is removed."""
        folder = self.folder / key
        found = _read(folder)
        if found is None:
            shutil.rmtree(folder, ignore_errors=True)
            return None
        self.used_bytes += _size(folder)
        # Where it fails, the entry counts as used longer ago.
        with suppress(OSError):
            os.utime(folder)
        return found

    def begin(self, key: str) -> Unfinished | None:
        """Begin an entry; None where there is no room for more in this scan, or none on the disk."""
        if self.used_bytes >= self.most_bytes:
            return None
        folder = self.folder / f"{_UNFINISHED}{secrets.token_hex(8)}"
        try:
            folder.mkdir(mode=0o700)
        except OSError:
            return None
        return Unfinished(folder, self.folder / key)

    def add(self, entry: Entry) -> None:
        """Count what an entry takes."""
        self.used_bytes += _size(entry.folder)

    def entries(self) -> list[tuple[Path, int]]:
        """List the entries and their bytes, least recently used first."""
        found = []
        for folder in self.folder.iterdir():
            if _is_key(folder.name):
                try:
                    found.append((folder.stat().st_mtime_ns, folder, _size(folder)))
                except OSError:
                    continue
        return [(folder, size) for _, folder, size in sorted(found)]

    def clear(self) -> bool:
        """Remove all entries; False where another scan uses them."""
        if not _flock(self._lock, shared=False):
            return False
        self._trim(0)
        _flock(self._lock, shared=True)
        return True

    def _trim(self, most_bytes: int) -> None:
        """Remove what nobody finishes any more, and entries until the others take no more than that."""
        for folder in self.folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(folder, ignore_errors=True)
        entries = self.entries()
        total = sum(size for _, size in entries)
        for folder, size in entries:
            if total <= most_bytes:
                break
            shutil.rmtree(folder, ignore_errors=True)
            total -= size


def folder_of(settings: CacheSettings) -> Path:
    """Give the cache's folder: the environment's word, the configuration's, or ``evidence`` in the user's own.

    Raises
    ------
    FileNotFoundError
        If nobody names one and the user has no home.
    """
    if named := os.environ.get(FOLDER_VARIABLE) or settings.folder:
        return Path(named).expanduser()
    return user_folder() / "evidence"


def content_hash(path: Path, executor: Executor | None = None) -> str:
    """Hash the bytes of a file: those of its pieces, hashed side by side, together.

    SHA-256, which processors have instructions for: here 1.3 GB/s a core, BLAKE2 0.5.
    """
    whole = hashlib.sha256()
    run = executor.map if executor else map
    size = path.stat().st_size
    for digest in run(lambda at: _piece_hash(path, at), range(0, max(size, 1), PIECE_BYTES)):
        whole.update(digest)
    return f"{size:x}-{whole.hexdigest()}"


def key_of(*parts: object) -> str:
    """Give the key of an entry: of whatever decides what is parsed, and of this program."""
    said = json.dumps([SCHEMA, program("polars", "numpy", "pyarrow"), *parts], default=str)
    return hashlib.sha256(said.encode()).hexdigest()


def _piece_hash(path: Path, at: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(at)
        return hashlib.sha256(stream.read(PIECE_BYTES)).digest()


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(folder: Path) -> Entry | None:
    """Read an entry; None where there is none or it is damaged."""
    try:
        digest, body = (folder / _DESCRIPTION).read_text("utf-8").split("\n", 1)
        if hashlib.sha256(body.encode()).hexdigest() != digest:
            return None
        said = json.loads(body)
        if any(_hash(folder / name) != wanted for name, wanted in said["files"].items()):
            return None
    except (OSError, ValueError):
        return None
    return Entry(folder, said["told"], kept=True)


def _prepared(folder: Path) -> int:
    """Make the folder and open its lock.

    Raises
    ------
    OSError
        If it cannot be made, belongs to somebody else, or holds what is not ours.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if hasattr(os, "getuid"):
        told = folder.stat()
        if told.st_uid != os.getuid():
            raise PermissionError(EACCES, "belongs to somebody else", str(folder))
        if stat.S_IMODE(told.st_mode) != 0o700:
            folder.chmod(0o700)
    if not (folder / _TAG).exists():
        if any(path.name != _LOCK for path in folder.iterdir()):
            raise FileExistsError(EEXIST, "holds something else: name an empty folder", str(folder))
        with _private(folder / _TAG) as stream:
            stream.write(_SIGNATURE)
    return os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)


def _private(path: Path) -> Any:
    """Open a file for writing that only its owner may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8")


def _flock(lock: int, *, shared: bool) -> bool:
    """Lock for use, waiting, or for removal, at once or not at all; says whether it is locked."""
    if sys.platform == "win32":
        # Windows removes no file that is open.
        return True
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_key(name: str) -> bool:
    return len(name) == _KEY_LETTERS and set(name) <= set("0123456789abcdef")


def _size(folder: Path) -> int:
    """Add up the bytes of an entry's files."""
    return sum(path.stat().st_size for path in folder.iterdir())
