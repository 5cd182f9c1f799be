"""One host has one spelling."""

import ipaddress

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.sources._addresses import shortest


def test_what_is_no_address_becomes_null() -> None:
    given_ = ["300.1.1.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "::g", "", None, "10.0.0.1"]
    assert shortest(pl.Series(given_)).to_list() == [None] * 7 + ["10.0.0.1"]


def test_the_kernels_full_ipv6_and_mapped_addresses_are_shortened() -> None:
    spelled = ["2001:0db8:000a:0000:0000:0000:0000:0010", "::ffff:192.0.2.1", "[2001:DB8::1]"]
    assert shortest(pl.Series(spelled)).to_list() == ["2001:db8:a::10", "192.0.2.1", "2001:db8::1"]


@given(st.lists(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)), min_size=1))
def test_every_spelling_means_the_same_address(addresses: list[ipaddress.IPv6Address]) -> None:
    for spelling in (str, lambda address: address.exploded):
        read = shortest(pl.Series([spelling(address) for address in addresses])).to_list()
        mapped = [
            address.ipv4_mapped if address.version == 6 and address.ipv4_mapped else address
            for address in addresses
        ]
        assert read == [str(address) for address in mapped]
