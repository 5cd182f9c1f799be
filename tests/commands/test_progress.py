"""Progress is for people at a terminal."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest

from knockwatch.commands.progress import EXPANSION, reading, total_bytes


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_there_is_none_without_a_terminal(tmp_path: Path) -> None:
    with reading([str(tmp_path)], quiet=False) as progress:
        assert progress is None


def test_there_is_none_when_quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    with reading([str(tmp_path)], quiet=True) as progress:
        assert progress is None


def test_a_hostile_file_name_is_shown_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    (tmp_path / "a.log").write_bytes(b"x" * 100)
    with reading([str(tmp_path)], quiet=False) as progress:
        assert progress is not None
        progress("logs/\x1b]0;owned\x07.log", 10)
    assert r"\x1b]0;owned" in terminal.getvalue()


def test_the_total_is_estimated_through_compression(tmp_path: Path) -> None:
    (tmp_path / "plain.log").write_bytes(b"x" * 100)
    packed = gzip.compress(b"y" * 5000)
    (tmp_path / "packed.gz").write_bytes(packed)
    assert total_bytes([str(tmp_path)]) == 100 + EXPANSION * len(packed)
    assert total_bytes([str(tmp_path), "-"]) is None
