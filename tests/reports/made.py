"""Cases made by hand, for tests of what people and programs are shown."""

from __future__ import annotations

import polars as pl

from knockwatch.cases import Attempt, Case, Entry, Quote
from knockwatch.ingest import FileSummary, Workspace
from knockwatch.scan import Result


def door(**changes: object) -> Case:
    """A door that two actors used."""
    case = Case(
        id="3f9ac2d1b0e47715",
        kind="door",
        status="alert",
        severity="critical",
        confidence="high",
        score=92,
        signal="sequence",
        sources=["198.51.100.7", "198.51.100.8"],
        destination="192.0.2.10",
        host="srv1",
        sequence=["tcp/7000", "udp/8000", "tcp/9000"],
        door="tcp/22",
        attempts=[
            Attempt(
                "198.51.100.7",
                "2026-11-22T11:23:34Z",
                "2026-11-22T11:23:35Z",
                complete=True,
                sent=("tcp/7000", "udp/8000", "tcp/9000"),
            ),
            Attempt("198.51.100.8", "2026-11-22T11:39:58Z", None, complete=None, sent=("tcp/7000",)),
        ],
        entries=[Entry("198.51.100.7", "2026-11-22T11:23:37Z", None, complete=True, user="alice")],
        first_seen="2026-11-22T11:23:34.120000Z",
        last_seen="2026-11-22T11:40:02Z",
        legs=["signal", "opening", "entry"],
        rules=["daemon-activity", "port-sequence"],
        attack=["T1205.001"],
        score_parts=[
            {"part": "the daemon said that the door opened", "points": 50},
            {"part": "the port was closed to 212 other sources", "points": 42},
        ],
        innocent_explanations=["An administrator's own door that the configuration does not name."],
        missing=["Process creations of srv1 would show what was run after the log-in."],
        evidence=[
            Quote(
                "opening",
                "messages",
                "logs/srv1-syslog.log",
                4711,
                "2026-11-22T11:23:35Z",
                "Nov 22 11:23:35 srv1 knockd: 198.51.100.7: ssh: OPEN SESAME",
            )
        ],
        explanation=[
            "198.51.100.7 sent tcp/7000, udp/8000 and tcp/9000 within a second, all denied.",
            "knockd on srv1 said OPEN SESAME for the door ssh.",
            "tcp/22 was closed to 212 other sources and answered this one two seconds later.",
            "A scan would have tried more ports and would not have known the order.",
        ],
    )
    for name, value in changes.items():
        setattr(case, name, value)
    return case


def client() -> Case:
    """A knock client that ran on a host of which no address is known."""
    return Case(
        id="77d0c1aa00b1",
        kind="client",
        status="alert",
        severity="high",
        confidence="medium",
        score=61,
        host="wks-204",
        sequence=["tcp/4001", "tcp/5001", "tcp/6001"],
        signal="sequence",
        first_seen="2026-11-22T11:30:00Z",
        last_seen="2026-11-22T11:30:00Z",
        legs=["signal"],
        rules=["knock-client"],
        attack=["T1205.001"],
        explanation=["alice ran `knock 192.0.2.10 4001 5001 6001`, which sends a port knock."],
    )


def lead() -> Case:
    """A run of denied ports, over IPv6, whose order the log cannot tell."""
    return Case(
        id="0a11b2c3d4e5",
        kind="signal",
        status="lead",
        severity="low",
        confidence="low",
        score=12,
        signal="sequence",
        sources=["2001:db8:1234:5678:9abc:def0:1234:5678"],
        destination="2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff",
        sequence=["tcp/3000", "tcp/8443", "tcp/2222"],
        order_known=False,
        first_seen="2026-11-21T23:59:58Z",
        last_seen="2026-11-22T00:00:01Z",
        legs=["signal"],
        explanation=["Several closed ports alone say nothing."],
    )


def tries() -> Case:
    """Two who tried a door that others had opened, without the signal."""
    return Case(
        id="1ab322b71cb7",
        kind="signal",
        status="lead",
        score=25,
        signal="unknown",
        sources=["198.51.100.34", "198.18.7.13"],
        destination="203.0.113.10",
        door="tcp/22",
        attempts=[
            Attempt("198.51.100.34", "2026-11-22T11:24:17Z", None, complete=False),
            Attempt(
                "198.18.7.13", "2026-11-22T11:24:18Z", None, complete=False, sent=("tcp/1000", "tcp/2000")
            ),
        ],
        legs=["signal"],
    )


def suppressed() -> Case:
    """A door that the configuration knows."""
    return door(id="beefbeefbeef", status="suppressed", suppressed_by="knockwatch.toml: context.doors[0]")


def files() -> list[FileSummary]:
    """What became of three files."""
    return [
        FileSummary(
            "logs/srv1-syslog.log",
            format="syslog",
            confidence=0.9,
            lines=8120,
            rows={"messages": 8117, "connections": 7900},
            not_understood=3,
            example={"line": 17, "text": "this is no syslog \x1b[31mat all"},
            first_time="2026-11-22T11:23:01Z",
            last_time="2026-11-22T11:40:59Z",
            assumed="year 2026 for its newest line, from dated evidence nearby; zone UTC",
        ),
        FileSummary(
            "logs/srv1.json.gz", format="journald-json", compression="gzip", lines=4220, malformed_lines=1
        ),
        FileSummary(
            "logs/rubbish.bin",
            lines=1,
            not_understood=1,
            example={"line": 1, "text": "\\xde\\xad"},
            problems=["no known format: `knockwatch sources list` shows what can be read"],
        ),
    ]


def result(workspace: Workspace, *cases: Case, findings: pl.DataFrame | None = None) -> Result:
    """A scan of three files."""
    workspace.summaries = files()
    workspace.problems = ["logs/secret.log: cannot be read (Permission denied)"]
    return Result(list(cases), pl.DataFrame({"rule": ["x"]}) if findings is None else findings, workspace)
