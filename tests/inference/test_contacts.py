"""Rows of many observers become one contact each."""

from typing import Any

import pytest

from knockwatch.inference.contacts import SAME_PACKET_US, contacts

from .made import SECOND, Log

DAY = 86_400 * SECOND
KEEP = {"source_port": 40_001}


def steps(log: Log) -> list[tuple[str, int]]:
    found = contacts(log.frame())
    return [(row["step"], row["time_us"] - DAY) for row in found.iter_rows(named=True)]


def only(log: Log) -> dict[str, Any]:
    found = contacts(log.frame())
    assert found.height == 1
    return found.row(0, named=True)


def test_a_retransmitted_syn_is_one_contact() -> None:
    """Trap 15: a SYN retransmission is not a second knock."""
    log = Log()
    for at in (0.0, 1.0, 3.0):
        log.add(at, "198.51.100.1", "tcp/7000", "denied", **KEEP)
    assert steps(log) == [("tcp/7000", 0)]


def test_the_same_port_from_another_source_port_is_a_second_knock() -> None:
    """Trap 3: rows arrive doubled, but a real door may repeat a port."""
    log = Log().knock(0, "198.51.100.1", "udp/1234", "tcp/4234", "udp/1234")
    assert [step for step, _ in steps(log)] == ["udp/1234", "tcp/4234", "udp/1234"]


def test_the_same_packet_in_two_files_is_one_contact() -> None:
    log = Log()
    log.add(0.5, "198.51.100.1", "tcp/7000", "denied", **KEEP)
    log.add(0.502, "198.51.100.1", "tcp/7000", "unanswered", file=1, **KEEP)
    log.add(0.0, "198.51.100.1", "tcp/7000", "denied", file=2, **KEEP)
    found = only(log)
    assert found["closed"]
    assert found["accepted_us"] is None
    assert {place["file"] for place in found["pointers"]} == {0, 1, 2}


def test_a_forwarding_edge_accepts_nothing() -> None:
    found = only(Log().add(0, "198.51.100.1", "tcp/22", "accepted", forwarded=True))
    assert found["accepted_us"] is None
    assert not found["closed"]


@pytest.mark.parametrize("skew", [-3, 3])
def test_clocks_that_differ_are_brought_together(skew: int) -> None:
    log = Log()
    for index, step in enumerate(("tcp/7000", "tcp/8000", "tcp/9000")):
        port = {"source_port": 41_000 + index}
        log.add(10.1 + index * 0.3, "198.51.100.1", step, "denied", **port)
        log.add(10.1 + index * 0.3 + skew, "198.51.100.1", step, "unanswered", file=1, **port)
    # Only the second observer saw the entry.
    log.add(11.5 + skew, "198.51.100.1", "tcp/22", "accepted", file=1)
    assert steps(log) == [
        ("tcp/7000", 10_100_000),
        ("tcp/8000", 10_400_000),
        ("tcp/9000", 10_700_000),
        ("tcp/22", 11_500_000),
    ]
    assert contacts(log.frame())["skew_us"].max() == abs(skew) * SECOND


def test_the_kernels_stamp_orders_what_a_whole_second_does_not() -> None:
    """Trap 11: packets of one burst share a syslog time."""
    log = Log()
    for line, (step, stamp) in enumerate((("tcp/9000", 900), ("tcp/7000", 100), ("tcp/8000", 500))):
        log.add(5, "198.51.100.1", step, "denied", clock_us=77 * SECOND + stamp, line=line + 1)
    assert [step for step, _ in steps(log)] == ["tcp/7000", "tcp/8000", "tcp/9000"]
    assert contacts(log.frame())["exact"].all()


def test_without_any_clock_the_lines_order_and_nothing_is_exact() -> None:
    log = Log()
    for line, step in enumerate(("tcp/9000", "tcp/7000")):
        log.add(5, "198.51.100.1", step, "denied", line=line + 1)
    assert [step for step, _ in steps(log)] == ["tcp/9000", "tcp/7000"]
    assert not contacts(log.frame())["exact"].any()


def test_rows_out_of_order_come_into_order() -> None:
    log = Log().knock(0, "198.51.100.1", "tcp/1", "tcp/2", "tcp/3")
    newest_first = log.frame().reverse()
    assert contacts(newest_first)["step"].to_list() == ["tcp/1", "tcp/2", "tcp/3"]


def test_the_same_tuple_much_later_is_another_contact() -> None:
    log = Log()
    log.add(0, "198.51.100.1", "tcp/7000", "denied", **KEEP)
    log.add(SAME_PACKET_US / SECOND + 1, "198.51.100.1", "tcp/7000", "denied", **KEEP)
    assert len(steps(log)) == 2


def test_no_rows_give_no_contacts() -> None:
    empty = Log().add(0, "198.51.100.1", "tcp/1", "denied").frame().clear()
    assert contacts(empty).is_empty()
