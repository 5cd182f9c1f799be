"""The main job from end to end, on real lines."""

import re
from datetime import datetime, timedelta
from pathlib import Path

from knockwatch.config import Config
from knockwatch.ingest import Workspace
from knockwatch.scan import scan

LAG = timedelta(milliseconds=7)


def test_a_daemon_that_speaks_before_the_kernel_tells_of_the_same_knock(
    data: Path, tmp_path: Path, workspace: Workspace
) -> None:
    """Trap 12: knockd's lines may stand before the kernel's line of the same packet."""

    def earlier(line: str) -> str:
        time, rest = line.split(" ", 1)
        return f"{(datetime.fromisoformat(time) - LAG).isoformat(timespec='microseconds')} {rest}"

    lines = (data / "lab/evidence/srv1-syslog.iso.log").read_text().splitlines()
    told = sorted(earlier(line) if re.search(r" knockd: ", line) else line for line in lines)
    log = tmp_path / "srv1.log"
    log.write_text("\n".join(told) + "\n")
    found = scan([str(log)], workspace, Config())
    doors = [
        case
        for case in found.cases
        if case.door == "tcp/22" and case.sequence == ["tcp/7000", "tcp/8000", "tcp/9000"]
    ]
    assert [case.legs for case in doors if case.destination == "203.0.113.10"] == [
        ["signal", "opening", "entry"]
    ]
    assert not [case for case in found.cases if case.kind == "daemon" and case.status == "alert"]


def test_the_same_evidence_given_twice_is_one_story(data: Path, workspace: Workspace) -> None:
    """Trap 3: rows arrive doubled; a second copy of a log doubles no attempt."""
    log = data / "lab/evidence/srv1-syslog.iso.log"
    once = scan([str(log)], workspace, Config())
    copy = workspace.folder / "copy.log"
    copy.write_bytes(log.read_bytes())
    with Workspace.temporary() as second:
        twice = scan([str(log), str(copy)], second, Config())
    assert [(case.id, len(case.attempts), len(case.entries)) for case in once.cases] == [
        (case.id, len(case.attempts), len(case.entries)) for case in twice.cases
    ]
