"""Facts of a running host."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.hoststate import facts
from tests.hoststate.reading import numbered

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


def rows(*objects: Any) -> list[dict[str, Any]]:
    return facts.read(numbered("\n".join(json.dumps(one) for one in objects))).rows


def test_what_the_gathering_could_not_see_stands_in_the_first_line() -> None:
    assert facts.unseen('{"knockwatch_host": 1, "unseen": ["rules"]}\n{}') == ["rules"]
    assert facts.unseen("no JSON") == []


def test_a_socket_without_an_owner_is_told_as_such() -> None:
    [row] = rows({"socket": "packet socket, protocol 0x0003, eth0"})
    assert (row["kind"], row["name"]) == ("socket-opened", facts.NO_OWNER)


@pytest.mark.parametrize("line", ["rubbish", "[1]", '{"process": {"pid": "x"}}', '{"other": 1}', "{" * 5000])
def test_a_line_of_no_known_kind_is_counted(line: str) -> None:
    state = facts.read([(1, line)])
    assert [number for number, _ in state.misfits] == [1]
    assert state.rows == []


def test_a_port_that_is_none_makes_no_listener() -> None:
    process = {"pid": 1, "name": "x", "sockets": ["tcp/70000 0.0.0.0"]}
    assert [row["kind"] for row in rows({"process": process})] == ["process-seen", "socket-opened"]


@given(JSON)
def test_any_json_is_read_or_counted(value: Any) -> None:
    wrapped = {
        "process": {"pid": 1, "name": "x", "facts": value, "sockets": value, "seconds_after_boot": value}
    }
    for one in (value, {"process": value}, {"file": value}, wrapped):
        state = facts.read([(1, json.dumps(one))])
        assert bool(state.misfits) != bool(state.known)
