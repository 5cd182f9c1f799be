import json
from collections.abc import Iterable
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import knockwatch.cases.build as building
from knockwatch.cases import Case
from knockwatch.cases.build import QUOTES, build
from knockwatch.config import Config
from knockwatch.detections import Finding, Pointer

from .samples import RULES, SECOND, SECRET, START, attempt, cases, client, one, opening, quotes, run, running


def told(case: Case) -> str:
    return " ".join(case.explanation)


def test_no_findings_make_no_cases() -> None:
    assert cases([]) == []


def test_an_opening_is_an_alert_with_its_daemons_word() -> None:
    case = one([opening()])
    assert (case.kind, case.status, case.severity, case.confidence) == ("daemon", "alert", "high", "high")
    assert (case.host, case.door, case.signal) == ("srv1", "tcp/22", "sequence")
    assert case.legs == ["signal", "opening"]
    assert case.sources == ["198.51.100.10"]
    assert case.attack == ["T1205", "T1205.001"]
    assert "a complete signal opened the door openSSH (tcp/22) once, for 198.51.100.10" in told(case)
    assert "no scan" in told(case)


def test_a_door_is_one_case_with_the_attempts_of_all_sources() -> None:
    case = one(
        [
            opening(at=0),
            opening("198.51.100.11", at=60),
            attempt("198.18.7.11", 30),
            attempt(at=90, complete=None),
        ]
    )
    assert [(attempt.source, attempt.complete) for attempt in case.attempts] == [
        ("198.51.100.10", True),
        ("198.18.7.11", False),
        ("198.51.100.11", True),
        ("198.18.7.11", None),
    ]
    assert (case.first_seen, case.last_seen) == ("2026-11-22T11:23:38Z", "2026-11-22T11:25:09Z")


def test_two_doors_of_a_host_are_two_cases() -> None:
    assert len(cases([opening(), opening(door_name="mixedSSH", door="tcp/2200")])) == 2


def test_doors_of_one_name_on_two_hosts_are_two_cases() -> None:
    assert len(cases([opening(), opening(host="srv3")])) == 2


def test_the_secret_is_not_claimed_from_failed_attempts() -> None:
    assert one([opening(), attempt(sequence=("tcp/7000",))]).sequence == []
    assert one([opening(sequence=SECRET)]).sequence == list(SECRET)


def test_attempts_that_open_nothing_are_a_lead() -> None:
    """Trap 13: a sequence timeout comes late or never."""
    case = one([attempt(), attempt(at=60, complete=None)])
    assert (case.status, case.legs) == ("lead", ["signal"])
    assert "198.18.7.11 failed at the door openSSH (tcp/22) on srv1 once." in case.explanation


def test_a_closing_sequence_is_no_opening() -> None:
    """Trap 17: knockd has closing sequences too, and can lose a correct one."""
    case = one([attempt(complete=True, door_name="closeSSH")])
    assert case.status == "lead"
    assert "may be a signal that closes the door" in told(case)


def test_a_daemon_that_merely_runs_is_a_lead() -> None:
    case = one([running()])
    assert (case.status, case.attempts, case.sources, case.signal) == ("lead", [], [], None)
    assert "nobody was seen to knock" in told(case)


def test_a_daemon_that_is_used_needs_no_case_of_its_own() -> None:
    case = one([running(), opening()])
    assert len(case.evidence) == 2
    assert len(cases([running("srv9"), opening()])) == 2


def test_an_opening_for_nobody_in_particular_is_still_an_alert() -> None:
    case = one([replace(opening(), sources=())])
    assert (case.status, case.attempts) == ("alert", [])
    assert "does not say for whom" in told(case)


