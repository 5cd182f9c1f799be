"""Configurations of knock daemons that run."""

import os
from pathlib import Path

import pytest

from knockwatch.collection.configurations import Daemon, gather

pytestmark = pytest.mark.skipif(not Path("/proc/self/root").exists(), reason="needs /proc of Linux")
ACCESS = "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY_BASE64 c2VjcmV0\n  HMAC_KEY: x\nGPG_DECRYPT_PW x y\nREQUIRE_USERNAME a\n"


def test_the_file_a_daemon_names_is_copied_without_keys_and_keeps_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "own.conf"
    file.write_text(ACCESS)
    into = tmp_path / "into"
    into.mkdir()
    daemon = Daemon(os.getpid(), "fwknopd", ("fwknopd", "-f", "-a", str(file), "-c", str(file)))
    assert gather(into, [daemon]) == []
    [copy] = into.iterdir()
    lines = copy.read_text().split("\n")
    assert [line for line in lines if line and not line.startswith("#")] == [
        "SOURCE ANY",
        "OPEN_PORTS tcp/22",
        "REQUIRE_USERNAME a",
    ]
    assert len(lines) == len(ACCESS.split("\n"))


@pytest.mark.parametrize("option", [("-c{}",), ("--config={}",), ("-c", "{}"), ("--config", "{}")])
def test_options_are_read_in_every_spelling(tmp_path: Path, option: tuple[str, ...]) -> None:
    file = tmp_path / "own.conf"
    file.write_text("[x]\n")
    into = tmp_path / "into"
    into.mkdir()
    words = ("knockd", *(word.format(file) for word in option), "-d")
    assert gather(into, [Daemon(os.getpid(), "knockd", words)]) == []
    assert len(list(into.iterdir())) == 1


def test_a_file_that_is_gone_is_said(tmp_path: Path) -> None:
    [said] = gather(tmp_path, [Daemon(os.getpid(), "knockd", ("knockd", "-c", "/nowhere/x.conf"))])
    assert "/nowhere/x.conf" in said
