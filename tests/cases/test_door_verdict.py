"""When a signal of one packet is a signal."""

import pytest

from knockwatch.cases.door_verdict import judge_door
from knockwatch.cases.door_words import tell_door
from knockwatch.cases.story import Story
from knockwatch.detections import Finding

from .samples import client

SHUT = {"closed_to": 5, "sessions": 3, "unexplained": 0, "occurrences": 3}


def story(signal: str, sequence: tuple[str, ...], **facts: float) -> Story:
    finding = Finding(
        "door", "DoorInferred", "door", "entry", 0, 1, sources=("198.51.100.1",), destination="203.0.113.10"
    )
    return Story(
        "door",
        ("x",),
        [finding],
        destination="203.0.113.10",
        door="tcp/22",
        signal=signal,  # type: ignore[arg-type]
        sequence=sequence,
        facts={**SHUT, **facts},
    )


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"uses": 1, "users": 1}, "lead"),
        ({"uses": 2, "users": 2}, "lead"),
        ({"uses": 2, "users": 1, "refused_first": 1}, "alert"),
        ({"uses": 3, "users": 2}, "alert"),
        ({"uses": 2, "users": 2, "token": 1}, "alert"),
        ({"uses": 2, "users": 1, "token": 1}, "lead"),
        ({"uses": 2, "users": 2, "token": 1, "closed_to": 0}, "lead"),
        ({"uses": 3, "users": 1}, "lead"),
        ({"uses": 3, "users": 2, "closed_to": 0}, "lead"),
        ({"uses": 3, "users": 2, "occurrences": 30}, "lead"),
        ({"uses": 3, "users": 2, "unasked": 1}, "lead"),
    ],
)
def test_one_port_is_a_signal_when_it_made_the_difference_or_served_several(
    facts: dict[str, float], status: str
) -> None:
    assert judge_door(story("sequence", ("tcp/31337",), **facts)).status == status


@pytest.mark.parametrize(("odd", "uses", "status"), [(1, 2, "alert"), (0, 5, "lead"), (1, 1, "lead")])
def test_a_ping_is_a_signal_when_it_is_odd_and_comes_again(odd: int, uses: int, status: str) -> None:
    found = judge_door(story("icmp", ("icmp",), odd_ping=odd, uses=uses, users=uses))
    assert found.status == status


def test_two_steps_seen_twice_are_an_alert() -> None:
    assert judge_door(story("sequence", ("tcp/1001", "tcp/2002"), uses=2, users=1)).status == "alert"


@pytest.mark.parametrize(("skew_us", "told"), [(900_000, False), (3_000_000, True)])
def test_clocks_that_were_corrected_are_told_of(skew_us: int, told: bool) -> None:
    """A log without fractions differs by up to a second from others, which is no fault of a clock."""
    sentences = list(tell_door(story("sequence", ("tcp/1", "tcp/2"), skew_us=skew_us)))

    assert any("clocks differ by up to 3.0 s" in sentence for sentence in sentences) == told


def test_a_knock_client_beside_it_leaves_no_coincidence() -> None:
    """What is an alert alone stays one when the traffic of the same knock is at hand."""
    doubtful = story("sequence", ("tcp/80", "tcp/443"), closed_to=0, uses=1)
    assert judge_door(doubtful).status == "lead"
    doubtful.findings.append(client())

    verdict = judge_door(doubtful)
    assert verdict.status == "alert"
    assert any("program that sends knocks" in words for words, _ in verdict.parts)