def test_the_same_knock_in_two_logs_is_one_attempt() -> None:
    """Trap 6: knockd.log has minute resolution and names no host."""
    in_syslog = opening(at=4)
    minute = in_syslog.start_us // (60 * SECOND) * 60 * SECOND
    shared = attempt(at=200, pointers=(Pointer("messages", 0, 9, START), Pointer("messages", 5, 9, START)))
    in_own_log = replace(
        in_syslog, host=None, start_us=minute, end_us=minute, pointers=(Pointer("messages", 5, 3, minute),)
    )
    case = one([in_own_log, shared, in_syslog])
    assert [found.start for found in case.attempts] == ["2026-11-22T11:23:42Z", "2026-11-22T11:26:58Z"]
    assert {quote.file for quote in case.evidence} == {"file0.log", "file5.log"}


def test_two_knocks_of_one_minute_in_one_log_stay_two() -> None:
    minute = START // (60 * SECOND) * 60 * SECOND
    coarse = [
        replace(opening(), start_us=minute, end_us=minute, pointers=(Pointer("messages", 5, line, minute),))
        for line in (3, 7)
    ]
    assert len(one(coarse).attempts) == 2
    assert len(one([*coarse, opening(at=0.5), opening(at=9)]).attempts) == 2


def test_an_spa_packet_without_an_answer_belongs_to_the_door_its_source_opened() -> None:
    rule = opening(door_name=None, note="fwknopd says that 198.51.100.10 was let in.")
    packet = attempt(
        "198.51.100.10", at=30, complete=False, door_name=None, door=None, note="fwknopd refused it."
    )
    case = one([packet, rule])
    assert (case.signal, case.door, len(case.attempts)) == ("spa", "tcp/22", 2)


def test_what_a_daemon_says_of_itself_does_not_tell_the_signal_of_another() -> None:
    assert one([opening(), running(note="fwknopd runs on srv1.")]).signal == "sequence"


def test_hosts_of_the_configuration_join_names_and_addresses() -> None:
    toml = '[hosts]\nsrv1 = ["203.0.113.10", "2001:DB8:5:0::10"]\n'
    case = one([opening(), opening(at=60, host=None, destination="2001:db8:5::10")], toml)
    assert (case.host, len(case.attempts)) == ("srv1", 2)
    assert one([opening()], toml).destination == "203.0.113.10"


def test_a_run_of_denied_ports_is_a_lead_whatever_its_shape() -> None:
    case = one([run()])
    assert (case.kind, case.status, case.severity, case.confidence) == ("signal", "lead", "low", "low")
    assert (case.sequence, case.destination) == (list(SECRET), "203.0.113.10")
    assert case.missing


def test_a_run_that_comes_again_is_another_attempt_of_one_case() -> None:
    once, again = one([run()]), one([run(), run(at=600), run(at=1200)])
    assert len(again.attempts) == 3
    assert again.id == once.id
    assert again.score > once.score
    assert again.status == "lead"


@pytest.mark.parametrize(
    "other",
    [run("198.18.7.8"), run(destination="203.0.113.11"), run(steps=SECRET[::-1])],
    ids=["source", "host", "order"],
)
def test_another_source_host_or_order_is_another_lead(other: Finding) -> None:
    assert len(cases([run(), other])) == 2


def test_steps_of_unknown_order_are_listed_by_port_and_said_to_be_so() -> None:
    """Trap 11: whole-second logs cannot order a burst."""
    case = one([run(steps=("tcp/10000", "udp/9000", "tcp/9000"), order_known=False)])
    assert not case.order_known
    assert case.sequence == ["tcp/9000", "udp/9000", "tcp/10000"]
    assert "order of the steps is unknown" in told(case)
    assert any("order of the probes" in missing for missing in case.missing)


def test_a_run_of_unknown_order_is_the_one_run_whose_order_another_log_knows() -> None:
    case = one([run(), run(at=600, steps=SECRET[::-1], order_known=False)])
    assert (case.order_known, case.sequence, len(case.attempts)) == (True, list(SECRET), 2)


def test_one_run_in_two_logs_is_one_attempt() -> None:
    elsewhere = tuple(Pointer("connections", 7, line, START) for line in (4, 5, 6))
    assert len(one([run(), run(pointers=elsewhere)]).attempts) == 1


