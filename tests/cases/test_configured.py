"""Configured doors and the inferred ones they are."""

from typing import Any

import pytest

from knockwatch.cases import Case
from knockwatch.cases.build import build
from knockwatch.config import Config, load
from knockwatch.detections import UNTIMED_US, Finding, Pointer, Use

SECRET = ("tcp/7000", "tcp/8000", "tcp/9000")
SECOND = 1_000_000
START = 1_795_346_618 * SECOND
HOSTS = {"srv1": ("203.0.113.10", "2001:db8:5::10")}


def configured(**changes: Any) -> Finding:
    told: dict[str, Any] = {
        "host": "srv1",
        "door": "tcp/22",
        "sequence": SECRET,
        "signal": "sequence",
        "facts": {"configured": 1.0},
        "pointers": (Pointer("changes", 7, 1),),
        **changes,
    }
    return Finding("configured-door", "ConfiguredDoor", "door", None, UNTIMED_US, UNTIMED_US, **told)


def inferred(sequence: tuple[str, ...] = SECRET, **changes: Any) -> Finding:
    use = Use(
        "198.51.100.10", "198.51.100.10", START, START + SECOND, START + 2 * SECOND, sequence, complete=True
    )
    told: dict[str, Any] = {
        "sources": ("198.51.100.10",),
        "destination": "203.0.113.10",
        "door": "tcp/22",
        "sequence": sequence,
        "signal": "sequence",
        "uses": (use,),
        "facts": {"uses": 1.0},
        "pointers": (Pointer("connections", 0, 1, START),),
        **changes,
    }
    return Finding("door", "DoorInferred", "door", "entry", START, START + 2 * SECOND, **told)


def cases(*findings: Finding, config: Config | None = None) -> list[Case]:
    return build(findings, config or Config(), lambda _: {}, lambda pointer: str(pointer.file), learned=HOSTS)


def test_a_door_that_only_a_configuration_names_is_an_alert_of_medium_severity() -> None:
    [case] = cases(configured())

    assert (case.kind, case.status, case.severity, case.confidence) == ("door", "alert", "medium", "high")
    assert (case.host, case.destination, case.door, case.sequence) == (
        "srv1",
        "203.0.113.10",
        "tcp/22",
        [*SECRET],
    )
    assert (case.first_seen, case.legs, case.attempts, case.entries) == (None, [], [], [])


def test_it_is_one_case_with_the_inferred_door() -> None:
    [case] = cases(inferred(), configured())

    assert case.rules == ["configured-door", "door"]
    assert (case.status, case.severity, case.destination) == ("alert", "high", "203.0.113.10")
    assert case.first_seen == "2026-11-22T11:23:38Z"


def test_the_cases_id_is_the_same_with_and_without_uses() -> None:
    [alone], [both] = cases(configured()), cases(inferred(), configured())

    assert alone.id == both.id


def test_the_configured_secret_is_without_decoys() -> None:
    [case] = cases(inferred(("tcp/1", *SECRET)), configured())

    assert case.sequence == [*SECRET]


@pytest.mark.parametrize(
    "changes",
    [
        {"door": "tcp/2200"},
        {"sequence": ("tcp/1", "tcp/2", "tcp/3")},
        {"host": "srv9"},
        {"signal": "icmp", "sequence": ("icmp",)},
    ],
)
def test_another_door_is_another_case(changes: dict[str, Any]) -> None:
    assert len(cases(inferred(), configured(**changes))) == 2


def test_several_files_and_moments_are_one_door() -> None:
    waiting = configured(door=None, destination="203.0.113.10", pointers=(Pointer("changes", 8, 1),))
    again = configured(door_name="openSSH", pointers=(Pointer("changes", 9, 1),))
    [case] = cases(configured(), waiting, again)

    assert case.door == "tcp/22"
    assert {quote.file for quote in case.evidence} == {"7", "8", "9"}


def test_two_doors_of_one_service_stay_two() -> None:
    assert len(cases(configured(), configured(sequence=("tcp/7100", "tcp/8100", "tcp/9100")))) == 2


def test_a_filter_without_an_order_is_the_door_whose_order_is_told() -> None:
    mixed = ("udp/2222", "tcp/3333")
    [case] = cases(
        configured(sequence=("tcp/3333", "udp/2222"), order_known=False, door=None),
        configured(sequence=mixed),
    )

    assert (case.sequence, case.order_known) == ([*mixed], True)


def test_what_fwknop_says_in_several_files_is_one_door() -> None:
    [case] = cases(
        configured(signal="spa", sequence=(), door="tcp/22"),
        configured(signal="spa", sequence=("udp/62201",), door=None),
    )

    assert (case.door, case.sequence, case.signal) == ("tcp/22", ["udp/62201"], "spa")


def test_a_daemons_word_joins_the_door_of_its_name() -> None:
    said = Finding(
        "daemon-activity",
        "OpenSesame",
        "daemon",
        "opening",
        START,
        START,
        sources=("198.51.100.10",),
        host="srv1",
        door="tcp/22",
        door_name="openSSH",
        complete=True,
        conclusive=True,
        pointers=(Pointer("messages", 0, 1, START),),
    )
    [case] = cases(configured(door_name="openSSH"), said)

    assert (case.kind, case.severity, case.sources) == ("door", "high", ["198.51.100.10"])
    assert case.sequence == [*SECRET]


def test_a_door_that_the_site_authorises_is_suppressed(tmp_path: Any) -> None:
    path = tmp_path / "knockwatch.toml"
    path.write_text('[context]\ndoors = [{ host = "srv1", port = "tcp/22" }]\n')
    config = load(path)

    assert [case.status for case in cases(configured(), config=config)] == ["suppressed"]
    assert [case.status for case in cases(configured(door="tcp/2200"), config=config)] == ["alert"]
