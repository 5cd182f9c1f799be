"""What is proposed for the context, and what is only asked."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from knockwatch.cases import Case, Entry
from knockwatch.config import Config, Context
from knockwatch.detections import Finding
from knockwatch.detections.knock_client import LABEL
from knockwatch.investigation import Investigation
from knockwatch.tuning.measure import known_alerts, known_events
from knockwatch.tuning.proposals import MOST, Proposal, _every, proposals, with_entries
from tests.tuning.conftest import Investigate

CHECK, SCANNER = "198.51.100.60", "198.51.100.131"
LINE = (
    "{time} fw kernel: [1.0] IPT-{verdict}: IN=eth0 OUT= MAC= SRC={source} DST={destination} LEN=44 TOS=0x00 PREC=0x00 "
    "TTL=58 ID=5927 PROTO=TCP SPT=43694 DPT={port} WINDOW=1024 RES=0x00 SYN URGP=0\n"
)
START = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


def proposed(
    investigation: Investigation,
    config: Config | None = None,
    *,
    findings: Sequence[Finding] = (),
    cases: Sequence[Case] = (),
) -> list[Proposal]:
    """Propose entries, given further findings and cases."""
    config = config or Config()
    found = [*investigation.findings(config.thresholds), *findings]
    told = [*investigation.cases(found, config, quoted=False), *cases]
    return proposals(investigation, found, told, config, known_alerts(told))[0]


def entries(found: Sequence[Proposal]) -> list[tuple[str, str]]:
    """Name what is proposed."""
    return [(one.key, one.entry) for one in found]


def client(number: int, **values: object) -> Finding:
    """One start of a knock client."""
    start = int((START + timedelta(days=number)).timestamp() * 1_000_000)
    made = Finding("knock-client", LABEL, "client", "signal", start, start, host="dev7", user=r"CORP\alice")
    return replace(made, **values)  # type: ignore[arg-type]


def log(folder: Path, rows: Sequence[tuple[datetime, str, str, int, str]]) -> Path:
    """Write what a firewall logs: when, from whom, to whom, port and verdict."""
    target = folder / "fw.log"
    target.write_text(
        "".join(
            LINE.format(time=time.isoformat(), source=source, destination=to, port=port, verdict=verdict)
            for time, source, to, port, verdict in sorted(rows)
        )
    )
    return target


def test_a_health_check_is_a_monitor_and_a_scan_a_question(checked: Investigation) -> None:
    monitor, scanner = proposed(checked)
    assert (monitor.key, monitor.entry, monitor.question) == ("monitors", CHECK, None)
    assert monitor.sentence == (
        "checks tcp/80, tcp/443, tcp/8080 and tcp/8443 of 1 host every 12 seconds, 13 times or more, and is answered: "
        "a monitor."
    )
    assert monitor.evidence[0].endswith("srv1-syslog.iso.log:12")
    assert (scanner.key, scanner.entry) == ("scanners", SCANNER)
    assert scanner.question
    assert scanner.change.leads == -2


def test_what_the_site_names_already_is_not_proposed(checked: Investigation) -> None:
    config = Config(context=Context(load_balancers=("198.51.100.0/26",), scanners=(SCANNER,)))
    assert proposed(checked, config) == []


def test_whoever_entered_through_a_door_is_no_monitor(checked: Investigation) -> None:
    door = Case("d", "door", "alert", entries=[Entry(CHECK, None, None, complete=True)])
    assert entries(proposed(checked, cases=[door])) == [("scanners", SCANNER)]


def test_a_user_who_starts_knock_clients_daily_is_asked_about(checked: Investigation) -> None:
    asked = proposed(checked, findings=[client(day) for day in range(3)])[-1]
    assert (asked.key, asked.entry) == ("administrators", r"CORP\alice")
    assert asked.sentence == "on dev7 started knock clients 3 times, on 3 days."
    assert asked.question
    assert asked.change.gone, "the alert about the clients is what the answer decides on"


def test_two_starts_are_no_habit(checked: Investigation) -> None:
    assert len(proposed(checked, findings=[client(day) for day in range(2)])) == 2


@pytest.mark.parametrize("user", ["root", r"NT AUTHORITY\SYSTEM", None])
def test_everybodys_user_is_asked_about_by_host(checked: Investigation, user: str | None) -> None:
    asked = proposed(checked, findings=[client(day, user=user) for day in range(3)])[-1]
    assert (asked.key, asked.entry) == ("administrators", "dev7")


def test_a_name_that_no_configuration_takes_is_not_proposed(checked: Investigation) -> None:
    found = proposed(checked, findings=[client(day, user="a,\x1b[2Jb*") for day in range(3)])
    assert entries(found) == [("monitors", CHECK), ("scanners", SCANNER)]


def test_a_scan_every_week_says_so(investigate: Investigate, tmp_path: Path) -> None:
    rows = [
        (START + timedelta(weeks=week, seconds=port), "10.0.0.5", f"10.0.1.{host}", port, "DROP")
        for week in range(4)
        for host in (1, 2)
        for port in range(100, 120)
    ]
    (scanner,) = proposed(investigate(log(tmp_path, rows)))
    assert scanner.sentence == (
        "was turned away at up to 20 ports of each of 2 hosts, in 4 bouts, every 7 days: a scan."
    )


def test_a_client_that_comes_at_any_time_is_no_monitor(investigate: Investigate, tmp_path: Path) -> None:
    moments = [0, 5, 9, 40, 41, 47, 90, 200, 205, 330, 331, 335, 600, 700, 702]
    rows = [
        (START + timedelta(minutes=minute), "10.0.0.7", "10.0.1.1", port, "ACCEPT")
        for minute in moments
        for port in (80, 443)
    ]
    assert proposed(investigate(log(tmp_path, rows))) == []


def test_who_is_never_answered_is_no_monitor(investigate: Investigate, tmp_path: Path) -> None:
    rows = [
        (START + timedelta(minutes=minute), "198.18.7.9", "10.0.1.1", port, "DROP")
        for minute in range(20)
        for port in (22, 23)
    ]
    assert not [one for one in proposed(investigate(log(tmp_path, rows))) if one.key == "monitors"]


def test_a_flood_of_scanners_is_cut_and_counted(investigate: Investigate, tmp_path: Path) -> None:
    rows = [
        (START + timedelta(seconds=port), f"198.18.7.{number}", "10.0.1.1", port, "DROP")
        for number in range(1, MOST + 6)
        for port in range(100, 114)
    ]
    investigation, config = investigate(log(tmp_path, rows)), Config()
    found = investigation.findings(config.thresholds)
    cases = investigation.cases(found, config, quoted=False)
    shown, left_out = proposals(investigation, found, cases, config, known_alerts(cases))
    assert (len(shown), left_out) == (MOST, 5)


def test_pauses_are_said_in_units_that_people_set() -> None:
    second = 1_000_000
    assert [_every(pause * second) for pause in (10, 12.2, 61, 300, 86_400, 604_800, 0.4)] == [
        "10 seconds",
        "12 seconds",
        "minute",
        "5 minutes",
        "day",
        "7 days",
        "0.4 seconds",
    ]


def test_the_lab_s_proposals_change_no_true_case(investigate: Investigate, corpus: Path) -> None:
    """Issue E, must-show 6: the scanner and the health check are proposed, and applying all loses nothing."""
    lab = corpus / "lab-a"
    names = ("router", "srv1", "srv2", "srv3")
    investigation = investigate(*(lab / f"{name}-syslog.iso.log" for name in names))
    config = Config()
    found = investigation.findings(config.thresholds)
    cases = investigation.cases(found, config, quoted=False)
    known = known_events(lab, config)
    proposed = proposals(investigation, found, cases, config, known)[0]
    assert {("monitors", CHECK), ("scanners", "198.51.100.130"), ("scanners", SCANNER)} <= set(
        entries(proposed)
    )
    assert not {"198.51.100.58", "198.51.100.59"} & {one.entry for one in proposed}, "ordinary clients"
    applied = with_entries(config, entries(proposed))
    assert applied
    before, after = known.outcome(cases), known.outcome(investigation.cases(found, applied, quoted=False))
    assert before.alerts
    assert before.told
    assert (after.alerts, after.told) == (before.alerts, before.told)
    assert after.leads < before.leads
