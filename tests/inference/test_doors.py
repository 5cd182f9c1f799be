"""Doors are told from services by what comes before, and by who is refused."""

import random

import pytest

from knockwatch.config import Thresholds
from knockwatch.inference.contacts import contacts
from knockwatch.inference.doors import Destination, Door, infer

from .made import KNOCK, SERVER, Log, cases, only_door

TRIES_KEPT = 1000
ADMIN, GUEST, STRANGER = "198.51.100.1", "198.51.100.2", "198.18.7.9"


def inferred(log: Log) -> list[Destination]:
    return list(infer(contacts(log.frame()), {SERVER: "srv1"}, Thresholds()))


def doors(log: Log) -> list[Door]:
    return [door for destination in inferred(log) for door in destination.doors]


def used_twice() -> Log:
    log = Log().knock(0, ADMIN, *KNOCK).enter(1.5, ADMIN)
    return log.knock(500, GUEST, *KNOCK).enter(501.5, GUEST).refuse(900, STRANGER)


def test_a_door_used_twice_gives_its_secret() -> None:
    (door,) = doors(used_twice())
    assert (door.service, door.secret, door.signal) == ("tcp/22", KNOCK, "sequence")
    assert (len(door.uses), door.closed_to, door.order_known) == (2, 1, True)


def test_decoys_between_the_steps_fall_away() -> None:
    log = used_twice()
    log.knock(1000, "198.51.100.3", "tcp/1", "tcp/7000", "tcp/2", "tcp/8000", "tcp/9000", "tcp/3").enter(
        1005, "198.51.100.3"
    )
    (door,) = doors(log)
    assert door.secret == KNOCK
    assert len(door.uses) == 3


def test_one_use_is_enough_where_the_port_was_closed() -> None:
    (door,) = doors(Log().refuse(0, ADMIN).knock(10, ADMIN, *KNOCK).enter(12, ADMIN))
    assert (door.secret, door.refused_first) == (KNOCK, 1)


def test_a_web_server_is_no_door() -> None:
    log = Log()
    for number in range(40):
        source = f"192.0.2.{number}"
        if number % 3 == 0:
            log.knock(number * 100, source, "tcp/5222", "tcp/5223")
        log.enter(number * 100 + 2, source, "tcp/443")
    assert doors(log.refuse(9000, STRANGER, "tcp/443")) == []


def test_a_service_open_to_all_whose_visitors_probed_first_is_no_door() -> None:
    log = Log()
    for number in range(5):
        log.knock(number * 100, f"192.0.2.{number}", "tcp/5222", "tcp/5223", "tcp/5224")
        log.enter(number * 100 + 2, f"192.0.2.{number}", "tcp/443")
    assert doors(log) == []


def test_a_failed_try_is_no_use() -> None:
    log = used_twice().knock(2000, STRANGER, "tcp/7000", "tcp/8000", "tcp/9001").refuse(2002, STRANGER)
    (door,) = doors(log)
    assert [use.source for use in door.failed] == [STRANGER]
    assert STRANGER not in {use.source for use in door.uses}


def test_a_scan_that_holds_the_secret_resembles_nothing() -> None:
    log = used_twice().knock(3000, STRANGER, *(f"tcp/{port}" for port in range(6990, 9010)), gap=0.01)
    (door,) = doors(log)
    assert door.failed == []


def test_a_wrong_sequence_that_tried_the_door_is_a_stranger() -> None:
    log = used_twice().knock(3000, STRANGER, "tcp/1", "tcp/2", "tcp/3").refuse(3002, STRANGER)
    (destination,) = inferred(log)
    tries = destination.strangers["tcp/22"]
    assert ("tcp/1", "tcp/2", "tcp/3") in [use.steps for use in tries]


def test_an_ordinary_ping_is_no_try_at_an_icmp_door() -> None:
    log = Log()
    for at, source in ((0, ADMIN), (500, GUEST)):
        log.add(at, source, "icmp", "accepted", payload_length=12).enter(at + 1, source, "tcp/2022")
    log.add(900, STRANGER, "icmp", "accepted", payload_length=56).refuse(901, STRANGER, "tcp/2022")
    log.add(950, "198.18.7.8", "icmp", "accepted", payload_length=13).refuse(951, "198.18.7.8", "tcp/2022")
    (door,) = doors(log)
    assert (door.secret, door.signal) == (("icmp",), "icmp")
    assert [use.source for use in door.failed] == ["198.18.7.8"]


def test_one_large_datagram_is_single_packet_authorization() -> None:
    log = used_twice().add(2000, ADMIN, "udp/62201", "denied", payload_length=225).enter(2001, ADMIN)
    spa = next(door for door in doors(log) if door.signal == "spa")
    assert (spa.secret, spa.proven) == (("udp/62201",), True)


def test_two_secrets_of_one_service_are_two_doors() -> None:
    other = ("tcp/7100", "tcp/8100", "tcp/9100")
    log = used_twice()
    for at, source in ((2000, ADMIN), (3000, GUEST)):
        log.knock(at, source, *other, gap=20).enter(at + 42, source)
    assert {door.secret for door in doors(log)} == {KNOCK, other}


