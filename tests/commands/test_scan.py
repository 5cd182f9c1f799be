"""What `knockwatch scan` asks for, shows and reports, given what a scan found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from click.testing import Result as Done

import knockwatch.scan
from knockwatch.cases import Case
from knockwatch.cli import cli
from knockwatch.ingest import Workspace
from knockwatch.scan import Result
from tests.reports.made import client, door, lead, result, suppressed
from tests.sources.reading import SAMPLES

Scan = Callable[..., Done]


@pytest.fixture
def asked() -> dict[str, Any]:
    """What the scan was asked for."""
    return {}


@pytest.fixture
def scan(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: dict[str, Any]) -> Scan:
    """Run the command on cases made by hand."""

    def run(*arguments: str, cases: tuple[Case, ...] = (door(), client(), lead(), suppressed())) -> Done:
        def scanned(
            evidence: tuple[str, ...], workspace: Workspace, config: object, **options: object
        ) -> Result:
            asked.update(options, evidence=evidence, config=config, folder=workspace.folder)
            return result(workspace, *cases)

        monkeypatch.setattr(knockwatch.scan, "scan", scanned)
        monkeypatch.chdir(tmp_path)
        return CliRunner().invoke(cli, ["scan", "some.log", *arguments])

    return run


def ids(done: Done) -> list[str]:
    """Give the ids of the cases in JSON Lines."""
    assert done.exit_code in {0, 3}, done.output
    return [json.loads(line)["id"] for line in done.stdout.splitlines()]


def test_alerts_are_shown_and_the_rest_on_request(scan: Scan) -> None:
    everything = [case.id for case in (door(), client(), lead(), suppressed())]
    assert ids(scan("--format", "jsonl")) == everything[:2]
    assert ids(scan("--format", "jsonl", "--show-leads")) == everything[:3]
    assert ids(scan("--format", "jsonl", "--show-leads", "--show-suppressed")) == everything


def test_cases_of_less_confidence_are_left_out(scan: Scan) -> None:
    assert ids(scan("--format", "jsonl", "--min-confidence", "high")) == [door().id]


@pytest.mark.parametrize(
    ("severity", "level", "status"), [("high", "critical", 0), ("high", "high", 3), ("critical", "low", 3)]
)
def test_fail_on_looks_at_the_severity_of_alerts(scan: Scan, severity: str, level: str, status: int) -> None:
    assert scan("--fail-on", level, cases=(door(severity=severity),)).exit_code == status


def test_fail_on_passes_over_what_is_no_alert_or_not_asked_for(scan: Scan) -> None:
    assert (
        scan("--fail-on", "low", "--show-leads", "--show-suppressed", cases=(lead(), suppressed())).exit_code
        == 0
    )
    assert scan("--fail-on", "low", "--min-confidence", "high", cases=(client(),)).exit_code == 0


def test_out_holds_leads_and_suppressed_cases_too(scan: Scan, tmp_path: Path) -> None:
    done = scan("--out", "deep/results", "--min-confidence", "high")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "deep" / "results"
    assert len((folder / "cases.jsonl").read_text("utf-8").splitlines()) == 4
    assert pl.read_parquet(folder / "findings.parquet").height == 1
    assert json.loads((folder / "summary.json").read_text("utf-8"))["lines"] == 12341


def test_out_that_cannot_be_written_is_one_sentence(scan: Scan, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    done = scan("--out", "taken/results")
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert "taken" in done.stderr


def test_talk_goes_to_standard_error_and_quiet_is_silent(scan: Scan) -> None:
    done = scan("--format", "jsonl")
    assert "2 alerts: 1 critical, 1 high; 1 lead: add --show-leads" in done.stderr
    quiet = scan("--format", "jsonl", "--quiet", "--out", "results")
    assert not quiet.stderr
    assert ids(quiet) == ids(done)
    assert "Found" not in scan("--quiet").stdout


def test_options_reach_the_scan(scan: Scan, asked: dict[str, Any]) -> None:
    scan(
        "--since",
        "2026-11-22T12:00+01:00",
        "--until",
        "2026-11-23",
        "--memory-limit",
        "512 MB",
        "--rules",
        "seed",
    )
    assert asked["since_us"] == 1_795_345_200_000_000
    assert asked["until_us"] == 1_795_392_000_000_000
    assert asked["memory_limit"] == "512MB"
    assert asked["rules"] == "seed"
    assert asked["evidence"] == ("some.log",)


def test_a_duration_is_before_now(scan: Scan, asked: dict[str, Any]) -> None:
    scan("--since", "7d", "--until", "24h")
    assert 0 <= asked["until_us"] - asked["since_us"] - 6 * 86_400_000_000 < 60_000_000


def test_the_tables_are_removed(scan: Scan, asked: dict[str, Any]) -> None:
    scan()
    assert not asked["folder"].exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["some.log", "--table", "connections=a.parquet"], "either evidence or tables"),
        (["some.log", "--engine", "local[2]"], "either evidence or tables"),
        ([], "nothing to scan"),
        (["--table", "connections=a.parquet", "--rules", "seed"], "--rules seed runs on evidence alone"),
        (["--table", "connections"], "is no NAME=SOURCE"),
        (["--table", "=a.parquet"], "is no NAME=SOURCE"),
        (["--table", "connections=nosuch.parquet"], "there is no such file"),
        (["--engine", "oracle://db", "--lake", "ecs"], "no engine 'oracle'"),
        (["--engine", "duckdb"], "no tables"),
    ],
)
def test_what_cannot_be_asked_of_tables_is_told(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["scan", *arguments])

    assert done.exit_code != 0
    assert told in f"{done.output} {done.exception}"


def test_a_lakes_export_is_scanned_where_it_is() -> None:
    export = SAMPLES / "microsoft-parquet" / "CommonSecurityLog.parquet"
    done = CliRunner().invoke(
        cli, ["scan", "--table", f"CommonSecurityLog={export}", "--show-leads", "--format", "jsonl"]
    )

    assert done.exit_code == 0, done.output
    cases = [json.loads(line) for line in done.stdout.splitlines()]
    assert ["tcp/7000", "tcp/8000", "tcp/9000"] in [case["sequence"] for case in cases]
    assert {quote["file"] for case in cases for quote in case["evidence"]} == {str(export)}
    assert "read 1 file" in done.stderr
