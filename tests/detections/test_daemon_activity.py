"""What knockd, fwknopd and others say, gathered to attempts."""

from pathlib import Path
from typing import Any

import pytest

from knockwatch.config import EvidenceSettings
from knockwatch.detections import Finding
from knockwatch.detections.daemon_activity import DETECTION
from knockwatch.ingest import Workspace, ingest
from tests.rows import found, put, us

START = us("2026-11-22 11:23:38")
SECOND = 1_000_000
ADD = "openSSH: running command: /usr/sbin/iptables -A KNOCKD -s 198.51.100.10 -p tcp --dport 22 -j LOGACC"
REMOVE = "openSSH: running command: /usr/sbin/iptables -D KNOCKD -s 198.51.100.10 -p tcp --dport 22 -j LOGACC"
STAGES = [f"198.51.100.10: openSSH: Stage {stage}" for stage in (1, 2, 3)]
OPEN = "198.51.100.10: openSSH: OPEN SESAME"


def lines(
    *messages: str, program: str | None = "knockd", step: int = SECOND, **more: Any
) -> list[dict[str, Any]]:
    """Make a log whose lines follow each other."""
    return [
        {"time_us": START + step * index, "host": "srv1", "program": program, "message": message, **more}
        for index, message in enumerate(messages)
    ]


def attempts(workspace: Workspace) -> list[Finding]:
    return [finding for finding in found(workspace, DETECTION) if finding.sources]


def test_a_complete_knock_is_one_attempt_that_opened(workspace: Workspace) -> None:
    put(workspace, "messages", lines(*STAGES, OPEN, ADD))
    [finding] = found(workspace, DETECTION)
    assert finding.label == "KnockSequenceTriggered"
    assert (finding.kind, finding.leg, finding.conclusive, finding.complete) == (
        "daemon",
        "opening",
        True,
        True,
    )
    assert (finding.sources, finding.host, finding.door, finding.door_name) == (
        ("198.51.100.10",),
        "srv1",
        "tcp/22",
        "openSSH",
    )
    assert (finding.start_us, finding.end_us) == (START, START + 4 * SECOND)
    assert [pointer.line for pointer in finding.pointers] == [4, 5, 1, 2, 3]


def test_open_sesame_of_a_closing_sequence_opens_nothing(workspace: Workspace) -> None:
    """Trap 17: `OPEN SESAME` of a door whose command is `-D` shuts it."""
    put(workspace, "messages", lines(*STAGES, OPEN, REMOVE))
    [finding] = attempts(workspace)
    assert (finding.leg, finding.conclusive, finding.complete) == ("signal", False, True)
    assert "shuts the door" in finding.note


def test_a_command_that_failed_proves_no_opening(workspace: Workspace) -> None:
    put(
        workspace, "messages", lines(*STAGES, OPEN, ADD, "openSSH: command returned non-zero status code (2)")
    )
    [finding] = attempts(workspace)
    assert (finding.leg, finding.conclusive) == ("signal", False)


def test_the_command_belongs_to_the_source_that_it_names(workspace: Workspace) -> None:
    """Trap 13: the running command's line has no source address of its own."""
    other = [line.replace("100.10:", "100.11:") for line in (*STAGES, OPEN)]
    put(
        workspace,
        "messages",
        lines(*STAGES, *other, OPEN, ADD.replace("100.10", "100.11").replace("22", "2200"), ADD),
    )
    assert {finding.sources[0]: finding.door for finding in attempts(workspace)} == {
        "198.51.100.10": "tcp/22",
        "198.51.100.11": "tcp/2200",
    }


def test_the_stop_command_is_not_taken_for_a_closing_sequence(workspace: Workspace) -> None:
    put(workspace, "messages", lines(*STAGES, OPEN, ADD, "198.51.100.10: openSSH: command timeout", REMOVE))
    [finding] = attempts(workspace)
    assert finding.conclusive


def test_an_attempt_that_timed_out_failed(workspace: Workspace) -> None:
    """Trap 13: `sequence timeout` comes late or never."""
    put(workspace, "messages", lines(*STAGES[:2], "198.51.100.10: openSSH: sequence timeout (stage 2)"))
    [finding] = attempts(workspace)
    assert (finding.label, finding.leg, finding.complete) == ("KnockSequenceInProgress", "signal", False)


def test_an_attempt_that_the_log_never_speaks_of_again_failed(workspace: Workspace) -> None:
    put(workspace, "messages", [*lines(*STAGES[:2]), *lines("shutting down", time_us=START + 3600 * SECOND)])
    [finding] = attempts(workspace)
    assert finding.complete is False


