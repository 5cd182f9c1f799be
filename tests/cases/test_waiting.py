"""Stories of what waits on a host."""

from collections.abc import Iterable

import pytest

from knockwatch.cases import Case
from knockwatch.cases.build import build
from knockwatch.config import Config
from knockwatch.detections import Finding


def sniffer(
    facts: dict[str, float] | None = None, host: str = "srv1", sequence: tuple[str, ...] = ()
) -> Finding:
    return Finding(
        "sniffer",
        "PacketSocketOwner",
        "sniffer",
        None,
        0,
        0,
        host=host,
        door_name="unknown",
        sequence=sequence,
        facts={"sees": 1.0, **(facts or {})},
        note="unknown sees packets.",
    )


def cases(findings: Iterable[Finding]) -> list[Case]:
    return build(findings, Config(), quotes=lambda _: {}, file_name=lambda pointer: str(pointer.file))


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({}, "lead"),
        ({"steps": 2.0}, "alert"),
        ({"constants": 1.0}, "alert"),
        ({"capture": 1.0, "steps": 2.0}, "lead"),
        ({"knock-daemon": 1.0, "steps": 3.0}, "lead"),
        ({"service": 1.0, "deleted": 1.0}, "lead"),
        ({"deleted": 1.0}, "alert"),
        ({"capture": 1.0, "kernel-name": 1.0}, "alert"),
        ({"memory-only": 1.0}, "alert"),
        ({"unexpected": 1.0}, "alert"),
        ({"bpf": 1.0}, "lead"),
        ({"bpf": 1.0, "trace": 2.0}, "alert"),
        ({"hidden": 1.0}, "alert"),
        ({"capture": 1.0, "trace": 3.0}, "alert"),
    ],
)
def test_what_hides_or_waits_for_secrets_is_an_alert(facts: dict[str, float], status: str) -> None:
    [case] = cases([sniffer(facts)])
    assert (case.kind, case.status) == ("sniffer", status)
    assert case.missing
    assert case.explanation


def test_an_implants_empty_file_is_an_alert_only_where_nothing_else_makes_such() -> None:
    told = [
        Finding("sniffer", "ImplantFile", "sniffer", None, 0, 0, host="srv1", door_name=path, facts=facts)
        for path, facts in (
            ("/var/run/haldrund.pid", {"trace": 3.0, "file": 1.0}),
            ("/var/run/mcelog.pid", {"trace": 1.0, "file": 1.0}),
        )
    ]
    assert [case.status for case in cases(told)] == ["alert", "lead"]


def test_one_program_on_two_hosts_is_two_cases_and_its_moments_are_one() -> None:
    assert len(cases([sniffer(), sniffer(), sniffer(host="srv2")])) == 2


def test_ids_do_not_depend_on_processes() -> None:
    [one] = cases([sniffer({"steps": 1.0}, sequence=("tcp/7000",))])
    [again] = cases([sniffer({"steps": 1.0, "deleted": 1.0}, sequence=("tcp/7000",))])
    assert one.id == again.id
