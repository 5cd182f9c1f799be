"""Log-ins and firewall changes as legs of a door's case."""

from dataclasses import replace
from typing import Any

import pytest

from knockwatch.detections import Finding, Pointer, Use
from knockwatch.detections._firewall_callers import BY_DAEMON, BY_SERVICE, FOR_ONE
from knockwatch.detections._log_ins import LOGGED_IN
from tests.cases.samples import SECOND, SECRET, START, attempt, cases, client, one, opening, run, running

KNOCKER = "198.51.100.10"
HOSTS = '[hosts]\nsrv1 = ["203.0.113.10"]\nsrv2 = ["203.0.113.11"]\n'
MINUTE = START - START % (60 * SECOND)
"""The whole minute that knockd's own log would write for `START`."""


def log_in(source: str = KNOCKER, at: float = 2, user: str = "root", **changes: Any) -> Finding:
    """Make a log-in over SSH."""
    time = START + int(at * SECOND)
    told: dict[str, Any] = {
        "host": "srv1",
        "pointers": (Pointer("messages", 0, 5000 + int(at * 10), time),),
        **changes,
    }
    return Finding(
        "log-in",
        LOGGED_IN,
        "daemon",
        "entry",
        start_us=time,
        end_us=time,
        sources=(source,),
        user=user,
        **told,
    )


def change(source: str = KNOCKER, at: float = 1, **changes: Any) -> Finding:
    """Make a firewall's change that let somebody in, from an audit log that names no host."""
    time = START + int(at * SECOND)
    told: dict[str, Any] = {
        "label": FOR_ONE,
        "door": "tcp/22",
        "user": "root",
        "command_line": f"iptables -A KNOCKD -s {source} -p tcp --dport 22 -j ACCEPT",
        "pointers": (Pointer("processes", 3, 1 + int(at * 10), time),),
        **changes,
    }
    return Finding(
        "opening", kind="change", leg="opening", start_us=time, end_us=time, sources=(source,), **told
    )


def door(*uses: Use) -> Finding:
    """Make an inferred door."""
    return Finding(
        "door",
        "DoorInferred",
        "door",
        "entry",
        start_us=uses[0].start_us,
        end_us=max(use.entry_us or use.end_us for use in uses),
        sources=tuple(dict.fromkeys(use.source for use in uses)),
        destination="203.0.113.10",
        host="srv1",
        door="tcp/22",
        sequence=SECRET,
        complete=True,
        signal="sequence",
        uses=uses,
        facts={"uses": len(uses), "closed_to": 3, "sessions": len(uses)},
    )


def use(source: str = KNOCKER, at: float = 0, *, entered: bool = True) -> Use:
    """Make one use of the door: a second of knocking, an entry two seconds after its begin."""
    start = START + int(at * SECOND)
    return Use(
        source,
        source,
        start,
        start + SECOND,
        start + 2 * SECOND if entered else None,
        SECRET,
        complete=entered,
        pointers=(Pointer("connections", 1, 1 + int(at * 10), start),),
    )


def test_a_log_in_after_an_opening_is_its_entry() -> None:
    case = one([opening(), log_in()])
    assert [(entry.source, entry.user, entry.complete) for entry in case.entries] == [(KNOCKER, "root", True)]
    assert case.legs == ["signal", "opening", "entry"]
    assert case.score > one([opening()]).score
    assert f"The log of srv1 shows that {KNOCKER} then logged in as root once." in case.explanation
    assert len(case.attempts) == 1
    assert "log-in" in case.rules


@pytest.mark.parametrize(
    "other",
    [
        log_in(at=-5),
        log_in(at=130),
        log_in(source="198.51.100.77"),
        log_in(host="srv2"),
    ],
    ids=["before", "long after", "another source", "another host"],
)
def test_a_log_in_that_no_opening_explains_is_nothing(other: Finding) -> None:
    case = one([opening(), other])
    assert (case.entries, case.legs) == ([], ["signal", "opening"])


def test_log_ins_alone_make_no_case() -> None:
    assert cases([log_in(), log_in(at=60)]) == []


def test_who_failed_and_logs_in_all_the_same_did_not_enter_by_the_door() -> None:
    assert one([attempt(source=KNOCKER), log_in()]).entries == []


def test_no_log_in_is_behind_a_door_over_udp() -> None:
    assert one([opening(door="udp/1194"), log_in()]).entries == []


def test_a_log_in_belongs_to_the_last_of_two_openings() -> None:
    told = cases([opening(at=0), opening(at=20, door_name="patientSSH", door="tcp/2022"), log_in(at=22)])
    assert {case.door: len(case.entries) for case in told} == {"tcp/22": 0, "tcp/2022": 1}


def test_a_use_a_minute_later_and_a_second_log_in_are_entries() -> None:
    case = one([opening(), log_in(at=62), log_in(at=70, user="bob")])
    assert [entry.user for entry in case.entries] == ["root", "bob"]


def test_an_entry_through_an_inferred_door_gets_its_users_name() -> None:
    uses = use(), use("198.51.100.11", 100)
    case = one([door(*uses), log_in(at=2.3), log_in("198.51.100.11", 102.2, "bob"), log_in(at=500)])
    assert [(entry.source, entry.user) for entry in case.entries] == [
        (KNOCKER, "root"),
        ("198.51.100.11", "bob"),
    ]


def test_a_source_that_failed_gets_no_entry_from_a_log_in() -> None:
    case = one([door(use(), use("198.51.100.11", 100, entered=False)), log_in("198.51.100.11", 102)])
    assert [entry.source for entry in case.entries] == [KNOCKER]


