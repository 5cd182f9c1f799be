"""What command lines of general tools touch."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.detections._port_touches import MOST_TOUCHES, touches

HOST = "203.0.113.10"
KNOCK = [(HOST, "tcp/7000"), (HOST, "tcp/8000"), (HOST, "tcp/9000")]
UDP = [(HOST, "udp/7000"), (HOST, "udp/8000"), (HOST, "udp/9000")]
PS_LOOP = f"foreach ($p in 7000,8000,9000) {{ Test-NetConnection -ComputerName {HOST} -Port $p }}"
PS_CLIENT = (
    f"$h='{HOST}'; $ports=@(7000,8000,9000); foreach($p in $ports)"
    "{ (New-Object System.Net.Sockets.TcpClient).ConnectAsync($h,$p).Wait(100) }"
)
ENCODED = base64.b64encode(f"7000,8000,9000|%{{tnc {HOST} -p $_}}".encode("utf-16-le")).decode()


def told(command_line: str, image: str | None = None) -> list[tuple[str, str | None]]:
    return [(touch.target, touch.step) for touch in touches(command_line, image)]


@pytest.mark.parametrize(
    "command_line",
    [
        f"bash -c 'for p in 7000 8000 9000; do nc -z -w1 {HOST} $p; sleep 0.3; done'",
        f"for p in {{7000,8000,9000}}; do echo > /dev/tcp/{HOST}/$p; done",
        f"nc -z -w 1 {HOST} 7000 8000 9000",
        f"ncat -w1 {HOST} 7000 </dev/null; ncat -w1 {HOST} 8000 </dev/null; ncat -w1 {HOST} 9000 </dev/null",
        f"sh -c 'for p in 7000 8000 9000; do socat /dev/null TCP4:{HOST}:$p,connect-timeout=1; done'",
        f"nmap -Pn --host-timeout 201 --max-retries 0 -r -p 7000,8000,9000 {HOST}",
        f"for x in 7000 8000 9000; do nmap -Pn --max-retries 0 -p $x {HOST}; done",
        f"curl -m 1 http://{HOST}:7000 http://{HOST}:8000/x telnet://{HOST}:9000",
        f"for p in 7000 8000 9000; do wget -T 1 -q {HOST}:$p; done",
        f"telnet {HOST} 7000; telnet {HOST} 8000; telnet {HOST} 9000",
        f'powershell -Command "7000,8000,9000 | % {{ Test-NetConnection {HOST} -Port $_ }}"',
        f"powershell.exe {PS_LOOP}",
        f'pwsh -c "{PS_CLIENT}"',
        f"powershell -NoProfile -enc {ENCODED}",
        f"powershell Invoke-TcpPortKnock -Target {HOST} -Ports 7000,8000,9000",
        f"python3 -c \"import socket; [socket.create_connection(('{HOST}',p),1) for p in (7000,8000,9000)]\"",
        f"python -c \"from socket import *; s=socket(); [s.connect_ex(('{HOST}', p)) for p in [7000,8000,9000]]\"",
    ],
)
def test_a_knock_by_any_tool_is_its_steps(command_line: str) -> None:
    assert told(command_line) == KNOCK


@pytest.mark.parametrize(
    "command_line",
    [
        f"for p in 7000 8000 9000; do echo -n x | nc -u -w1 {HOST} $p; done",
        f"for p in 7000 8000 9000; do echo > /dev/udp/{HOST}/$p; done",
        f"for p in 7000 8000 9000; do socat - UDP-SENDTO:{HOST}:$p; done",
        f"python3 -c \"import socket; s=socket.socket(2,2); [s.sendto(b'',('{HOST}',p)) for p in [7000,8000,9000]]\"",
    ],
)
def test_udp_is_told(command_line: str) -> None:
    assert told(command_line) == UDP


@pytest.mark.parametrize(
    "command_line",
    [
        "nc -lvp 4444",
        "nc -l 4444",
        f"nc -z {HOST} 1-1000",
        "socat TCP-LISTEN:8080,fork -",
        f"nmap -p 1-65535 {HOST}",
        f"nmap -F {HOST}",
        f"nmap -sV -p 22,80 {HOST}",
        "nmap -p 22,80 203.0.113.0/24",
        "nmap -p 22,80 203.0.113.1-9",
        f"nmap -p 22 {HOST} 203.0.113.11",
        "curl https://example.org/a:b",
        "python3 -c 'print(1)'",
        "Get-Process | % { $_.Name }",
        f"nc {HOST} 70000",
        "",
    ],
)
def test_listeners_scans_and_other_things_touch_nothing(command_line: str) -> None:
    assert told(command_line) == []


def test_a_log_in_is_told_without_a_step() -> None:
    assert told(f"nc -z {HOST} 7000; ssh -i key -p 2022 root@{HOST} id") == [(HOST, "tcp/7000"), (HOST, None)]


def test_an_image_tells_where_the_command_line_names_another_program() -> None:
    assert told(f"x -z {HOST} 7000", "/usr/bin/nc") == [(HOST, "tcp/7000")]


def test_a_loop_of_many_ports_is_cut() -> None:
    ports = " ".join(map(str, range(1, 300)))
    assert len(told(f"for p in {ports}; do nc -z {HOST} $p; done")) <= MOST_TOUCHES


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    for command_line in (
        text,
        f"bash -c '{text}'",
        f"powershell {text}",
        f"python -c 'import socket;{text}'",
    ):
        assert len(touches(command_line)) <= MOST_TOUCHES
