"""The fixtures are harmless: they run in the lab's namespaces only, echo, and call nobody outside."""

import socket
import subprocess
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.lab.fixtures import echo, fixture, waiter
from knockwatch.lab.fixtures.guard import inside_lab

PROGRAMS = sorted(
    path.stem for path in Path(waiter.__file__).parent.glob("*.py") if path.stem not in ("__init__", "guard")
)


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_program_starts_outside_of_the_lab(name: str) -> None:
    done = subprocess.run(fixture(name, "serve", "1", "1"), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "in a namespace of the lab only" in done.stderr


def test_the_machine_itself_is_not_inside() -> None:
    assert not inside_lab()


def test_an_echo_service_echoes_and_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    came: list[bool] = []
    serving = threading.Thread(target=lambda: came.append(echo.serve(port, 5, once=True)))
    serving.start()
    while not echo.call("127.0.0.1", port, 1):
        assert serving.is_alive()
    serving.join()
    assert came == [True]
    assert not echo.call("127.0.0.1", port, 0.2)


def _order(*steps: str, within: float = 10) -> list[bool]:
    waiting = waiter.Waiting(["tcp/1", "tcp/2", "tcp/3"], within)
    return [
        waiting.complete(waiter.Packet("203.0.113.9", step, b""), float(at)) for at, step in enumerate(steps)
    ]


def test_an_order_is_complete_with_its_last_step_whatever_lies_between() -> None:
    assert _order("tcp/1", "tcp/9", "tcp/2", "udp/7", "tcp/3") == [False, False, False, False, True]


OTHERS = [("tcp/3", "tcp/2", "tcp/1"), ("tcp/1", "tcp/3", "tcp/2", "tcp/3"), ("tcp/1", "tcp/3")]


@pytest.mark.parametrize("steps", OTHERS)
def test_another_order_opens_nothing(steps: tuple[str, ...]) -> None:
    assert not any(_order(*steps))


def test_too_slow_an_order_opens_nothing() -> None:
    assert not any(_order("tcp/1", "tcp/2", "tcp/3", within=1))


@given(st.binary(max_size=120))
def test_no_packet_upsets_the_waiting_program(data: bytes) -> None:
    waiter.read(data)


def test_only_addresses_of_the_lab_are_called() -> None:
    assert waiter._own("198.18.7.3")
    assert not waiter._own("192.0.2.1")
