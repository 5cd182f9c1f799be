"""Words that rule sets share."""

import pytest

from knockwatch.hoststate.words import address, ports, protocol, seconds


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("22", ("22",)),
        ("ssh", ("22",)),
        ("{ 22, 80 }", ("22", "80")),
        ("10:12", ("10-12",)),
        ("10-12", ("10-12",)),
        ("70000", None),
        ("1-2-3", None),
        (None, ()),
    ],
)
def test_ports(text: str | None, read: tuple[str, ...] | None) -> None:
    assert ports(text) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("10", 10),
        ("10s", 10),
        ("1h30m", 5400),
        ("7s676ms", 8),
        ("00:01:00", 60),
        ("1d 00:00:00", 86400),
        ("x", None),
    ],
)
def test_seconds(text: str, read: int | None) -> None:
    assert seconds(text) == read


def test_any_address_and_any_protocol_are_none() -> None:
    assert address("0.0.0.0/0") is None
    assert address("192.0.2.1/32") == "192.0.2.1"
    assert protocol("all") is None
    assert protocol("ipv6-icmp") == "icmp6"