def test_all_that_tells_of_one_knock_is_one_case() -> None:
    """Daemon lines, firewall lines, process lines, flows and packets about one knock are ONE case."""
    case = one(
        [door(use()), opening(), run(KNOCKER), client(), change(), log_in()],
        HOSTS,
    )
    assert (case.kind, case.status, case.legs) == ("door", "alert", ["signal", "opening", "entry"])
    assert {"client-tools", "daemon-activity", "denied-ports", "door", "log-in", "opening"} == set(case.rules)
    assert len(case.attempts) == len(case.entries) == 1
    assert ("opening", "processes") in {(quote.leg, quote.table) for quote in case.evidence}


def test_a_change_is_the_opening_of_an_inferred_door() -> None:
    case = one([door(use()), change()])
    assert case.legs == ["signal", "opening", "entry"]


@pytest.mark.parametrize(
    "other",
    [change(at=100), change(source="198.51.100.77"), change(door="tcp/8443"), change(host="srv2")],
    ids=["another time", "another source", "another port", "another host"],
)
def test_a_change_about_something_else_stays_a_lead_of_its_own(other: Finding) -> None:
    told = cases([door(use()), opening(), other])
    assert [(case.kind, case.status) for case in told] == [("door", "alert"), ("change", "lead")]
    assert told[1].legs == ["opening"]


def test_a_change_joins_what_the_daemon_says_of_the_same_opening() -> None:
    case = one([opening(door=None), change()])
    assert (case.kind, case.door, len(case.attempts)) == ("daemon", "tcp/22", 1)


def test_a_change_for_a_source_that_only_the_daemon_saw_follows_the_daemon() -> None:
    unseen = "198.51.100.11"
    case = one([door(use()), opening(), opening(unseen, 300), change(unseen, 301), log_in(unseen, 302)])
    assert {entry.source for entry in case.entries} == {KNOCKER, unseen}
    assert "opening" in case.rules


def test_a_rule_that_a_knock_daemon_made_is_an_alert_alone() -> None:
    case = one([change(label=BY_DAEMON, conclusive=True)])
    assert (case.kind, case.status, case.legs) == ("change", "alert", ["signal", "opening"])
    assert case.sources == [KNOCKER]
    assert any("Knock daemon" in sentence or "knock daemon" in sentence for sentence in case.explanation)


def test_a_rule_that_a_service_made_is_a_lead_that_weighs_more() -> None:
    odd, plain = one([change(label=BY_SERVICE)]), one([change()])
    assert (odd.status, plain.status) == ("lead", "lead")
    assert odd.score > plain.score


def test_changes_of_one_door_are_one_lead() -> None:
    assert len(cases([change(f"198.51.100.{last}", last) for last in range(1, 40)])) == 1


def by_own_log(finding: Finding, **changes: Any) -> Finding:
    """Tell the same as knockd's own log does: whole minutes, no host."""
    pointers = (Pointer("messages", 9, 1, MINUTE),)
    return replace(finding, start_us=MINUTE, end_us=MINUTE, host=None, pointers=pointers, **changes)


def test_knockds_own_log_joins_the_door_whose_source_was_seen_in_that_minute() -> None:
    """Trap 6: knockd.log has minute resolution."""
    tried = by_own_log(attempt("198.51.100.30"))
    seen = attempt("198.51.100.30", 10, complete=None)
    [case] = cases([door(use(), use("198.51.100.30", 10, entered=False)), opening(), seen, tried])
    assert case.host == "srv1"


def test_knockds_own_log_joins_the_host_of_which_the_same_file_tells() -> None:
    also = opening(pointers=(Pointer("messages", 0, 1, START), Pointer("messages", 9, 2, MINUTE)))
    case = one([also, by_own_log(attempt("198.51.100.30"))])
    assert {known.source for known in case.attempts} == {KNOCKER, "198.51.100.30"}


def test_knockds_own_log_stays_alone_where_two_hosts_fit() -> None:
    seen = [opening("198.51.100.30", host=host) for host in ("srv1", "srv2")]
    told = cases([*seen, by_own_log(attempt("198.51.100.30"))])
    assert sorted(str(case.host) for case in told) == ["None", "srv1", "srv2"]


def test_a_run_of_nothing_in_particular_is_told_without_a_gap() -> None:
    case = one([run(steps=())])
    assert case.explanation[0] == "198.18.7.9 sent something to 203.0.113.10 that got no answer."


@pytest.mark.parametrize(
    ("microseconds", "words"),
    [
        (1_420_319, "within 1.4 s"),
        (20_400, "within 20 ms"),
        (300, "within 1 ms"),
        (99_900, "within 0.1 s"),
        (44_600_000, "within 45 s"),
        (600_000_000, "within 10 min"),
        (0, "at once"),
    ],
)
def test_durations_are_rounded_to_what_a_reader_needs(microseconds: int, words: str) -> None:
    told = replace(run(), end_us=START + microseconds)
    assert f" {words}." in one([told]).explanation[0]


def test_every_sentence_begins_with_a_capital() -> None:
    findings = [
        door(use()),
        opening("198.51.100.40", 900, door_name="other", door="tcp/2022"),
        running("srv3", note="knockd runs on srv3: it writes to the log."),
        client(note="alice on admin1 ran knock.", destination="203.0.113.99"),
        run("198.18.7.99"),
        change("198.51.100.99"),
    ]
    sentences = [sentence for case in cases(findings) for sentence in case.explanation]
    assert all(not sentence[0].islower() for sentence in sentences)
    assert "Knockd runs on srv3: it writes to the log." in sentences
    assert "User alice on admin1 ran knock." in sentences
