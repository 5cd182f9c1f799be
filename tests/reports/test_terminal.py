"""What people see: snapshots at 80 columns, and nothing that evidence could do to a terminal."""

from __future__ import annotations

import io

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from knockwatch.cases import Case
from knockwatch.ingest import FileSummary, Workspace
from knockwatch.reports import Report, select
from knockwatch.reports.closing import FILES_SHOWN
from knockwatch.reports.prose import write_prose
from knockwatch.reports.summary import summarise
from knockwatch.reports.terminal import write_table
from knockwatch.scan import Result
from tests.reports.made import client, door, lead, result, suppressed, tries

ALL = ("alert", "lead", "suppressed")
HOSTILE = "\x1b[2J\u202e=cmd\nroot"


def table(found: Result, *statuses: str, stream: io.TextIOBase | None = None, **asked: str) -> str:
    """Write the table of a scan."""
    out = stream or io.StringIO()
    cases, hidden = select(found.cases, statuses or ("alert",))  # type: ignore[arg-type]
    write_table(Report(cases, summarise(found, asked), hidden), out)  # type: ignore[arg-type]
    return out.getvalue() if isinstance(out, io.StringIO) else ""


def fits(text: str) -> bool:
    """Tell whether every line fits 80 columns and ends without blanks."""
    return all(len(line) <= 80 and line == line.rstrip() for line in text.splitlines())


def test_alerts_are_explained_and_the_rest_is_counted(
    workspace: Workspace, snapshot: SnapshotAssertion
) -> None:
    text = table(result(workspace, door(), client(), lead(), suppressed()))
    assert fits(text)
    assert text == snapshot


def test_leads_and_suppressed_cases_are_shown_on_request(
    workspace: Workspace, snapshot: SnapshotAssertion
) -> None:
    text = table(result(workspace, door(), lead(), suppressed()), *ALL)
    assert fits(text)
    assert text == snapshot


def test_where_nothing_was_found_it_says_what_would_have_shown_it(
    workspace: Workspace, snapshot: SnapshotAssertion
) -> None:
    text = table(result(workspace, lead()), since="2026-11-21T00:00:00Z", until="2026-11-23T00:00:00Z")
    assert fits(text)
    assert text == snapshot


def test_the_specification_is_counted_per_branch(workspace: Workspace, snapshot: SnapshotAssertion) -> None:
    branches = ["KnockClientToolExecution"] * 3 + ["RapidSequentialPortsDenied"]
    found = result(workspace, client(), findings=pl.DataFrame({"DetectionBranch": branches}))
    assert table(found, rules="seed") == snapshot


def test_the_prose_of_a_case_tells_everything(snapshot: SnapshotAssertion) -> None:
    out = io.StringIO()
    write_prose(door(), out)
    assert fits(out.getvalue())
    assert out.getvalue() == snapshot


def test_tries_at_a_door_without_its_signal_are_called_so(workspace: Workspace) -> None:
    out = io.StringIO()
    write_prose(tries(), out)
    unwrapped = " ".join(out.getvalue().split())
    assert out.getvalue().startswith("Tries at tcp/22 without its signal\n")
    assert "198.51.100.34 tried tcp/22\n" in out.getvalue()
    assert "198.18.7.13 tried tcp/22 after it had sent tcp/1000 → tcp/2000" in unwrapped
    assert "signal: " not in out.getvalue()
    assert "lead        25  tries at tcp/22 without its signal" in table(result(workspace, tries()), *ALL)


@pytest.mark.parametrize(
    ("severities", "found"),
    [
        ([], "no alerts\n"),
        (["high"], "1 alert, high\n"),
        (["high", "high"], "2 alerts, all high\n"),
        (["high", "critical", "high"], "3 alerts: 1 critical, 2 high\n"),
    ],
)
def test_alerts_are_counted_by_severity(severities: list[str], found: str, workspace: Workspace) -> None:
    text = table(result(workspace, lead(), *(door(severity=severity) for severity in severities)))
    assert f"Found           {found}" in text


def test_a_door_whose_port_is_unknown_is_called_so(workspace: Workspace) -> None:
    text = table(result(workspace, door(kind="daemon", door=None, sequence=[])))
    assert "daemon unknown port behind a sequence" in text


def test_many_files_are_summed_up_by_format(workspace: Workspace) -> None:
    found = result(workspace)
    workspace.summaries = [FileSummary(f"{n}.log", format="syslog", lines=10) for n in range(FILES_SHOWN + 1)]
    workspace.summaries.append(FileSummary("x.csv", format="sentinel", lines=5000, problems=["is odd"]))
    text = table(found)
    assert "sentinel: 1 file, 5,000 lines" in text
    assert "syslog: 7 files, 70 lines" in text
    assert "3.log" not in text


def test_a_folder_of_rubbish_does_not_flood_the_screen(workspace: Workspace) -> None:
    found = result(workspace, door())
    example: dict[str, int | str] = {"line": 1, "text": "?"}
    workspace.summaries = [
        FileSummary(
            f"{n}.bin", lines=1, not_understood=1, example=example, assumed=f"{n}", problems=["unknown"]
        )
        for n in range(500)
    ]
    assert len(table(found).splitlines()) < 40


@pytest.mark.parametrize("write", ["table", "prose"])
def test_hostile_text_is_shown_escaped(write: str, workspace: Workspace) -> None:
    case = hostile(HOSTILE)
    if write == "prose":
        out = io.StringIO()
        write_prose(case, out)
        text = out.getvalue()
    else:
        text = table(result(workspace, case), *ALL)
    assert r"\x1b[2J\u202e=cmd\nroot" in text
    assert text.replace("\n", "").isprintable()


@given(st.text(min_size=1, max_size=300))
def test_no_text_breaks_the_table(text: str) -> None:
    with Workspace.temporary() as workspace:
        shown = table(result(workspace, hostile(text)), *ALL)
    assert shown.replace("\n", "").isprintable()


def test_an_output_without_these_signs_gets_ascii(workspace: Workspace) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    table(result(workspace, door(explanation=["plain"])), stream=stream)
    stream.flush()
    assert b"tcp/7000 -> udp/8000" in raw.getvalue()
    assert b"[x] signal" in raw.getvalue()


def test_quiet_prints_cases_only(workspace: Workspace) -> None:
    out = io.StringIO()
    write_table(Report((), summarise(result(workspace)), quiet=True), out)
    assert not out.getvalue()


def hostile(text: str) -> Case:
    """A case whose every text comes from an attacker."""
    case = door(
        sources=[text],
        destination=text,
        host=text,
        door=text,
        sequence=[text],
        first_seen=text,
        last_seen=text,
        suppressed_by=text,
        rules=[text],
        explanation=[text],
        missing=[text],
        innocent_explanations=[text],
    )
    case.evidence = [type(quote)(None, "messages", text, 1, text, text) for quote in case.evidence]
    return case
