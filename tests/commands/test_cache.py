"""What `knockwatch cache` shows and removes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from knockwatch.cache import Cache
from knockwatch.cli import cli
from knockwatch.config import CacheSettings

LINE = "Nov  2 11:23:00 fw kernel: IPT-DROP: IN=eth0 SRC=198.51.100.7 DST=203.0.113.10 PROTO=TCP SPT=4000 DPT=9 SYN\n"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log, in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "fw.log"
    path.write_text(LINE, encoding="utf-8")
    return path


def shown() -> dict[str, object]:
    """What `cache show` says."""
    done = CliRunner().invoke(cli, ["cache", "show", "--format", "json"])
    assert done.exit_code == 0, done.output
    told: list[dict[str, object]] = json.loads(done.stdout)
    return told[0]


@pytest.mark.parametrize(
    "command",
    [["scan"], ["tables", "--to", "out"], ["tune"], ["hunt", "burst-of-denials"]],
    ids=lambda it: it[0],
)
def test_commands_that_read_evidence_keep_it_unless_they_are_told_not_to(
    command: list[str], log: Path, own_cache: Path
) -> None:
    done = CliRunner().invoke(cli, [*command, str(log), "--no-cache"])
    assert done.exit_code == 0, done.output
    assert not own_cache.exists()
    done = CliRunner().invoke(cli, [*command, str(log)])
    assert done.exit_code == 0, done.output
    told = shown()
    assert (told["folder"], told["files"], told["most_bytes"]) == (str(own_cache), 1, 5_000_000_000)


def test_clear_removes_everything(log: Path) -> None:
    CliRunner().invoke(cli, ["scan", str(log)])
    done = CliRunner().invoke(cli, ["cache", "clear"])
    assert done.exit_code == 0, done.output
    assert "1 file" in done.stderr
    assert shown()["files"] == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps open files by itself")
def test_clear_waits_for_nobody_and_takes_nothing_from_under_a_scan(log: Path) -> None:
    CliRunner().invoke(cli, ["scan", str(log)])
    other = Cache.of(CacheSettings())
    assert other is not None
    done = CliRunner().invoke(cli, ["cache", "clear"])
    assert done.exit_code == 2
    assert "another knockwatch uses it" in done.stderr
    assert len(other.entries()) == 1
    other.close()


def test_a_folder_that_cannot_be_used_is_an_error_here_and_none_for_a_scan(
    log: Path, own_cache: Path
) -> None:
    own_cache.mkdir(parents=True)
    (own_cache / "mine.txt").touch()
    assert CliRunner().invoke(cli, ["cache", "show"]).exit_code == 2
    assert CliRunner().invoke(cli, ["scan", str(log)]).exit_code == 0
