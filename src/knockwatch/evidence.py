r"""Evidence files: finding them, opening them through any compression, reading them in blocks of whole lines.

Nothing here knows a format. Blocks are bounded, so memory does not grow with a file; a line longer than
`MAX_LINE` is cut and counted, and bytes that are not UTF-8 are kept as ``\xNN`` and counted.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, cast

import numpy as np
import polars as pl
import pyarrow as pa

from knockwatch.errors import EvidenceError

BLOCK_BYTES = 8 << 20
"""Bytes read at a time: large enough to amortise a batch, small enough that several in flight are little memory."""
STEP_BYTES = 8 << 10
"""Bytes asked of a decompressor at a time: what is lost where its stream breaks is less than this."""
MAX_LINE = 1 << 20
"""Longest line kept, in bytes: no log format of this field comes near, and a crafted one must not fill memory."""
CUT_CHARACTERS = MAX_LINE // 4
"""What is kept of a longer line, as its example; a character has at most four bytes."""
HEAD_BYTES = 64 << 10
"""How much of a file its format is told from."""

_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
BROKEN_STREAM = (EOFError, OSError, zlib.error, lzma.LZMAError)
"""What a truncated or damaged stream raises."""


Block = tuple[bytes, int]
"""Whole lines, the last one with its newline too, and the number of the first of them."""


@dataclass
class Evidence:
    """One file of evidence.

    Parameters
    ----------
    number
        The file's number within this reading; the `file` column of every table refers to it.
    path
        Where its bytes are.
    name
        What a user calls it: the path as given, or ``-`` for standard input.
    """

    number: int
    path: Path
    name: str
    problems: list[str] = field(default_factory=list)
    bytes_read: int = 0

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return self.path.stat().st_size

    def compression(self) -> str | None:
        """Tell the compression from the first bytes: gzip, bzip2, xz, zstd or None."""
        with self.path.open("rb") as raw:
            start = raw.read(6)
        return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)

    def open(self) -> BinaryIO:
        """Open the uncompressed bytes."""
        match self.compression():
            case "gzip":
                return cast(BinaryIO, gzip.open(self.path, "rb"))
            case "bzip2":
                return cast(BinaryIO, bz2.open(self.path, "rb"))
            case "xz":
                return cast(BinaryIO, lzma.open(self.path, "rb"))
            case "zstd":
                # Arrow's reader, since zstandard's takes a truncated file for a whole one.
                return cast(BinaryIO, pa.CompressedInputStream(pa.OSFile(str(self.path)), "zstd"))
            case _:
                return self.path.open("rb")

    def pieces(self, size: int = BLOCK_BYTES) -> Iterator[bytes]:
        """Read the uncompressed bytes in pieces of at most `size`; a broken stream raises when it is reached.

        Decompressors raise in the middle of a read and take along what that read had got: so theirs are small.
        """
        step = min(size, STEP_BYTES) if self.compression() else size
        with self.open() as stream:
            read = getattr(stream, "read1", stream.read)
            while piece := read(step):
                yield piece

    def head(self, size: int = HEAD_BYTES) -> bytes:
        """Read the first `size` uncompressed bytes; fewer where the stream is broken."""
        start = io.BytesIO()
        try:
            for piece in self.pieces(size):
                start.write(piece)
                if start.tell() >= size:
                    break
        except BROKEN_STREAM:
            pass
        return start.getvalue()[:size]

    def tail(self, size: int = HEAD_BYTES) -> bytes:
        """Read the last `size` uncompressed bytes, by seeking where the file is not compressed."""
        last = b""
        try:
            if self.compression() is None:
                with self.path.open("rb") as stream:
                    stream.seek(max(0, os.fstat(stream.fileno()).st_size - size))
                    return stream.read(size)
            for piece in self.pieces():
                last = (last + piece)[-size:]
        except BROKEN_STREAM:
            pass
        return last

    def chunks(self, size: int = BLOCK_BYTES) -> Iterator[bytes]:
        """Read the uncompressed bytes, some `size` at a time; a broken stream ends early and is noted as a problem."""
        gathered = io.BytesIO()
        try:
            for piece in self.pieces(size):
                self.bytes_read += len(piece)
                if len(piece) >= size and not gathered.tell():
                    yield piece
                    continue
                gathered.write(piece)
                if gathered.tell() >= size:
                    yield gathered.getvalue()
                    gathered = io.BytesIO()
        except BROKEN_STREAM as error:
            self.problems.append(
                f"the file breaks off after {self.bytes_read} bytes ({error}); what stands before was read"
            )
        if gathered.tell():
            yield gathered.getvalue()

    def lines(self) -> Iterator[Lines]:
        """Read blocks of whole lines, the first line being 1."""
        return (Lines.of(block, first) for block, first in self.blocks())

    def blocks(self) -> Iterator[Block]:
        """Read the same as bytes, each with the number of its first line, for whoever splits them elsewhere."""
        first, rest, skipping = 1, b"", False
        for piece in self.chunks():
            end = piece.find(b"\n") if skipping else 0
            if end < 0:
                continue
            skipping = False
            cut = piece.rfind(b"\n", end) + 1
            if not cut:
                rest += piece[end:]
            else:
                block = b"".join((rest, memoryview(piece)[end:cut]))
                rest = piece[cut:]
                yield block, first
                first += block.count(b"\n")
            if len(rest) > MAX_LINE:
                rest, skipping = rest[: MAX_LINE + 1], True
        if rest:
            yield rest + b"\n", first


@dataclass
class Lines:
    r"""A block of whole lines.

    Parameters
    ----------
    frame
        `line` (from 1) and `text` (without the end of line).
    malformed
        How many of them held bytes that are not UTF-8; those bytes now read ``\xNN``.
    overlong
        How many were longer than `MAX_LINE` and are cut.
    """

    frame: pl.DataFrame
    malformed: int = 0
    overlong: int = 0

    def parted(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Part the whole lines from those that were cut, which nobody can read as they were meant."""
        if not self.overlong:
            return self.frame, self.frame.clear()
        cut = pl.col("text").str.len_chars() >= CUT_CHARACTERS
        return self.frame.filter(~cut), self.frame.filter(cut)

    @classmethod
    def of(cls, block: bytes, first: int) -> Lines:
        """Split a block that ends with a newline; `first` is the number of its first line."""
        malformed = 0
        try:
            # Arrow takes the bytes on trust, so they are checked here, once, at C speed.
            block.isascii() or block.decode("utf-8")
        except UnicodeDecodeError:
            block, malformed = _escape_malformed(block)
        ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == 10) + 1
        offsets = np.concatenate(([0], ends))
        text = pl.Series(
            "text",
            pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(block)),
        )
        overlong = 0
        if len(block) > MAX_LINE and int(np.diff(offsets).max(initial=0)) > MAX_LINE:
            too_long = text.str.len_bytes() > MAX_LINE
            overlong = int(too_long.sum())
            text = text.zip_with(~too_long, text.str.head(CUT_CHARACTERS))
        numbers = pl.int_range(first, first + len(ends), dtype=pl.Int64, eager=True)
        frame = pl.DataFrame({"line": numbers, "text": text.str.strip_chars_end("\r\n")})
        return cls(frame, malformed, overlong)


