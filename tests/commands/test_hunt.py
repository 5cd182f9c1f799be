"""`knockwatch hunt`: what it lists, shows, runs and refuses."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from knockwatch.cli import cli
from knockwatch.hunting import hunts
from knockwatch.hunting import run as hunting_run

EVIDENCE = "tests/data/lab/evidence/srv1-syslog.iso.log"


def hunt(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, ["hunt", *arguments])


@pytest.fixture
def syslog(data: Path) -> str:
    """One server's syslog."""
    return str(data / "lab" / "evidence" / "srv1-syslog.iso.log")


def test_without_arguments_all_hunts_are_listed() -> None:
    done = hunt()
    assert done.exit_code == 0
    assert all(name in done.stdout for name in hunts())
    listed = [json.loads(line) for line in hunt("--format", "jsonl").stdout.splitlines()]
    assert [one["id"] for one in listed] == list(hunts())


def test_without_evidence_a_hunt_is_shown() -> None:
    done = hunt("slow-knock")
    assert done.exit_code == 0
    assert hunts()["slow-knock"].hypothesis.split()[0] in done.stdout
    assert done.stdout.rstrip().endswith("| sort by TimeGenerated asc, SourceIP asc")


def test_a_hunt_runs_on_evidence_in_every_format(syslog: str) -> None:
    name = "daemon-then-log-in"
    lines = [json.loads(line) for line in hunt(name, syslog, "--format", "jsonl").stdout.splitlines()]
    assert lines[0]["SourceIP"] == "198.51.100.10"
    assert lines[0]["TimeGenerated"] == "2026-11-22T11:23:40.367364Z"
    assert json.loads(hunt(name, syslog, "--format", "json").stdout) == lines
    table = list(csv.DictReader(hunt(name, syslog, "--format", "csv").stdout.splitlines()))
    assert [row["SourceIP"] for row in table] == [line["SourceIP"] for line in lines]
    shown = hunt(name, syslog)
    assert "198.51.100.10" in shown.stdout
    assert f"{len(lines)} rows." in shown.stderr
    assert "How to read them:" in shown.stderr


def test_since_and_until_bound_it(syslog: str) -> None:
    done = hunt("daemon-then-log-in", syslog, "--format", "jsonl", "--since", "2026-11-22T11:27")
    assert {json.loads(line)["SourceIP"] for line in done.stdout.splitlines()} == {
        "198.51.100.35",
        "198.51.100.37",
        "198.18.7.24",
    }


def test_the_configuration_goes_into_a_hunt(syslog: str, tmp_path: Path) -> None:
    config = tmp_path / "knockwatch.toml"
    config.write_text('[context]\nadministrators = ["198.51.100.0/24", "198.18.0.0/15", "2001:db8::/32"]\n')
    done = hunt("daemon-then-log-in", syslog, "--config", str(config), "--format", "jsonl")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "0 rows." in done.stderr
    assert "It needs:" in done.stderr


def test_a_query_of_one_s_own_runs(syslog: str, tmp_path: Path) -> None:
    query = tmp_path / "mine.kql"
    query.write_text("Syslog | summarize Lines = count() by ProcessName | sort by ProcessName asc")
    done = hunt(str(query), syslog, "--format", "csv")
    assert done.stdout.splitlines()[0] == "ProcessName,Lines"
    assert {line.partition(",")[0] for line in done.stdout.splitlines()[1:]} == {
        "fwknopd",
        "kernel",
        "knockd",
        "sshd",
    }


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Syslog | whre 1", "could not parse KQL"),
        ("Syslog\n| where Nope == 1", "Nope"),
        ("Syslog\n| serialize p = prev(ProcessName)", "mine.kql:2: cannot be run: unsupported"),
        ("DeviceNetworkEvents | take 1", "asks DeviceNetworkEvents, which local evidence does not fill"),
        (".drop table Syslog", "unsupported"),
        (".set-or-replace T <| Syslog", "cannot be run"),
    ],
)
def test_a_query_that_cannot_run_is_one_sentence(syslog: str, tmp_path: Path, text: str, wanted: str) -> None:
    query = tmp_path / "mine.kql"
    query.write_text(text)
    done = hunt(str(query), syslog)
    assert done.exit_code == 2
    assert wanted in done.stderr
    assert "Traceback" not in done.output
    assert done.stderr.strip().count("\n") == 0


def test_names_and_files_that_are_not_there_are_told(syslog: str) -> None:
    assert "did you mean slow-knock?" in hunt("slow-knok", syslog).stderr
    assert "lists them all" in hunt("zzz", syslog).stderr
    assert "none.kql: cannot be read" in hunt("none.kql", syslog).stderr
    done = hunt("none.kql")
    assert done.exit_code == 2


def test_control_characters_of_evidence_are_shown_and_cells_are_no_formulas(tmp_path: Path) -> None:
    log = tmp_path / "evil.log"
    log.write_text(
        "2026-11-22T11:23:38.710860+00:00 srv1 knockd: =cmd|x\x1b[2J\u202e: OPEN SESAME\n"
        "2026-11-22T11:23:39.710860+00:00 srv1 knockd: 198.51.100.10: openSSH: Stage 1\n"
    )
    query = tmp_path / "mine.kql"
    query.write_text('Syslog | where SyslogMessage has "SESAME" | project SyslogMessage')
    for form in ("table", "json", "jsonl", "csv"):
        done = hunt(str(query), str(log), "--format", form)
        assert "\x1b" not in done.stdout
        assert "\u202e" not in done.stdout
    assert hunt(str(query), str(log), "--format", "csv").stdout.splitlines()[1].startswith("'=cmd")


def test_without_duckdb_kql_the_way_to_install_it_is_told(
    monkeypatch: pytest.MonkeyPatch, syslog: str
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "duckdb_kql", None)
    done = hunt("slow-knock", syslog)
    assert done.exit_code == 2
    assert "pip install 'knockwatch[hunt]'" in done.stderr
    assert hunting_run.__doc__