def test_a_knock_client_is_an_alert_about_its_user_and_host() -> None:
    case = one([client()])
    assert (case.kind, case.status, case.host, case.destination) == (
        "client",
        "alert",
        "admin1",
        "203.0.113.10",
    )
    assert (
        "User alice on admin1 started a program that sends knocks once, at 203.0.113.10." in case.explanation
    )
    assert "Command line: knock 203.0.113.10 7000 8000 9000" in case.explanation


def test_a_user_who_knocks_again_has_one_case_for_each_target() -> None:
    assert len(one([client(), client(at=60)]).attempts) == 2
    assert len(cases([client(), client(destination="203.0.113.11"), client(user="bob")])) == 3


def test_a_client_that_nobody_names_is_still_a_case() -> None:
    case = one([client(user=None, host=None, destination=None, sequence=(), command_line="fwknop -R")])
    assert (case.status, case.signal) == ("alert", "spa")


def test_a_finding_of_any_other_kind_is_not_lost() -> None:
    sniffer = Finding("sniffers", "RawSocket", "sniffer", "opening", START, START, host="srv1")
    case = one([sniffer])
    assert (case.kind, case.status, case.attack) == ("sniffer", "lead", ["T1205.001"])


def test_evidence_is_bounded_and_the_rest_is_counted() -> None:
    noise = [attempt(f"198.18.7.{number}", at=number) for number in range(200)]
    case = one([*noise, opening(at=500)])
    assert len(case.evidence) == QUOTES
    assert case.evidence[0].line == 5001
    assert f"{QUOTES} lines of evidence are quoted, {201 - QUOTES} more are not." in case.explanation


def test_the_best_line_of_every_finding_comes_before_the_second_of_any() -> None:
    lines = tuple(Pointer("messages", 0, line, START) for line in (30, 31, 32))
    case = one([opening(pointers=lines), opening("198.51.100.11", at=60)])
    assert [quote.line for quote in case.evidence] == [30, 601, 31, 32]


def test_a_line_that_two_tables_hold_is_quoted_once() -> None:
    both = (Pointer("messages", 0, 3, START), Pointer("connections", 0, 3, START))
    assert len(one([opening(pointers=both)]).evidence) == 1


def test_the_texts_of_all_quotes_are_asked_for_at_once() -> None:
    asked: list[set[tuple[int, int]]] = []

    def quotes(pointers: Iterable[Pointer]) -> dict[tuple[int, int], str]:
        asked.append({(pointer.file, pointer.line) for pointer in pointers})
        return {}

    found = build(
        [run(at=9), client(), opening(), run()], Config(), quotes, lambda pointer: str(pointer.file), RULES
    )
    assert asked == [{(int(quote.file), quote.line) for case in found for quote in case.evidence}]


def test_a_score_is_the_sum_of_its_parts_and_at_most_100() -> None:
    for case in cases(
        [opening(), opening("198.51.100.11", at=60), attempt(at=3), client(), run(), running("srv9")]
    ):
        assert case.score == min(100, sum(part["points"] for part in case.score_parts))
        assert all(part["part"] for part in case.score_parts)


def test_every_case_says_why_what_else_it_may_be_and_what_would_settle_it() -> None:
    for case in cases([opening(), attempt(host="srv3"), client(), run(), running("srv9")]):
        assert case.explanation
        assert case.innocent_explanations
        assert case.missing
        json.dumps(case.to_json())
        assert {"schema_version": case.to_json()["schema_version"], **asdict(case)} == case.to_json()


def test_what_the_rules_mistake_is_an_innocent_explanation() -> None:
    assert "what denied-ports mistakes" in one([run()]).innocent_explanations


def test_the_most_urgent_case_comes_first() -> None:
    found = cases(
        [run(), run("198.18.7.8", at=900), client(), opening(), client(user="bob")],
        '[context]\nadministrators = ["bob"]\n',
    )
    assert [(case.status, case.kind) for case in found] == [
        ("alert", "daemon"),
        ("alert", "client"),
        ("lead", "signal"),
        ("lead", "signal"),
        ("suppressed", "client"),
    ]
    assert [case.sources[0] for case in found[2:4]] == ["198.18.7.8", "198.18.7.9"]


