"""Hosts, doors and scenarios are data: what they say is checked, and adding one is adding a file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.lab import LabError
from knockwatch.lab.data import dump, load, restore
from knockwatch.lab.doors import build
from knockwatch.lab.plan import Plan, pool
from knockwatch.lab.sending import lines_of, steps_of
from knockwatch.lab.variants import at_random

DOOR = """
name = "added"
host = "srv2"
kind = "nft_chain"
service = "tcp/2300"
secret = ["tcp/1", "tcp/2"]
"""


def test_a_door_is_added_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "doors").mkdir()
    (tmp_path / "doors" / "added.toml").write_text(DOOR)
    assert load(tmp_path).doors["added"].port == 2300


KNOCK = 'title = "x"\n[[event]]\nid = "z"\nkind = "knock"\ntitle = "y"\n'
REFUSED = [
    ("doors", DOOR.replace("srv2", "srv9"), "door added: host is 'srv9'"),
    ("doors", DOOR.replace("tcp/2300", "tcp/70000"), "service: .*is no step"),
    ("doors", DOOR + "colour = 1", "colour: Extra inputs"),
    ("doors", DOOR + "=", "is no TOML"),
    ("hosts", 'role = "server"\naddresses = ["192.0.2.2"]', r"is not in 203\.0\.113\.0/24"),
    ("hosts", 'role = "router"', "exactly one host"),
    ("scenarios", KNOCK.replace('"z"', '"a1"') + 'door = "fwknopd"', "a1 is also in"),
    ("scenarios", KNOCK, "name a door"),
    ("scenarios", KNOCK + 'door = "fwknopd"\nsend = [2]', "has 1 steps"),
    ("scenarios", KNOCK + 'at = "srv1"\ntool = "telnet"', "telnet"),
]


@pytest.mark.parametrize(("kind", "text", "said"), REFUSED)
def test_what_does_not_fit_is_refused_in_a_sentence(kind: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / kind).mkdir()
    (tmp_path / kind / "added.toml").write_text(text)
    with pytest.raises(LabError, match=said):
        load(tmp_path)


def test_a_kind_of_door_that_is_none_is_refused(plan: Plan, tmp_path: Path) -> None:
    door = plan.doors["nft anyone"].model_copy(update={"kind": "trapdoor"})
    with pytest.raises(LabError, match="no kind of door called 'trapdoor'"):
        build(plan.hosts["srv2"], [door], tmp_path)


def test_a_plan_comes_back_as_it_was_written(plan: Plan) -> None:
    assert restore(dump(plan)) == plan


def test_numbers_are_steps_of_the_secret(plan: Plan) -> None:
    event = next(one for one in plan.scenarios["knock"].event if one.id == "n1")
    sent = steps_of(event, plan.doors["knockd openSSH"])
    assert sent == ("tcp/4242", "tcp/7000", "tcp/31337", "tcp/8000", "tcp/5555", "tcp/9000", "tcp/6161")


def test_every_event_can_be_sent_by_its_tool(plan: Plan) -> None:
    for scenario in plan.scenarios.values():
        for event in scenario.event:
            if not event.during:
                assert lines_of(plan, event, plan.doors.get(event.door or "")), event.id


def test_a_pool_is_a_range_of_addresses() -> None:
    assert pool("198.51.100.8-10") == ["198.51.100.8", "198.51.100.9", "198.51.100.10"]
    assert pool("2001:db8:a::e-10") == ["2001:db8:a::e", "2001:db8:a::f", "2001:db8:a::10"]


@given(st.integers(min_value=0, max_value=2**32))
def test_a_lab_made_up_from_a_seed_is_whole_and_always_the_same(seed: int) -> None:
    made, again = at_random(load(), seed), at_random(load(), seed)
    assert made == again
    (scenario,) = made.scenarios.values()
    used = [event.door for event in scenario.event if event.kind in ("knock", "spa")]
    assert all(used.count(name) == 2 for name in made.doors)
    ports = [
        step
        for door in made.doors.values()
        if door.signal == "sequence"
        for step in (*door.secret, door.service)
    ]
    assert len(ports) == len(set(ports))
    for event in scenario.event:
        if not event.during:
            assert lines_of(made, event, made.doors.get(event.door or ""))


def test_two_seeds_make_two_labs() -> None:
    assert at_random(load(), 1).doors != at_random(load(), 2).doors
