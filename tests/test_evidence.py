"""Evidence files: found, opened through any compression, read in whole lines."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.errors import EvidenceError
from knockwatch.evidence import BLOCK_BYTES, MAX_LINE, Evidence, Lines, collect, text_of

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}
_BYTES = st.binary(max_size=60).map(lambda data: b"-" + data.replace(b"\x00", b"\n"))
"""Bytes with many lines, which do not begin as a compressed file does."""


class InSmallPieces(Evidence):
    """Evidence that comes a few bytes at a time, so that every line lies across a boundary."""

    def pieces(self, size: int = BLOCK_BYTES) -> Iterator[bytes]:
        return super().pieces(min(size, 5))

    def chunks(self, size: int = BLOCK_BYTES) -> Iterator[bytes]:
        return super().chunks(min(size, 5))


def _evidence(folder: Path, data: bytes, kind: type[Evidence] = Evidence) -> Evidence:
    path = folder / "evidence"
    path.write_bytes(data)
    return kind(0, path, str(path))


def _frame(evidence: Evidence) -> pl.DataFrame:
    return pl.concat([lines.frame for lines in evidence.lines()])


def _expected(data: bytes) -> list[tuple[int, str]]:
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    texts = [line.decode("utf-8", "backslashreplace").rstrip("\r") for line in lines]
    return list(enumerate(texts, 1))


@given(_BYTES)
def test_every_line_has_its_number_and_its_text(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for kind in (Evidence, InSmallPieces):
            evidence = _evidence(Path(folder), data, kind)
            read = [row for lines in evidence.lines() for row in lines.frame.rows()]

            assert read == _expected(data)
            assert evidence.bytes_read == len(data)


@given(_BYTES, st.sets(st.integers(1, 12)))
def test_any_lines_can_be_quoted_again(data: bytes, wanted: set[int]) -> None:
    expected = {line: text for line, text in _expected(data) if line in wanted}
    with tempfile.TemporaryDirectory() as folder:
        for kind in (Evidence, InSmallPieces):
            assert text_of(_evidence(Path(folder), data, kind), wanted) == expected


def test_a_quoted_line_is_cut_at_the_limit(tmp_path: Path) -> None:
    assert text_of(_evidence(tmp_path, b"short\n" + b"x" * 9000), [2], limit=10) == {2: "x" * 10}


def test_malformed_bytes_are_escaped_and_their_lines_counted() -> None:
    lines = Lines.of("grün\n".encode() + b"caf\xe9\n\xff\xfe\n", 7)

    assert lines.frame.rows() == [(7, "grün"), (8, "caf\\xe9"), (9, "\\xff\\xfe")]
    assert lines.malformed == 2


def test_a_line_beyond_the_limit_is_cut_and_counted(tmp_path: Path) -> None:
    data = b"before\n" + b"x" * (3 * MAX_LINE) + b"\nafter\n"

    blocks = list(_evidence(tmp_path, data).lines())

    frame = pl.concat([block.frame for block in blocks])
    assert frame["line"].to_list() == [1, 2, 3]
    assert frame["text"][0] == "before"
    assert frame["text"][2] == "after"
    assert frame["text"].str.len_bytes().max() <= MAX_LINE  # type: ignore[operator]
    assert sum(block.overlong for block in blocks) == 1


def test_a_line_longer_than_any_block_takes_no_more_memory_than_the_limit(tmp_path: Path) -> None:
    data = b"before\n" + b"x" * (3 * BLOCK_BYTES) + b"\nafter"

    blocks = list(_evidence(tmp_path, data).lines())

    frame = pl.concat([block.frame for block in blocks])
    assert [frame["text"][0], frame["text"][2]] == ["before", "after"]
    assert frame["line"].to_list() == [1, 2, 3]
    assert sum(block.overlong for block in blocks) == 1


@pytest.mark.parametrize("packer", PACKERS)
def test_compression_is_told_from_content_and_undone(tmp_path: Path, packer: str) -> None:
    data = b"one line\nanother\n" * 1000

    evidence = _evidence(tmp_path, PACKERS[packer](data))

    assert evidence.compression() == packer
    assert evidence.head(8) == b"one line"
    assert evidence.tail(8) == b"another\n"
    assert b"".join(evidence.chunks()) == data
    assert text_of(evidence, [2]) == {2: "another"}
    assert evidence.problems == []


@pytest.mark.parametrize("packer", PACKERS)
def test_members_one_after_the_other_are_one_file(tmp_path: Path, packer: str) -> None:
    packed = PACKERS[packer](b"first\n") + PACKERS[packer](b"second\n")

    assert _frame(_evidence(tmp_path, packed))["text"].to_list() == ["first", "second"]


def _possible(packer: str, packed: bytes) -> int:
    """How much of a broken stream can be had."""
    import zlib

    decompressors: dict[str, Callable[[], SimpleNamespace]] = {
        "gzip": lambda: SimpleNamespace(decompress=zlib.decompressobj(31).decompress),
        "bzip2": lambda: SimpleNamespace(decompress=bz2.BZ2Decompressor().decompress),
        "xz": lambda: SimpleNamespace(decompress=lzma.LZMADecompressor().decompress),
    }
    return len(decompressors[packer]().decompress(packed))


@pytest.mark.parametrize("packer", ["gzip", "bzip2", "xz"])
def test_nothing_that_stands_before_a_break_is_lost(tmp_path: Path, packer: str) -> None:
    data = b"".join(os.urandom(30).hex().encode() + b"\n" for _ in range(25_000))
    packed = PACKERS[packer](data)
    broken = packed[: len(packed) * 2 // 3]

    evidence = _evidence(tmp_path, broken)
    read = b"".join(evidence.chunks())

    assert data.startswith(read)
    assert len(read) == _possible(packer, broken) > 0
    assert len(evidence.problems) == 1
    assert str(len(read)) in evidence.problems[0]


@pytest.mark.parametrize("packer", PACKERS)
def test_a_break_is_always_noted(tmp_path: Path, packer: str) -> None:
    packed = PACKERS[packer](b"a line that is packed\n" * 100)

    evidence = _evidence(tmp_path, packed[: len(packed) - 3])
    list(evidence.chunks())

    assert len(evidence.problems) == 1
    assert "breaks off" in evidence.problems[0]


def test_the_head_of_a_short_broken_file_is_what_can_be_had(tmp_path: Path) -> None:
    data = b"".join(os.urandom(30).hex().encode() + b"\n" for _ in range(500))
    packed = gzip.compress(data)

    head = _evidence(tmp_path, packed[: len(packed) // 2]).head()

    assert len(head) > 1000
    assert data.startswith(head)


@given(st.sampled_from(sorted(PACKERS)), st.integers(0, 400), st.integers(0, 255), st.integers(0, 400))
def test_damage_ends_a_file_and_nothing_else(packer: str, place: int, value: int, cut: int) -> None:
    packed = bytearray(PACKERS[packer](b"".join(b"line %d\n" % number for number in range(300))))
    packed[place % len(packed)] = value
    with tempfile.TemporaryDirectory() as folder:
        evidence = _evidence(Path(folder), bytes(packed[cut % len(packed) :]))
        for lines in evidence.lines():
            assert lines.frame.height > 0
        evidence.head()
        evidence.tail()
        text_of(evidence, [1, 100])

    assert len(evidence.problems) <= 1


def test_head_and_tail_are_bounded(tmp_path: Path) -> None:
    evidence = _evidence(tmp_path, b"a" * 100 + b"b" * 100)

    assert evidence.head(5) == b"aaaaa"
    assert evidence.tail(5) == b"bbbbb"
    assert evidence.tail(1000) == b"a" * 100 + b"b" * 100


def test_a_file_that_vanishes_is_a_problem_and_no_error(tmp_path: Path) -> None:
    evidence = _evidence(tmp_path, b"x")
    evidence.path.unlink()

    assert evidence.head() == b""
    assert evidence.tail() == b""
    assert list(evidence.lines()) == []
    assert len(evidence.problems) == 1


# --- finding files


def test_folders_are_read_recursively_and_in_a_stable_order(tmp_path: Path) -> None:
    for name in ("b/two", "a/one", "three"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")

    evidence, problems = collect([str(tmp_path)], tmp_path)

    assert [file.path.name for file in evidence] == ["three", "one", "two"]
    assert [file.number for file in evidence] == [0, 1, 2]
    assert problems == []


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x")

    evidence, _ = collect([str(tmp_path / "log"), str(tmp_path), str(tmp_path / "*")], tmp_path)

    assert len(evidence) == 1


def test_globs_are_resolved(tmp_path: Path) -> None:
    for name in ("a.log", "b.log", "c.txt"):
        (tmp_path / name).write_text("x")

    evidence, _ = collect([str(tmp_path / "*.log")], tmp_path)

    assert [file.path.name for file in evidence] == ["a.log", "b.log"]


def test_a_name_with_brackets_is_a_name_before_it_is_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "log[1]").write_text("x")

    evidence, _ = collect([str(tmp_path / "log[1]")], tmp_path)

    assert [file.path.name for file in evidence] == ["log[1]"]


@pytest.mark.parametrize("name", ["missing", "*.nothing"])
def test_a_path_that_names_nothing_is_one_clear_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(EvidenceError, match=re.escape(name)):
        collect([str(tmp_path / name)], tmp_path)


def test_a_pipe_is_no_evidence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "log").write_text("x")

    inside, silent = collect([str(tmp_path)], tmp_path)
    named, said = collect([str(tmp_path / "pipe")], tmp_path)

    assert [file.path.name for file in inside] == ["log"]
    assert silent == []
    assert named == []
    assert "is no regular file" in said[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x")
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0)
    (tmp_path / "folder").mkdir(mode=0)

    evidence, problems = collect([str(tmp_path)], tmp_path)
    (tmp_path / "folder").chmod(0o700)

    assert [file.path.name for file in evidence] == ["log"]
    assert len(problems) == 2
    assert all("cannot be read" in problem for problem in problems)


def test_standard_input_is_a_file_called_dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"from a pipe\n")))

    evidence, _ = collect(["-"], tmp_path)

    assert [file.name for file in evidence] == ["-"]
    assert _frame(evidence[0])["text"].to_list() == ["from a pipe"]
