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


def test_packets_with_a_payload_of_their_own_are_no_steps_of_a_sequence(workspace: Workspace) -> None:
    commands = (
        "hping3 -2 -p 5353 -c 1 -d 16 -E /tmp/word 203.0.113.10",
        "nping --udp -p 33434 -c 1 --data-string call-me 203.0.113.10",
        "hping3 -S -p 9389 -c 1 --data=8 203.0.113.10",
    )
    put(workspace, "processes", [process(one, after=after) for after, one in enumerate(commands)])
    told = sorted(found(workspace, DETECTION), key=lambda finding: finding.start_us)
    assert [finding.sequence for finding in told] == [("udp/5353",), ("udp/33434",), ("tcp/9389",)]
    assert {finding.signal for finding in told} == {"magic-packet"}


def test_calls_that_begin_again_or_after_a_pause_are_several(workspace: Workspace) -> None:
    ports = (7000, 8000, 9000, 7000, 8000, 9000)
    rows = [
        process(f"hping3 -S -p {port} -c 1 203.0.113.10", after=after) for after, port in enumerate(ports)
    ]
    rows += [
        process(f"hping3 -S -p {port} -c 1 203.0.113.10", after=12 + after)
        for after, port in enumerate((2222, 3333, 4444))
    ]
    put(workspace, "processes", rows)
    assert [len(finding.sequence) for finding in found(workspace, DETECTION)] == [3, 3, 3]


def test_packets_from_different_senders_are_several_knocks(workspace: Workspace) -> None:
    put(
        workspace,
        "processes",
        [
            process(f"hping3 -S -c 1 -a {sender} -p {port} 203.0.113.10", after=at)
            for at, (sender, port) in enumerate(
                [
                    ("198.51.100.7", 7871),
                    ("198.51.100.7", 46935),
                    ("198.51.100.23", 55793),
                    ("198.51.100.23", 9),
                ]
            )
        ],
    )
    assert sorted((finding.sources, finding.sequence) for finding in found(workspace, DETECTION)) == [
        (("198.51.100.23",), ("tcp/55793", "tcp/9")),
        (("198.51.100.7",), ("tcp/7871", "tcp/46935")),
    ]


def test_two_steps_and_the_first_again_after_a_pause_are_several(workspace: Workspace) -> None:
    put(
        workspace,
        "processes",
        [
            process(f"nping --tcp --flags syn -c 1 -p {port} 203.0.113.10", after=at)
            for at, port in [(0, 46765), (1, 35504), (88, 46765), (89, 57907)]
        ],
    )
    assert [finding.sequence for finding in found(workspace, DETECTION)] == [
        ("tcp/46765", "tcp/35504"),
        ("tcp/46765", "tcp/57907"),
    ]


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


def touched(
    tool: str, *ports: int, after: float = 0, pause: float = 0.5, **more: Any
) -> list[dict[str, Any]]:
    return [
        process(tool.format(port), f"/usr/bin/{tool.partition(' ')[0]}", after + pause * index, **more)
        for index, port in enumerate(ports)
    ]


@pytest.mark.parametrize(
    "tool",
    [
        "nc -z -w1 203.0.113.10 {}",
        "socat /dev/null TCP:203.0.113.10:{}",
        "nmap -Pn --max-retries 0 -p {} 203.0.113.10",
        "curl -m 1 http://203.0.113.10:{}",
        "bash -c 'echo > /dev/tcp/203.0.113.10/{}'",
        "powershell Test-NetConnection 203.0.113.10 -Port {}",
        "python3 -c \"import socket;socket.socket().connect_ex(('203.0.113.10',{}))\"",
    ],
)
def test_general_tools_that_touch_ports_in_a_row_are_a_run(workspace: Workspace, tool: str) -> None:
    put(workspace, "processes", touched(tool, 7000, 8001, 9002))
    [finding] = found(workspace, DETECTION)
    assert (finding.kind, finding.label) == ("client", "PortsTouchedInARow")
    assert (finding.destination, finding.sequence) == ("203.0.113.10", ("tcp/7000", "tcp/8001", "tcp/9002"))
    assert finding.order_known


