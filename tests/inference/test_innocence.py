"""What looks like a door and is none: a lead with the reason in its words, or nothing."""

import random

import pytest

from knockwatch.config import Thresholds
from knockwatch.inference.contacts import contacts
from knockwatch.inference.innocence import mistyped, regular, unasked
from knockwatch.inference.sessions import Use, by_source

from .made import KNOCK, SECOND, Log, cases, only_door

OFFICE = [f"10.1.0.{number}" for number in range(1, 9)]
MONITOR = "10.9.0.1"


def closed_to_the_internet(service: str = "tcp/22") -> Log:
    log = Log()
    for number in range(6):
        log.refuse(7 + number * 3000, f"192.0.2.{number + 1}", service)
    return log


def visits(log: Log, *sent: str, times: int = 12) -> Log:
    """Let people of the office come at times of their own, each after the same packets."""
    chance = random.Random(1)
    for number in range(times):
        source, at = chance.choice(OFFICE), number * 1500 + chance.random() * 900
        log.knock(at, source, *sent, gap=0.5).enter(at + 3, source)
    return log


@pytest.mark.parametrize(
    "sent",
    [
        ("tcp/445",),
        ("udp/137",),
        ("icmp",),
        ("udp/137", "tcp/445"),
        ("tcp/445", "tcp/139", "tcp/80"),
    ],
)
def test_an_office_whose_machines_probe_by_themselves_is_a_lead(sent: tuple[str, ...]) -> None:
    case = only_door(visits(closed_to_the_internet(), *sent))
    assert case.status == "lead"
    assert f"Machines send {', '.join(sent)} by themselves before they visit a host" in " ".join(
        case.explanation
    )


def test_a_secret_of_such_ports_is_an_alert_where_the_users_themselves_were_refused() -> None:
    log = closed_to_the_internet()
    for number, source in enumerate(OFFICE):
        at = number * 1500
        log.refuse(at, source).knock(at + 10, source, "tcp/445", "tcp/139", "tcp/445").enter(at + 13, source)
    assert only_door(log).status == "alert"


def test_an_office_of_which_a_third_sends_nothing_first_is_a_lead() -> None:
    log = closed_to_the_internet()
    for number, source in enumerate(OFFICE):
        log.knock(number * 1100, source, "tcp/8014", "tcp/2967").enter(number * 1100 + 3, source)
    for number in range(4):
        log.enter(number * 1300 + 500, f"10.2.0.{number}")
    case = only_door(log)
    assert case.status == "lead"
    assert "4 of 12 entries had nothing before them" in " ".join(case.explanation)


@pytest.mark.parametrize("pause", [30, 60, 300])
def test_a_health_check_of_several_ports_is_a_lead(pause: int) -> None:
    chance = random.Random(pause)
    log = closed_to_the_internet()
    for cycle in range(40):
        at = cycle * pause + chance.random() * pause * 0.02
        log.knock(at, MONITOR, "tcp/25", "tcp/8080", "tcp/5432", gap=0.1).enter(at + 0.5, MONITOR)
    case = only_door(log)
    assert case.status == "lead"
    assert "came as regularly as a monitor or a health check" in " ".join(case.explanation)


def test_a_monitor_of_an_open_service_makes_no_door() -> None:
    log = Log()
    for number in range(10):
        log.enter(number * 100, f"192.0.2.{number}", "tcp/443")
    for cycle in range(40):
        log.knock(cycle * 60, MONITOR, "tcp/25", "tcp/8080").enter(cycle * 60 + 1, MONITOR, "tcp/443")
    assert [case for case in cases(log) if case.kind == "door"] == []


def test_people_who_use_a_door_often_are_no_monitor() -> None:
    case = only_door(visits(closed_to_the_internet(), *KNOCK, times=40))
    assert case.status == "alert"


def test_one_person_among_monitors_makes_the_door_an_alert() -> None:
    log = closed_to_the_internet()
    for cycle in range(40):
        log.knock(cycle * 60, MONITOR, *KNOCK).enter(cycle * 60 + 2, MONITOR)
    log.knock(5000, "198.51.100.1", *KNOCK).enter(5002, "198.51.100.1")
    assert only_door(log).status == "alert"


def test_mistyped_ports_before_an_open_service_are_nothing() -> None:
    log = Log()
    for number in range(10):
        log.enter(number * 100, f"192.0.2.{number}", "tcp/443")
    log.knock(2000, "198.51.100.7", "tcp/4433", "tcp/444", gap=5).enter(2015, "198.51.100.7", "tcp/443")
    assert cases(log) == []


@pytest.mark.parametrize("tried", [("tcp/2222", "tcp/222"), ("tcp/2022", "tcp/222", "tcp/23")])
def test_mistyped_ports_before_the_only_visit_of_a_closed_service_are_a_lead(tried: tuple[str, ...]) -> None:
    log = closed_to_the_internet().knock(2000, OFFICE[0], *tried, gap=5).enter(2020, OFFICE[0])
    case = only_door(log)
    assert case.status == "lead"
    assert "look like tcp/22 mistyped" in " ".join(case.explanation)


def test_two_ports_tried_once_before_a_closed_service_are_a_lead() -> None:
    log = closed_to_the_internet().knock(2000, OFFICE[0], "tcp/8006", "tcp/9090").enter(2005, OFFICE[0])
    case = only_door(log)
    assert case.status == "lead"
    assert "tried other ports first" in " ".join(case.explanation)