def _escape_malformed(block: bytes) -> tuple[bytes, int]:
    r"""Write the bytes that are not UTF-8 as ``\xNN`` and count the lines that had any."""
    lines = block.split(b"\n")
    count = 0
    for index, line in enumerate(lines):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            lines[index] = line.decode("utf-8", "backslashreplace").encode("utf-8")
            count += 1
    return b"\n".join(lines), count


def collect(arguments: Iterable[str], spool: Path) -> tuple[list[Evidence], list[str]]:
    """Turn what a user named into evidence files.

    Parameters
    ----------
    arguments
        Files, folders (read recursively), globs, or ``-`` for standard input.
    spool
        Folder that standard input is written to, since a format is told from the start and lines are looked up
        later.

    Returns
    -------
    tuple
        The files in a stable order, each once, and a sentence for each that cannot be read.

    Raises
    ------
    EvidenceError
        If an argument names nothing at all.
    """
    paths: dict[Path, str] = {}
    problems: list[str] = []
    for argument in arguments:
        if argument == "-":
            paths[_spool_stdin(spool)] = "-"
            continue
        named = [Path(argument)]
        if not named[0].exists() and glob.has_magic(argument):
            named = [Path(found) for found in sorted(glob.glob(argument, recursive=True))]
        if not named or not os.path.lexists(named[0]):
            raise EvidenceError("no such file or folder: check the path", path=argument)
        for path in named:
            for file in _walk(path, problems):
                paths.setdefault(file, str(file))
    evidence: list[Evidence] = []
    for path, name in paths.items():
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            problems.append(f"{name}: cannot be read ({error.strerror})")
            continue
        evidence.append(Evidence(len(evidence), path, name))
    return evidence, problems


def _walk(path: Path, problems: list[str]) -> Iterator[Path]:
    """Yield the regular files below a path; devices, sockets and pipes are no evidence."""
    if not path.is_dir():
        if path.is_file():
            yield path
        else:
            problems.append(f"{path}: is no regular file; give standard input as -")
        return

    def refused(error: OSError) -> None:
        problems.append(f"{error.filename}: cannot be read ({error.strerror})")

    for folder, folders, names in os.walk(path, onerror=refused):
        folders.sort()
        for name in sorted(names):
            file = Path(folder, name)
            if file.is_file():
                yield file


def _spool_stdin(spool: Path) -> Path:
    """Copy standard input to a file in bounded pieces."""
    import shutil
    import sys

    target = spool / "stdin"
    with target.open("wb") as out:
        shutil.copyfileobj(cast(IO[bytes], sys.stdin.buffer), out, BLOCK_BYTES)
    return target


def text_of(evidence: Evidence, wanted: Iterable[int], limit: int = 2000) -> dict[int, str]:
    """Read the text of some lines again, at most `limit` characters of each.

    Cases quote their evidence as it stands in the file; keeping every line in the tables for that would double
    them, and only a few are ever quoted.
    """
    remaining = sorted(set(wanted))
    found: dict[int, str] = {}
    if not remaining:
        return found
    number, rest = 1, b""
    try:
        for piece in evidence.pieces():
            block = rest + piece
            count = block.count(b"\n")
            if number + count <= remaining[0]:
                # None of these lines is wanted: keep only the one that is still open.
                rest = block[block.rfind(b"\n") + 1 :][:MAX_LINE]
                number += count
                continue
            lines = block.split(b"\n")
            rest = lines.pop()[:MAX_LINE]
            while remaining and remaining[0] < number + len(lines):
                wanted_line = remaining.pop(0)
                found[wanted_line] = _decode(lines[wanted_line - number], limit)
            number += len(lines)
            if not remaining:
                break
    except BROKEN_STREAM:
        pass
    if remaining and rest and remaining[0] == number:
        found[number] = _decode(rest, limit)
    return found


def _decode(line: bytes, limit: int) -> str:
    """Decode a line for quoting."""
    return line[: limit * 4].rstrip(b"\r").decode("utf-8", "backslashreplace")[:limit]
