"""Retransmissions, repeats and order."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from knockwatch.detections._sequences import Probe, known_order, periods, steps

SECOND = 1_000_000
START = 1_795_346_618 * SECOND


def probe(
    step: str, after: float, *, port: int | None = 1, clock: int | None = None, file: int = 0, line: int = 1
) -> Probe:
    return Probe(START + round(after * SECOND), clock, port, step, "srv1", file, line)


def names(probes: list[Probe]) -> list[str]:
    return [one.step for one in probes]


def test_a_syn_retransmission_is_not_a_second_knock() -> None:
    """Trap 15: the kernel repeats a SYN that nobody answers after 1 s and 3 s, from the same source port."""
    told = [probe("tcp/7000", after) for after in (0.1, 1.1, 3.1, 7.1)]
    assert names(steps(told, 4 * SECOND)) == ["tcp/7000"]


def test_a_real_repeat_of_a_port_stays() -> None:
    """Trap 3: a real door may repeat a port (1234:udp, 4234:tcp, 1234:udp)."""
    told = [probe("udp/1234", 0.1, port=1), probe("tcp/4234", 0.2, port=2), probe("udp/1234", 0.3, port=3)]
    assert names(steps(told, 4 * SECOND)) == ["udp/1234", "tcp/4234", "udp/1234"]


def test_doubled_rows_are_one_step() -> None:
    """Trap 3: rows arrive doubled, or two to four times."""
    told = [
        probe(step, after, port=port)
        for step, after, port in (("tcp/1", 0.1, 1), ("tcp/2", 0.2, 2))
        for _ in range(4)
    ]
    assert names(steps(told, 4 * SECOND)) == ["tcp/1", "tcp/2"]


def test_the_finest_log_gives_the_time_and_the_order() -> None:
    """The same packets in a whole-second log, in file order, and in one with microseconds, which knows better."""
    coarse = [probe("tcp/2", 0, port=2, file=0, line=1), probe("tcp/1", 0, port=1, file=0, line=2)]
    fine = [probe("tcp/1", 0.25, port=1, file=1, line=1), probe("tcp/2", 0.75, port=2, file=1, line=2)]
    ordered = steps(coarse + fine, 4 * SECOND)
    assert names(ordered) == ["tcp/1", "tcp/2"]
    assert [one.time_us - START for one in ordered] == [250_000, 750_000]
    assert known_order(ordered)


def test_the_kernels_clock_orders_a_burst() -> None:
    """Trap 11: packets of one burst share a syslog time; the kernel's uptime stamp orders them."""
    told = [probe("tcp/3", 0, port=3, clock=30, line=1), probe("tcp/1", 0, port=1, clock=10, line=2)]
    told.append(probe("tcp/2", 0, port=2, clock=20, line=3))
    ordered = steps(told, 4 * SECOND)
    assert names(ordered) == ["tcp/1", "tcp/2", "tcp/3"]
    assert known_order(ordered)


def test_a_burst_in_whole_seconds_has_no_known_order() -> None:
    """Trap 11: whole-second logs cannot order `knock` without `-d`: by line, but not for certain."""
    told = [probe(f"tcp/{port}", 0, port=port, line=port) for port in (1, 2, 3)]
    ordered = steps(told, 4 * SECOND)
    assert names(ordered) == ["tcp/1", "tcp/2", "tcp/3"]
    assert not known_order(ordered)


def test_whole_seconds_that_differ_are_an_order() -> None:
    assert known_order(steps([probe("tcp/1", 0, port=1), probe("tcp/2", 1, port=2)], SECOND))


def test_a_fine_time_within_a_whole_second_is_no_order() -> None:
    assert not known_order([probe("tcp/1", 0), probe("tcp/2", 0.5)])


def test_a_clock_set_back_by_a_restart_orders_nothing() -> None:
    told = [probe("tcp/1", 0.5, port=1, clock=900), probe("tcp/2", 60.5, port=2, clock=10)]
    assert names(steps(told, SECOND)) == ["tcp/1", "tcp/2"]


def test_a_sequence_sent_twice_is_two() -> None:
    run = [probe(f"tcp/{port}", 0) for port in (1, 2, 3, 1, 2, 3)]
    assert [names(list(part)) for part in periods(run)] == [["tcp/1", "tcp/2", "tcp/3"]] * 2
    assert [names(list(part)) for part in periods(run[:5])] == [names(run[:5])]


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 20)), max_size=20), st.randoms()
)
def test_steps_do_not_depend_on_the_order_of_rows(rows: list[tuple[int, int, int]], random: Random) -> None:
    told = [
        probe(f"tcp/{step}", after / 2, port=port, line=line) for line, (step, port, after) in enumerate(rows)
    ]
    shuffled = list(told)
    random.shuffle(shuffled)
    assert steps(shuffled, SECOND) == steps(told, SECOND)
