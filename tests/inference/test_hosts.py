"""Hosts are known by what they log of themselves: packets for them, and lines that name their own address."""

from __future__ import annotations

import polars as pl
import pytest

from knockwatch.engines.embedded import Engine
from knockwatch.inference.hosts import learn, sightings
from knockwatch.ingest import Workspace
from tests.rows import put

LINES = {
    # The lab's own hosts wrote these two.
    ("sshd", "Server listening on 203.0.113.10 port 2200."): "203.0.113.10",
    ("knockd", "local IP: 2001:db8:5::10"): "2001:db8:5::10",
    # As the programs' sources print them.
    ("dhclient", "bound to 192.0.2.7 -- renewal in 1800 seconds."): "192.0.2.7",
    ("dhcpcd", "eth0: leased 192.0.2.7 for 86400 seconds"): "192.0.2.7",
    (
        "systemd-networkd",
        "br0: DHCPv4 address 192.0.2.7/24, gateway 192.0.2.1 acquired from 192.0.2.1",
    ): "192.0.2.7",
    (
        "NetworkManager",
        "<info>  [1716494891.6724] dhcp4 (ens18): state changed new lease, address=192.0.2.7",
    ): "192.0.2.7",
    ("sshd", 'Connection from 198.51.100.1 port 40000 on 192.0.2.7 port 22 rdomain ""'): "192.0.2.7",
}


def learned(workspace: Workspace) -> dict[str, str]:
    with Engine(workspace) as engine:
        tables = engine.tables()
        return learn(engine.execute(sightings(tables["connections"], tables["messages"])))


@pytest.mark.parametrize(("said", "address"), LINES.items())
def test_a_line_that_names_the_hosts_own_address_is_believed(
    workspace: Workspace, said: tuple[str, str], address: str
) -> None:
    put(workspace, "messages", [{"host": "srv1", "program": said[0], "message": said[1], "time_us": 1}])

    assert learned(workspace) == {address: "srv1"}


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("sshd", "Server listening on 0.0.0.0 port 22."),
        ("sshd", "Server listening on :: port 22."),
        ("sshd", "Server listening on 127.0.0.1 port 22."),
        ("evil", "bound to 192.0.2.7 -- renewal in 1800 seconds."),
        ("sshd", "Invalid user Connection from 192.0.2.1 port 1 on 192.0.2.7 port 22 from 192.0.2.9"),
        ("dhclient", "bound to nowhere -- renewal in 1800 seconds."),
    ],
)
def test_what_every_host_has_and_what_anyone_could_write_is_not(
    workspace: Workspace, program: str, message: str
) -> None:
    put(workspace, "messages", [{"host": "srv1", "program": program, "message": message, "time_us": 1}])

    assert learned(workspace) == {}


def test_an_address_goes_to_whoever_claims_it_most(workspace: Workspace) -> None:
    lease = {"program": "dhclient", "message": "bound to 192.0.2.7 -- renewal in 1800 seconds.", "time_us": 1}
    put(workspace, "messages", [{"host": "old", **lease}, {"host": "new", **lease}, {"host": "new", **lease}])

    assert learned(workspace) == {"192.0.2.7": "new"}


def test_a_recorder_of_many_addresses_is_no_host() -> None:
    seen = pl.DataFrame({"sensor": "edge", "destination_ip": [f"192.0.2.{n}" for n in range(40)], "times": 1})

    assert learn(seen) == {}