def test_several_sessions_through_one_opening_are_one_use() -> None:
    log = used_twice().enter(502, GUEST).enter(503, GUEST)
    (door,) = doors(log)
    assert len(door.uses) == 2


def test_a_slow_knock_over_minutes_counts() -> None:
    log = Log()
    for at, source in ((0, ADMIN), (4000, GUEST)):
        log.knock(at, source, *KNOCK, gap=400).enter(at + 1200, source)
    (door,) = doors(log.refuse(9000, STRANGER))
    assert door.secret == KNOCK


def test_a_step_from_each_of_several_sources_is_found_and_called_relayed() -> None:
    log = Log().refuse(0, STRANGER, "tcp/2222")
    for at in (100, 700):
        for index, step in enumerate(("tcp/11001", "tcp/11002", "tcp/11003")):
            log.knock(at + index, f"192.0.2.{at // 100 + index}", step)
        log.enter(at + 4, f"192.0.2.{at // 100 + 50}", "tcp/2222")
    (door,) = doors(log)
    assert (door.relayed, door.secret) == (True, ("tcp/11001", "tcp/11002", "tcp/11003"))


def test_a_second_address_of_a_host_is_as_closed_as_the_first() -> None:
    log = used_twice()
    log.knock(2000, "2001:db8:c::10", *KNOCK)
    for row in log.rows[-3:]:
        row["destination_ip"] = "2001:db8:5::10"
    log.enter(2002, "2001:db8:c::10")
    log.rows[-1]["destination_ip"] = "2001:db8:5::10"
    names = {SERVER: "srv1", "2001:db8:5::10": "srv1"}
    found = list(infer(contacts(log.frame()), names, Thresholds()))
    assert [d.doors[0].closed_to for d in found if d.doors[0].destination == "2001:db8:5::10"] == [1]


def test_what_the_clock_cannot_order_is_said() -> None:
    log = Log()
    for at, source in ((0, ADMIN), (500, GUEST)):
        log.knock(at, source, *KNOCK, gap=0).enter(at + 1, source)
    (door,) = doors(log.refuse(900, STRANGER))
    assert not door.order_known


@pytest.mark.parametrize("count", [20, 200, 1000])
def test_probes_sprayed_around_every_knock_do_not_hide_the_secret(count: int) -> None:
    """An adversary makes up decoys before every visit; only the secret is the same each time."""
    chance = random.Random(count)
    log = Log().refuse(0, STRANGER)
    for number in range(6):
        source, at = f"198.51.100.{number + 1}", 1000 + number * 3000
        sent = [f"tcp/{chance.randrange(1, 65536)}" for _ in range(count)]
        for place, step in zip(sorted(chance.sample(range(count), 3)), KNOCK, strict=True):
            sent.insert(place, step)
        log.knock(at, source, *sent, gap=0.2).enter(at + count * 0.2 + 5, source)
    case = only_door(log)
    assert (case.status, tuple(case.sequence), len(case.entries)) == ("alert", KNOCK, 6)


def test_the_same_decoys_in_another_order_each_time_do_not_hide_the_door() -> None:
    chance = random.Random(0)
    decoys = [f"tcp/{chance.randrange(10_000, 65_536)}" for _ in range(150)]
    log = Log().refuse(0, STRANGER)
    for number in range(6):
        source, at = f"198.51.100.{number + 1}", 1000 + number * 3000
        chance.shuffle(decoys)
        log.knock(at, source, *decoys[:50], *KNOCK, *decoys[50:], gap=0.2).enter(at + 60, source)
    found = [case for case in cases(log) if case.status == "alert"]
    assert {case.door for case in found} == {"tcp/22"}
    assert {entry.source for case in found for entry in case.entries} == {
        f"198.51.100.{number + 1}" for number in range(6)
    }


def test_thousands_of_spoofed_sources_do_not_hide_the_door_nor_fill_the_case() -> None:
    """They probe the secret's ports and the door itself, all the time."""
    chance = random.Random(0)
    log = used_twice()
    for number in range(3000):
        source = f"10.{number >> 8}.{number & 255}.{chance.randrange(256)}"
        steps = chance.sample([*KNOCK, "tcp/22", "tcp/23", "tcp/445", "tcp/8081"], 2)
        log.knock(chance.random() * 1500, source, *steps, gap=0.2)
    found = cases(log)
    (door,) = (case for case in found if case.kind == "door")
    assert (door.status, tuple(door.sequence)) == ("alert", KNOCK)
    assert {entry.source for entry in door.entries} == {ADMIN, GUEST}
    assert all(len(case.attempts) <= TRIES_KEPT for case in found)


def test_a_user_among_the_strangers_does_not_take_their_tries_out_of_sight() -> None:
    log = used_twice().refuse(503, GUEST).refuse(1200, "198.18.7.8")
    (tried,) = (case for case in cases(log) if case.kind == "signal")
    assert {STRANGER, "198.18.7.8", GUEST} <= set(tried.sources)
