"""RouterOS' rules as a state machine."""

from knockwatch.hoststate.routeros import read
from tests.hoststate.reading import doors
from tests.sources.reading import SAMPLES

SAMPLE = (SAMPLES / "routeros-export" / "port-knocking.rsc").read_text()
ICMP = """\
/ip firewall filter add action=add-src-to-address-list address-list=k1 address-list-timeout=3s chain=input packet-size=123 protocol=icmp
/ip firewall filter add action=add-src-to-address-list address-list=k2 address-list-timeout=3s chain=input packet-size=124 protocol=icmp src-address-list=k1
/ip firewall filter add action=accept chain=input dst-port=22,8291 protocol=tcp src-address-list=k2
"""  # noqa: E501


def test_address_lists_are_the_stages_of_a_door_to_everything() -> None:
    [((steps, service), rows)] = doors(read, SAMPLE).items()

    assert (steps, service) == ("tcp/888 tcp/555 tcp/222", None)
    assert {row["seconds"] for row in rows} == {30}
    assert [row["line"] for row in rows] == [6, 8, 10, 12]


def test_pings_of_sizes_are_an_icmp_signal_for_each_service() -> None:
    found = doors(read, ICMP)

    assert set(found) == {("icmp icmp", "tcp/22"), ("icmp icmp", "tcp/8291")}
    assert {row["signal"] for rows in found.values() for row in rows} == {"icmp"}


def test_a_path_in_slashes_is_the_same_menu() -> None:
    assert set(doors(read, ICMP.replace("/ip firewall filter add", "/ip/firewall/filter/add"))) == set(
        doors(read, ICMP)
    )


def test_a_disabled_rule_makes_no_door() -> None:
    assert doors(read, SAMPLE.replace("dst-port=555", "disabled=yes dst-port=555")) == {}


def test_stages_that_end_in_a_blacklist_are_no_door() -> None:
    text = """\
/ip firewall filter
add action=drop chain=input src-address-list=blacklist
add action=add-src-to-address-list address-list=blacklist chain=input dst-port=22 protocol=tcp src-address-list=s1
add action=add-src-to-address-list address-list=s1 address-list-timeout=1m chain=input dst-port=22 protocol=tcp
add action=accept chain=input dst-port=22 protocol=tcp src-address-list=!blacklist"""
    assert doors(read, text) == {}
