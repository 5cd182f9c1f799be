"""What clients send, read from their command lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.detections._client_commands import Sent, clients


@pytest.mark.parametrize(
    ("command_line", "sent"),
    [
        (
            "knock -d 300 203.0.113.10 7000:tcp 8000:udp 9000",
            Sent("knock", "203.0.113.10", ("tcp/7000", "udp/8000", "tcp/9000")),
        ),
        ("knock -u srv1 1 2:tcp", Sent("knock", "srv1", ("udp/1", "tcp/2"))),
        ("knock -6v 2001:db8::1 1", Sent("knock", "2001:db8::1", ("tcp/1",))),
        ("/opt/x/knock host 70000 0 x 22", Sent("knock", "host", ("tcp/22",))),
        ("knock", Sent("knock")),
        (
            "fwknop -A tcp/22 -a 198.51.100.1 -D 203.0.113.10 --use-hmac",
            Sent("fwknop", "203.0.113.10", ("udp/62201",), "tcp/22"),
        ),
        ("fwknop -n srv1", Sent("fwknop", "srv1", ("udp/62201",))),
        ("fwknop --access=tcp/22,udp/53 -D h -p 12345 -P tcp", Sent("fwknop", "h", ("tcp/12345",), "tcp/22")),
        ("fwknop -D h -P icmp", Sent("fwknop", "h", ("icmp",))),
        ("hping3 -q -S -c 1 -p 7000 -I eth0 203.0.113.10", Sent("hping3", "203.0.113.10", ("tcp/7000",))),
        ("hping3 -2 -p 7000 h", Sent("hping3", "h", ("udp/7000",))),
        ("hping3 -1 -c 1 -d 56 h", Sent("hping3", "h", ("icmp",))),
        ("nping --tcp -p 7000,8000 --flags syn -c 1 h", Sent("nping", "h", ("tcp/7000", "tcp/8000"))),
        ("nping --icmp --data-string word h", Sent("nping", "h", ("icmp",))),
        ("nping --icmp --data-length 56 h", Sent("nping", "h")),
    ],
)
def test_a_command_line_is_read(command_line: str, sent: Sent) -> None:
    assert clients(command_line) == [sent]


def test_a_target_that_is_an_address_is_one() -> None:
    [sent] = clients("knock 2001:0db8:0:0::1 7000")
    assert sent.address == "2001:db8::1"
    assert clients("knock srv1 7000")[0].address is None


@pytest.mark.parametrize(
    "command_line",
    [
        "",
        "man knock",
        "apt install knock",
        "grep -r knock /etc",
        "knocker host 1",
        "knock --help",
        "fwknop --key-gen",
    ],
)
def test_what_does_not_knock_is_nothing(command_line: str) -> None:
    assert clients(command_line) == []


def test_a_renamed_client_is_known_by_its_image() -> None:
    assert clients("./x 203.0.113.10 7000", "/usr/bin/knock") == [
        Sent("knock", "203.0.113.10", ("tcp/7000",))
    ]


@given(st.text(max_size=80))
def test_hostile_text_is_read_without_harm(text: str) -> None:
    for tool in ("knock", "fwknop", "hping3", "nping"):
        clients(f"{tool} {text}")
