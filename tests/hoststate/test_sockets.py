"""Listings of sockets and filters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.hoststate.sockets import READERS, read_lsof, read_ss
from tests.hoststate.reading import numbered
from tests.sources.reading import SAMPLES

SS = "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n"


def test_a_listener_without_a_netid_is_of_tcp() -> None:
    text = "State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\nLISTEN 0 128 127.0.0.1:22 0.0.0.0:*"
    [row] = read_ss(numbered(text)).rows

    assert (row["kind"], row["protocol"], row["port"], row["destination_ip"]) == (
        "listener-opened",
        "tcp",
        22,
        "127.0.0.1",
    )


def test_a_connection_is_no_listener() -> None:
    assert read_ss(numbered(SS + "tcp ESTAB 0 0 192.0.2.1:22 192.0.2.9:5000")).rows == []
    assert read_ss(numbered(SS + "udp ESTAB 0 0 192.0.2.1:68 192.0.2.9:67")).rows == []
    client = "ssh 7 u 3u IPv4 1 0t0 TCP 192.0.2.1:5->192.0.2.2:22 (ESTABLISHED)"
    assert read_lsof(numbered("COMMAND PID USER FD TYPE DEVICE SIZE/OFF NODE NAME\n" + client)).rows == []


def test_an_interface_beside_the_address_is_left_off() -> None:
    [row] = read_ss(numbered(SS + "udp UNCONN 0 0 [fe80::1]%eth0:546 [::]:*")).rows

    assert (row["destination_ip"], row["port"]) == ("fe80::1", 546)


def test_a_filter_that_cannot_be_read_is_a_misfit() -> None:
    state = read_ss(numbered(SS + "p_raw 0 0 *:eth0 *\n\tbpf filter (2):  0x06 0 0 1,"))

    assert [number for number, _ in state.misfits] == [3]


@pytest.mark.parametrize("name", READERS)
@given(cut=st.integers(0, 4000), junk=st.text(max_size=40))
def test_a_listing_that_is_cut_and_stained_is_read(name: str, cut: int, junk: str) -> None:
    for sample in (SAMPLES / name).iterdir():
        text = sample.read_text()
        READERS[name](numbered(text[:cut] + junk + text[cut : cut + 300]))