def test_an_attempt_at_the_end_of_the_log_is_open(workspace: Workspace) -> None:
    put(workspace, "messages", lines(*STAGES[:2]))
    [finding] = attempts(workspace)
    assert finding.complete is None


@pytest.mark.parametrize("second", [STAGES, STAGES[:1]])
def test_a_stage_that_goes_back_or_repeats_begins_anew(workspace: Workspace, second: list[str]) -> None:
    put(workspace, "messages", lines(STAGES[0], *second))
    first, again = attempts(workspace)
    assert (first.complete, again.complete) == (False, None)
    assert len(again.pointers) == len(second)


def test_doubled_rows_are_no_second_attempt(workspace: Workspace) -> None:
    """Trap 3: rows arrive doubled."""
    rows = [row for row in lines(*STAGES, OPEN, ADD) for _ in range(2)]
    put(workspace, "messages", rows)
    [finding] = attempts(workspace)
    assert finding.conclusive


def test_the_door_is_known_from_other_attempts(workspace: Workspace) -> None:
    put(workspace, "messages", lines(*STAGES, OPEN, ADD, "192.0.2.9: openSSH: Stage 1"))
    assert {finding.sources[0]: finding.door for finding in attempts(workspace)}["192.0.2.9"] == "tcp/22"


def minutes(*messages: str, newest_first: bool = False) -> list[dict[str, Any]]:
    """Make knockd's own log: whole minutes, and no host."""
    rows = [
        {**row, "time_us": row["time_us"] // (60 * SECOND) * 60 * SECOND, "host": None}
        for row in lines(*messages)
    ]
    return rows[::-1] if newest_first else rows


@pytest.mark.parametrize("newest_first", [False, True])
def test_knockds_own_log_is_read_in_either_direction(workspace: Workspace, newest_first: bool) -> None:
    """Trap 6: minute resolution, the pid of the command differs, and logs may be newest-first."""
    put(workspace, "messages", minutes(*STAGES, OPEN, ADD, *STAGES, OPEN, ADD, newest_first=newest_first))
    findings = attempts(workspace)
    assert [(finding.conclusive, len(finding.pointers)) for finding in findings] == [(True, 5), (True, 5)]


def test_several_logs_of_one_knock_tell_of_one_attempt(workspace: Workspace) -> None:
    told = (*STAGES, OPEN, ADD)
    put(workspace, "messages", [{**row, "file": 0} for row in minutes(*told)])
    put(workspace, "messages", [{**row, "file": 1} for row in lines(*told)])
    put(
        workspace,
        "messages",
        [{**row, "file": 2, "time_us": row["time_us"] + 123_456} for row in lines(*told)],
    )
    [finding] = attempts(workspace)
    assert finding.host == "srv1"
    assert finding.start_us == START + 123_456
    assert len(finding.pointers) == 15


def test_logs_that_follow_each_other_are_read_as_one(workspace: Workspace) -> None:
    rows = lines(*STAGES, OPEN, ADD)
    put(workspace, "messages", [{**row, "file": 1} for row in rows[:2]])
    put(workspace, "messages", [{**row, "file": 0} for row in rows[2:]])
    [finding] = attempts(workspace)
    assert finding.conclusive
    assert len(finding.pointers) == 5


SPA = "(stanza #1) SPA Packet from IP: 198.51.100.33 received with access source match"
ADDED = "Added access rule to FWKNOP_INPUT for 198.51.100.33 -> 0.0.0.0/0 tcp/22, expires at 1795346820"


def test_an_spa_packet_and_its_rule_are_one_attempt_that_opened(workspace: Workspace) -> None:
    put(
        workspace,
        "messages",
        lines(
            SPA, ADDED, "Removed rule 1 from FWKNOP_INPUT with expire time of 1795346820", program="fwknopd"
        ),
    )
    [finding] = attempts(workspace)
    assert (finding.leg, finding.conclusive, finding.door, finding.destination) == (
        "opening",
        True,
        "tcp/22",
        None,
    )
    assert finding.signal == "spa"
    assert (finding.end_us, len(finding.pointers)) == (START + SECOND, 3)


def test_an_spa_packet_without_a_rule_is_a_signal(workspace: Workspace) -> None:
    put(workspace, "messages", lines(SPA, program="fwknopd"))
    [finding] = attempts(workspace)
    assert (finding.leg, finding.conclusive, finding.complete) == ("signal", False, None)


@pytest.mark.parametrize(
    "message",
    [
        "Replay detected from source IP: 198.51.100.33, Destination proto/port: 17/62201, Original source IP: …",
        "[198.51.100.33] (stanza #1) Error creating fko context: Args contain invalid data: FKO_ERROR_INVALID_DATA",
        "[198.51.100.33] (stanza #1) SPA data time difference is too great (300 seconds).",
    ],
)
def test_a_refused_spa_packet_failed(workspace: Workspace, message: str) -> None:
    put(workspace, "messages", lines(SPA, message, program="fwknopd"))
    [finding] = attempts(workspace)
    assert (finding.leg, finding.complete) == ("signal", False)


def test_a_daemons_output_without_times_joins_what_has_them(workspace: Workspace) -> None:
    put(workspace, "messages", lines(SPA, ADDED, program="fwknopd"))
    put(workspace, "messages", lines(SPA, ADDED, program="fwknopd", time_us=None, host=None, file=1))
    [finding] = attempts(workspace)
    assert (finding.start_us, len(finding.pointers)) == (START, 4)


def test_a_daemons_output_alone_is_dated_by_the_rules_expiry(workspace: Workspace) -> None:
    put(workspace, "messages", lines(SPA, ADDED, program="fwknopd", time_us=None))
    [finding] = attempts(workspace)
    assert finding.start_us == 1795346820 * SECOND


@pytest.mark.parametrize(
    ("message", "leg", "door"),
    [
        (
            "[ 2731.688340] Successful portknock: IN=eth0 OUT= SRC=198.51.100.13 DST=203.0.113.11 PROTO=TCP DPT=10005",
            "opening",
            None,
        ),
        (
            "Knock: *22_IN* IN=eth0 OUT= SRC=198.51.100.13 DST=203.0.113.11 PROTO=TCP SPT=4 DPT=300 SYN",
            "opening",
            "tcp/22",
        ),
        (
            "NFT#transient-accepted IN=eth0 OUT= SRC=198.51.100.13 DST=203.0.113.11 PROTO=TCP SPT=4 DPT=22 SYN",
            "entry",
            "tcp/22",
        ),
    ],
)
def test_a_telling_prefix_is_a_daemons_word(
    workspace: Workspace, message: str, leg: str, door: str | None
) -> None:
    put(workspace, "messages", lines(message, program="kernel"))
    [finding] = attempts(workspace)
    assert (finding.leg, finding.sources, finding.destination, finding.door) == (
        leg,
        ("198.51.100.13",),
        "203.0.113.11",
        door,
    )


def test_a_daemon_that_merely_runs_is_a_finding_without_a_leg(workspace: Workspace) -> None:
    put(
        workspace,
        "messages",
        lines("starting up, listening on eth0", "re-opening log file: /var/log/knockd.log"),
    )
    [finding] = found(workspace, DETECTION)
    assert (finding.label, finding.leg, finding.sources, finding.host) == (
        "KnockDaemonRunning",
        None,
        (),
        "srv1",
    )
    assert len(finding.pointers) == 2


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("sshd", "Invalid user 198.51.100.10: openSSH: OPEN SESAME from 192.0.2.1"),
        ("rocket", "Stage 1"),
        ("apt", "installed knockd"),
        ("kernel", "IPT-DROP: IN=eth0 OUT= SRC=198.51.100.10 DST=203.0.113.10 PROTO=TCP SPT=1 DPT=7000 SYN"),
        ("nginx", '192.0.2.1 - - "GET /knock: OPEN SESAME"'),
        (None, None),
    ],
)
def test_other_messages_are_nothing(workspace: Workspace, program: str | None, message: str | None) -> None:
    put(workspace, "messages", [{"time_us": START, "program": program, "message": message}])
    assert found(workspace, DETECTION) == []


@pytest.mark.corpus
def test_the_labs_logs_tell_of_each_opening_once(corpus: Path, workspace: Workspace) -> None:
    files = [
        str(path) for path in sorted((corpus / "lab-a").glob("srv*-*.*")) if path.suffix in {".log", ".out"}
    ]
    ingest(files, EvidenceSettings(), workspace)
    opened = [finding for finding in attempts(workspace) if finding.conclusive]
    # As many as the logs say: 24 OPEN SESAME in syslog and 3 more that only a knockd's own output tells, 2 rules of
    # fwknopd, 7 lines with the nftables wiki's prefix.
    assert len([finding for finding in opened if finding.signal == "sequence"]) == 27
    assert len([finding for finding in opened if finding.signal == "spa"]) == 2
    assert len([finding for finding in opened if finding.signal is None]) == 7
    assert {finding.door for finding in opened} == {"tcp/22", "tcp/2200", None}