SOURCES = st.sampled_from(["198.51.100.10", "198.18.7.9", "2001:db8:a::10"])
TIMES = st.integers(0, 5000)
FINDINGS = st.lists(
    st.one_of(
        st.builds(opening, SOURCES, TIMES, host=st.sampled_from(["srv1", None])),
        st.builds(
            attempt, SOURCES, TIMES, st.none() | st.booleans(), door_name=st.sampled_from(["openSSH", None])
        ),
        st.builds(run, SOURCES, TIMES, st.permutations(SECRET).map(tuple), order_known=st.booleans()),
        st.builds(client, st.sampled_from(["alice", None]), st.sampled_from(["admin1", None]), TIMES),
        st.builds(running, st.sampled_from(["srv1", "srv2", None])),
    ),
    max_size=12,
)


@given(FINDINGS, st.randoms(use_true_random=False))
def test_the_order_of_the_findings_changes_nothing(findings: list[Finding], chance: object) -> None:
    shuffled = list(findings)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert cases(shuffled) == cases(findings)


@given(FINDINGS, st.integers(1, 9), st.integers(0, 10**6))
def test_ids_do_not_depend_on_files_and_lines(findings: list[Finding], files: int, lines: int) -> None:
    moved = [
        replace(
            finding,
            pointers=tuple(
                replace(pointer, file=pointer.file * 10 + files, line=pointer.line + lines)
                for pointer in finding.pointers
            ),
        )
        for finding in findings
    ]
    assert [case.id for case in cases(moved)] == [case.id for case in cases(findings)]


@given(FINDINGS)
def test_more_evidence_of_the_same_keeps_the_id(findings: list[Finding]) -> None:
    for finding in (opening(), run(), client()):
        assert one([finding]).id in {case.id for case in cases([finding, *findings])}


@given(FINDINGS)
def test_every_finding_is_evidence_of_a_case_and_ids_differ(findings: list[Finding]) -> None:
    found = cases(findings)
    assert len({case.id for case in found}) == len(found)
    quoted = {(quote.file, quote.line) for case in found for quote in case.evidence}
    for finding in findings:
        assert all((f"file{pointer.file}.log", pointer.line) in quoted for pointer in finding.pointers)


def test_a_case_says_which_of_its_files_leaves_lines_out() -> None:
    """ufw limits its log: a sequence in it may lack steps."""
    limited, whole = (
        build(
            [run()],
            Config(),
            quotes,
            lambda pointer: f"ufw-{pointer.file}.log",
            RULES,
            incomplete=frozenset(files),
        )
        for files in ({1}, {7})
    )

    assert any("ufw-1.log may lack" in sentence for sentence in limited[0].missing)
    assert not any("may lack" in sentence for sentence in whole[0].missing)


def test_a_flood_of_runs_leaves_a_bounded_number_of_leads_and_every_alert(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(building, "LEADS", 3)
    runs = [run(f"192.0.2.{number}", at=number) for number in range(1, 9)]
    problems: list[str] = []
    made = build(
        [opening(), *runs],
        Config(),
        quotes=lambda _: {},
        file_name=lambda pointer: str(pointer.file),
        rules=RULES,
        problems=problems,
    )
    assert [case.status for case in made] == ["alert", "lead", "lead", "lead"]
    assert [case.sources for case in made[1:]] == [["192.0.2.8"], ["192.0.2.7"], ["192.0.2.6"]]
    assert len(problems) == 1
    assert problems[0].startswith("5 of 8 leads are left out")


def _number(pointer: Pointer) -> str:
    return str(pointer.file)


def test_leads_that_can_be_looked_through_are_all_kept() -> None:
    problems: list[str] = []
    build(
        [run()],
        Config(),
        quotes=lambda _: {},
        file_name=lambda pointer: str(pointer.file),
        rules=RULES,
        problems=problems,
    )
    assert problems == []
