"""`knockwatch lab` says in a sentence what it needs, and lists what it would play."""

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from knockwatch.cli import cli
from knockwatch.errors import KnockwatchError


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["lab", *arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize("verb", [["up"], ["play", "quick"], ["down"], ["run", "quick"]])
def test_without_root_it_says_so(verb: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    status, said = run(*verb)
    assert status == KnockwatchError.exit_status
    assert "the lab needs root" in said
    assert list(tmp_path.iterdir()) == []


def test_without_linux_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    status, said = run("up")
    assert (status, "the lab needs Linux" in said) == (KnockwatchError.exit_status, True)


def test_the_list_names_hosts_doors_and_events() -> None:
    status, said = run("list")
    assert status == 0
    assert "srv1       server  203.0.113.10" in said
    assert "knockd openSSH" in said
    assert "  a1     knock   knock client, knockd door, then ssh" in said


def test_the_same_seed_lists_the_same_lab() -> None:
    assert run("list", "--random", "4") == run("list", "--random", "4")
    assert run("list", "--random", "4") != run("list", "--random", "5")
