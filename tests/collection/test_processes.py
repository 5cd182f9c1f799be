"""What /proc says of processes and sockets."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from knockwatch.collection import collect
from knockwatch.collection.budget import Budget
from knockwatch.collection.processes import gather
from knockwatch.collection.sockets import listeners
from knockwatch.hoststate import facts

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc of Linux")
SOON = 30.0


def processes(seconds: float = SOON) -> dict[int, dict[str, Any]]:
    told = gather(Budget(time.monotonic() + seconds))
    return {one["process"]["pid"]: one["process"] for one in told.objects if "process" in one}


def test_a_listener_is_found_with_its_owner() -> None:
    import os

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert f"tcp/{port} 127.0.0.1" in listeners().values()
        own = processes()[os.getpid()]
    assert f"tcp/{port} 127.0.0.1" in own["sockets"]
    assert own["facts"] == []
    assert own["seconds_after_boot"] >= 0


def test_a_process_that_bears_a_kernel_threads_name_is_kept() -> None:
    with subprocess.Popen(
        ["bash", "-c", "exec -a '[kworker/0:1]' sleep 60"], stdin=subprocess.DEVNULL
    ) as program:
        try:
            until = time.monotonic() + SOON
            while Path(f"/proc/{program.pid}/comm").read_text() != "sleep\n":
                assert time.monotonic() < until
            told = processes()[program.pid]
        finally:
            program.terminate()
    assert told["facts"] == [facts.KERNEL_NAME]
    assert told["command_line"] == "[kworker/0:1] 60"


def test_without_time_it_says_what_was_not_looked_at() -> None:
    told = gather(Budget(time.monotonic() - 1))
    assert any("no time was left" in sentence for sentence in told.unseen)


def test_a_collection_is_a_folder_that_is_read_as_one(tmp_path: Path) -> None:
    from knockwatch.hoststate.snapshot import host_of

    collection = collect(tmp_path)
    assert collection.folder.stat().st_mode & 0o077 == 0
    file = collection.folder / "host-facts.jsonl"
    assert host_of(file) is not None
    state = facts.read(list(enumerate(file.read_text().splitlines(), 1)))
    assert state.misfits == []
    assert facts.unseen(file.read_text()) == collection.unseen


def test_missing_tools_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knockwatch.collection.commands.PATH", str(tmp_path))
    unseen = collect(tmp_path).unseen
    assert any("ss is not installed" in sentence for sentence in unseen)


def test_xdp_programs_are_told_without_bpftool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from knockwatch.collection.commands import attached

    line = r"2: eth0: <UP> mtu 1500 xdpgeneric qdisc noop \\    link/ether aa prog/xdp id 12 name mine"
    (tmp_path / "ip").write_text(f"#!/bin/sh\ncat <<'END'\n1: lo: <UP> mtu 65536\n{line}\nEND\n")
    (tmp_path / "ip").chmod(0o755)
    monkeypatch.setattr("knockwatch.collection.commands.PATH", f"{tmp_path}")
    assert attached(Budget(time.monotonic() + SOON)) == ["xdp eth0(2) id 12"]