def test_a_log_in_right_after_makes_a_run_a_knock(workspace: Workspace) -> None:
    rows = touched("nc -z -w1 203.0.113.10 {}", 7000, 8001, 9002)
    put(workspace, "processes", [*rows, process("ssh root@203.0.113.10", "/usr/bin/ssh", 3)])
    [finding] = found(workspace, DETECTION)
    assert finding.label == "PortsTouchedBeforeLogIn"
    assert "logged in there at once" in finding.note


@pytest.mark.parametrize(
    ("log_in", "after"), [("ssh root@203.0.113.11", 3), ("ssh root@203.0.113.10", 60), ("ls", 3)]
)
def test_a_log_in_elsewhere_or_later_does_not(workspace: Workspace, log_in: str, after: float) -> None:
    rows = touched("nc -z -w1 203.0.113.10 {}", 7000, 8001, 9002)
    put(workspace, "processes", [*rows, process(log_in, after=after)])
    assert [finding.label for finding in found(workspace, DETECTION)] == ["PortsTouchedInARow"]


def test_a_shells_loop_and_what_it_starts_are_one_run(workspace: Workspace) -> None:
    loop = "bash -c 'for p in 7000 8001 9002; do nc -z -w1 203.0.113.10 $p; done'"
    rows = [process(loop), *touched("nc -z -w1 203.0.113.10 {}", 7000, 8001, 9002, after=0.1)]
    finding = only(workspace, *rows)
    assert finding.sequence == ("tcp/7000", "tcp/8001", "tcp/9002")
    assert len(finding.pointers) == 4


def test_two_knocks_are_two_runs(workspace: Workspace) -> None:
    rows = touched("nc -z 203.0.113.10 {}", 7000, 8001, 9002)
    rows += touched("nc -z 203.0.113.10 {}", 8881, 7777, 9991, after=6)
    put(workspace, "processes", rows)
    assert [len(finding.sequence) for finding in found(workspace, DETECTION)] == [3, 3]


def test_nmap_shuffles_a_list_unless_told_otherwise(workspace: Workspace) -> None:
    assert not only(workspace, process("nmap -p 7000,8001,9002 203.0.113.10")).order_known


def test_a_loop_of_a_packet_crafter_is_read(workspace: Workspace) -> None:
    finding = only(workspace, process("for p in 7000 8000 9000; do hping3 -S -c 1 -p $p 203.0.113.10; done"))
    assert finding.sequence == ("tcp/7000", "tcp/8000", "tcp/9000")
    assert finding.order_known


def test_a_monitors_run_before_a_log_in_stays_a_run(workspace: Workspace) -> None:
    by: dict[str, Any] = {"parent_image": "/usr/sbin/nrpe"}
    rows = touched("nc -z 203.0.113.10 {}", 7000, 8001, 9002, **by)
    put(workspace, "processes", [*rows, process("ssh monitor@203.0.113.10", "/usr/bin/ssh", 3, **by)])
    assert [finding.label for finding in found(workspace, DETECTION)] == ["PortsTouchedInARow"]


@pytest.mark.parametrize(
    "rows",
    [
        touched("nc -zv 203.0.113.10 {}", 22, 80, 443, 3306),
        touched("nc -z 203.0.113.10 {}", 7001, 7001, 7001, 7001, pause=3),
        touched("nc -z 203.0.113.10 {}", 7001, 8001),
        touched("nc -z 203.0.113.10 {}", *range(7001, 7015)),
        touched("nc -z 203.0.113.10 {}", 7001, 8001, 9002, pause=120),
        [process(f"nc -z 203.0.113.{host} 700{host}", after=host) for host in range(9)],
        [process("nmap -p 22,80,443,8080 203.0.113.10")],
        [process("nmap -p- 203.0.113.10")],
        [process("powershell 22,80,443,3389 | % { Test-NetConnection 203.0.113.10 -Port $_ }")],
        [process("ssh root@203.0.113.10"), process("curl http://203.0.113.10:8080/", after=1)],
    ],
)
def test_checks_of_services_and_scans_are_no_runs(workspace: Workspace, rows: list[dict[str, Any]]) -> None:
    put(workspace, "processes", rows)
    assert found(workspace, DETECTION) == []


@pytest.mark.parametrize(
    ("command_line", "image"),
    [
        ("nping --icmp -c 4 --data-length 56 203.0.113.10", "/usr/bin/nping"),
        ("hping3 --icmp -c 3 203.0.113.10", "/usr/sbin/hping3"),
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
