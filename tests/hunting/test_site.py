"""A site's values in the hunts: they count, and they quote what people write."""

from functools import cache
from ipaddress import ip_address, ip_network
from typing import Any

import duckdb_kql
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knockwatch.config import Config
from knockwatch.hunting import hunts
from knockwatch.hunting.site import fitted, network_condition, text_literal
from tests.kql import connect, rows, site

ENGINE = cache(duckdb_kql.connect)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The views of the evidence."""
    return connect(tmp_path_factory.mktemp("views"))


def test_thresholds_context_and_doors_change_what_is_found(connection: Any) -> None:
    whole = rows(connection, hunts()["denied-then-accepted"].text)
    told = rows(connection, fitted(hunts()["denied-then-accepted"], site()).text)
    assert {row["SourceIP"] for row in whole} - {row["SourceIP"] for row in told} == {
        "198.51.100.10",  # an administrator
        "198.51.100.13",  # came through an authorised door
        "198.51.100.28",  # tried seven ports where five are the most
        "198.51.100.32",  # both
    }


def test_expected_networks_hide_their_addresses_and_no_others(connection: Any) -> None:
    config = Config.from_toml('[context]\nadministrators = ["198.18.7.0/28", "2001:db8:c::/48"]\n', "x")
    whole = {row["SourceIP"] for row in rows(connection, hunts()["denied-then-accepted"].text)}
    left = {row["SourceIP"] for row in rows(connection, fitted(hunts()["denied-then-accepted"], config).text)}
    assert whole - left == {"198.18.7.10", "198.18.7.14", "198.18.7.15", "2001:db8:c::10"}


def test_names_hide_accounts_and_hosts(connection: Any) -> None:
    config = Config.from_toml('[context]\ndevelopers = ["BOB"]\n', "x")
    told = rows(connection, fitted(hunts()["knock-clients"], config).text)
    assert told
    assert "bob" not in {row["AccountName"] for row in told}


def test_a_timespan_stays_one_and_a_number_a_number() -> None:
    config = Config.from_toml("[thresholds]\nsequence_span_seconds = 90.5\nsequence_ports_min = 4\n", "x")
    text = fitted(hunts()["denied-then-accepted"], config).text
    assert "let window = 90.5s;" in text
    assert "let ports_min = 4;" in text


@settings(max_examples=40)
@given(st.text())
def test_any_name_is_one_string_of_kql(name: str) -> None:
    # The engine's language has no surrogates and no NUL in its strings; names in a configuration have none either.
    name = "".join(mark for mark in name if mark.isprintable())
    assert duckdb_kql.kql(ENGINE(), f"print x = {text_literal(name)}").fetchall() == [(name,)]


# A query takes a fifth of a second: few addresses, of both kinds, with every length of network sooner or later.
@settings(max_examples=20)
@given(st.ip_addresses(), st.data())
def test_the_condition_of_a_network_holds_for_its_addresses_alone(address: Any, data: st.DataObject) -> None:
    bits = address.max_prefixlen
    length = data.draw(st.integers(0, bits))
    network = ip_network((address, length), strict=False)
    near = [network.network_address, network.broadcast_address]
    others = [int(near[0]) - 1, int(near[1]) + 1]
    near += [ip_address(other.to_bytes(bits // 8, "big")) for other in others if 0 <= other < 1 << bits]
    # An address of the other kind, a name and nothing are outside, and the opposite holds of them.
    texts = {str(one): one in network for one in near} | {
        "192.0.2.1" if bits > 32 else "::2": False,
        "srv1": False,
        "": False,
    }
    condition = " or ".join(network_condition("a", [network]))
    table = ", ".join(f'"{one}"' for one in texts)
    told = duckdb_kql.kql(
        ENGINE(),
        f"datatable(a:string)[{table}] | project a, inside = ({condition}), outside = not({condition})",
    ).fetchall()
    assert {name: inside for name, inside, _ in told} == texts
    assert all(outside is not inside for _, inside, outside in told)
