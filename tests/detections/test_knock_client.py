"""Programs that knock."""

from typing import Any

import pytest

from knockwatch.detections import Finding
from knockwatch.detections.knock_client import DETECTION
from knockwatch.ingest import Workspace
from tests.rows import found, put, us

START = us("2026-11-22 11:23:38")
SECOND = 1_000_000


def process(
    command_line: str | None, image: str | None = None, after: float = 0, **more: Any
) -> dict[str, Any]:
    time = START + round(after * SECOND)
    return {
        "time_us": time,
        "host": "ws1",
        "user": "alice",
        "image": image,
        "command_line": command_line,
        **more,
    }


def only(workspace: Workspace, *rows: dict[str, Any]) -> Finding:
    put(workspace, "processes", rows)
    [finding] = found(workspace, DETECTION)
    return finding


def test_a_client_tells_whom_it_knocks_at_and_how(workspace: Workspace) -> None:
    finding = only(workspace, process("knock -d 300 203.0.113.10 7000:tcp 8000:udp", "/usr/bin/knock"))
    assert (finding.kind, finding.leg, finding.label) == ("client", "signal", "KnockClientToolExecution")
    assert (finding.destination, finding.sequence) == ("203.0.113.10", ("tcp/7000", "udp/8000"))
    assert (finding.host, finding.user) == ("ws1", "alice")
    assert finding.command_line == "knock -d 300 203.0.113.10 7000:tcp 8000:udp"
    assert [pointer.table for pointer in finding.pointers] == ["processes"]


@pytest.mark.parametrize("image", ["", None])
def test_an_empty_file_name_hides_nothing(workspace: Workspace, image: str | None) -> None:
    """Trap 5: Defender for Linux may leave FileName empty; the tool shows only in the command line."""
    assert only(workspace, process("/usr/bin/knock 203.0.113.10 7000", image)).sequence == ("tcp/7000",)


def test_hexadecimal_free_paths_and_wrappers_are_seen_through(workspace: Workspace) -> None:
    finding = only(workspace, process("sudo -u root /opt/t/knock 203.0.113.10 7000", "/usr/bin/sudo"))
    assert finding.sequence == ("tcp/7000",)


def test_fwknop_tells_the_door_it_asks_for(workspace: Workspace) -> None:
    finding = only(workspace, process("fwknop -A tcp/22 -a 198.51.100.1 -D 203.0.113.10"))
    assert (finding.door, finding.sequence, finding.signal) == ("tcp/22", ("udp/62201",), "spa")


def test_a_wrapper_and_its_client_are_one_start(workspace: Workspace) -> None:
    rows = [
        process("sudo knock 203.0.113.10 7000 8000", "/usr/bin/sudo"),
        process("knock 203.0.113.10 7000 8000", "/usr/bin/knock", 0.1),
        process("knock 203.0.113.10 7000 8000", "/usr/bin/knock", 0.1),
    ]
    finding = only(workspace, *rows)
    assert finding.command_line == "knock 203.0.113.10 7000 8000"
    assert len(finding.pointers) == 3


def test_the_same_knock_later_is_another(workspace: Workspace) -> None:
    put(workspace, "processes", [process("knock 203.0.113.10 7000 8000", after=after) for after in (0, 60)])
    assert len(found(workspace, DETECTION)) == 2


def test_one_call_a_port_is_one_sequence(workspace: Workspace) -> None:
    rows = [
        process(f"hping3 -S -p {port} -c 1 203.0.113.10", after=after)
        for after, port in enumerate((7000, 8000, 9000))
    ]
    finding = only(workspace, *rows)
    assert finding.sequence == ("tcp/7000", "tcp/8000", "tcp/9000")
    assert finding.end_us - finding.start_us == 2 * SECOND
    assert finding.note == "alice on ws1 ran hping3 at 203.0.113.10: tcp/7000, tcp/8000, tcp/9000."


def test_calls_far_apart_are_several(workspace: Workspace) -> None:
    put(
        workspace,
        "processes",
        [process(f"hping3 -S -p {port} 203.0.113.10", after=port) for port in (1, 1000)],
    )
    assert len(found(workspace, DETECTION)) == 2


def test_touching_the_daemons_configuration_is_no_client(workspace: Workspace) -> None:
    finding = only(workspace, process("vi /etc/knockd.conf", "/usr/bin/vi"))
    assert (finding.kind, finding.leg) == ("daemon", None)


def test_a_knock_option_of_an_unknown_program_is_a_client(workspace: Workspace) -> None:
    finding = only(workspace, process("./implant --knock-port 7000", "/tmp/implant"))
    assert (finding.kind, finding.leg) == ("client", None)


@pytest.mark.parametrize(
    ("command_line", "image"),
    [
        ("man knock", "/usr/bin/man"),
        ("apt install knock fwknop", "/usr/bin/apt"),
        ("knocker 203.0.113.10", "/usr/bin/knocker"),
        ("hping3 --scan 1-1000 203.0.113.10", "/usr/sbin/hping3"),
        ("nping 203.0.113.10", "/usr/bin/nping"),
        ("knock --help", "/usr/bin/knock"),
        ("ssh root@203.0.113.10", "/usr/bin/ssh"),
        (None, None),
    ],
)
def test_other_programs_are_nothing(
    workspace: Workspace, command_line: str | None, image: str | None
) -> None:
    put(workspace, "processes", [process(command_line, image)])
    assert found(workspace, DETECTION) == []