def test_three_ports_once_before_a_closed_service_are_an_alert() -> None:
    log = closed_to_the_internet().knock(2000, OFFICE[0], *KNOCK).enter(2005, OFFICE[0])
    assert only_door(log).status == "alert"


@pytest.mark.parametrize("a_second", [0.05, 0.2, 1.0])
@pytest.mark.parametrize("entries", [2, 20])
def test_noise_of_strangers_before_ordinary_visits_is_no_relayed_signal(
    a_second: float, entries: int
) -> None:
    """What comes all the time comes before visits too: chance is measured, not assumed."""
    chance = random.Random(f"{a_second}/{entries}")
    ports = [23, 445, 8080, 3389, 80, 5555, 1433, 2323, 8443, 8728, 6379, *range(1000, 1400)]
    log, at = closed_to_the_internet(), 0.0
    while at < 36_000:
        at += chance.expovariate(a_second)
        port = ports[min(int(chance.paretovariate(0.7)) - 1, len(ports) - 1)]
        log.add(at, f"198.18.{chance.randrange(256)}.{chance.randrange(256)}", f"tcp/{port}", "denied")
    for number in range(entries):
        log.enter(number * 1700 + 2000, f"10.1.1.{number}")
    assert [case for case in cases(log) if case.status == "alert"] == []


def test_a_relayed_signal_is_an_alert_where_such_packets_never_come_otherwise() -> None:
    log = closed_to_the_internet("tcp/2222")
    for number in range(300):
        log.knock(number * 60, f"198.18.0.{number % 250}", f"tcp/{2000 + number}")
    for at in (5000, 9000, 14_000):
        for index, step in enumerate(("tcp/11001", "tcp/11002", "tcp/11003")):
            log.knock(at + index, f"192.0.2.{at // 1000 * 4 + 100 + index}", step)
        log.enter(at + 4, f"198.51.100.{at // 1000}", "tcp/2222")
    case = only_door(log)
    assert (case.status, case.sequence) == ("alert", ["tcp/11001", "tcp/11002", "tcp/11003"])
    assert "makes this less certain" in " ".join(case.explanation)


def test_steps_are_told_from_what_machines_send_by_themselves() -> None:
    assert unasked(("tcp/445", "tcp/443"))
    assert not unasked(("tcp/80", "tcp/443"))
    assert not unasked(("tcp/445", "tcp/7000"))


def _with_words(step: str, *words: bytes) -> Log:
    """Let strangers be refused, and users enter after one packet each that carries a word."""
    log = closed_to_the_internet("tcp/8339")
    for number, word in enumerate(words):
        user, at = f"203.0.113.{50 + number}", 1000.0 * (number + 1)
        log.add(at, user, step, "unanswered", payload_length=len(word), payload_head=word[:32].hex())
        log.enter(at + 1, user, "tcp/8339")
    return log


MDNS = bytes.fromhex("000000000001000000000000095f7365727669636573075f646e732d7364045f")


@pytest.mark.parametrize(
    ("step", "words", "status", "signal"),
    [
        ("udp/5353", (b"open-71c9", b"open-71c9"), "alert", "magic-packet"),
        ("udp/9", (b"open-71c9", b"open-71c9"), "alert", "magic-packet"),
        ("tcp/9389", (b"open-71c9", b"open-71c9"), "alert", "magic-packet"),
        ("udp/9", (b"open-71c9", b"open-0000"), "lead", "sequence"),
        ("udp/9", (b"x", b"x"), "lead", "sequence"),
        ("udp/9", (b"open-71c9",), "lead", "sequence"),
        ("udp/5353", (MDNS, MDNS), "lead", "sequence"),
        ("udp/5353", (MDNS, MDNS, MDNS), "lead", "sequence"),
    ],
)
def test_the_same_word_of_two_users_is_a_signal_unless_machines_say_it(
    step: str, words: tuple[bytes, ...], status: str, signal: str
) -> None:
    case = only_door(_with_words(step, *words))
    assert (case.status, case.signal, case.sequence) == (status, signal, [step])


@pytest.mark.parametrize(
    ("payload", "signal"),
    [(b"\0" * 200, "icmp"), (b"dGhpcyBpcyBubyBwYWNrZXQ=" * 9, "spa"), (None, "spa")],
)
def test_a_large_ping_is_authorization_only_if_it_may_carry_base_64(
    payload: bytes | None, signal: str
) -> None:
    log = closed_to_the_internet()
    for number in range(2):
        user, at = f"203.0.113.{50 + number}", 1000.0 * (number + 1)
        head = payload[:32].hex() if payload else None
        log.add(at, user, "icmp", "unanswered", payload_length=200, payload_head=head).enter(at + 1, user)
    assert only_door(log).signal == signal


def test_a_port_mistyped_is_told_from_another() -> None:
    assert mistyped(("tcp/2222", "tcp/222", "tcp/2"), "tcp/22")
    assert mistyped(("tcp/4434", "tcp/444"), "tcp/443")
    assert not mistyped(("udp/22",), "tcp/22")
    assert not mistyped(KNOCK, "tcp/22")


def use(source: str, at: float) -> Use:
    log = Log().enter(at, source)

    (entry,) = by_source(contacts(log.frame()))[source]
    return Use(source, (), (), source, entry)


def test_a_beat_with_some_left_out_is_regular_and_a_few_visits_are_not() -> None:
    beats = [use(MONITOR, number * 60) for number in range(30) if number % 9]
    assert regular(beats, Thresholds())
    assert not regular(beats[:5], Thresholds())
    assert not regular([], Thresholds())
    assert beats[0].start_us % (60 * SECOND) == 0
