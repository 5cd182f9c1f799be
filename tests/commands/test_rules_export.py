"""`knockwatch rules export`: targets, files, and what each rule keeps and loses."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from knockwatch.cli import cli
from knockwatch.detections import detections
from knockwatch.exports import targets


def export(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, ["rules", "export", *arguments])


def test_targets_are_listed() -> None:
    done = export("--list")
    assert done.exit_code == 0
    assert {"sentinel", "defender"} <= {line.split()[0] for line in done.stdout.splitlines()}
    assert {one["name"] for one in json.loads(export("--list", "--format", "json").stdout)} == set(targets())


@pytest.mark.parametrize("name", ["defender", "sentinel"])
def test_every_rule_is_told_of_with_what_is_lost(tmp_path: Path, name: str) -> None:
    done = export("--to", name, "--out", str(tmp_path))
    assert done.exit_code == 0, done.output
    with (tmp_path / "coverage.csv").open(encoding="utf-8") as stream:
        told = list(csv.DictReader(stream))
    assert {row["rule"] for row in told} == {detection.rule.id for detection in detections()}
    for row in told:
        assert row["lost"]
        assert row["proof"]
        assert (row["made"] == "none") == (not row["files"])
        assert all((tmp_path / file).is_file() for file in row["files"].split())


def test_the_table_is_json_on_request(tmp_path: Path) -> None:
    done = export("--to", "sentinel", "--out", str(tmp_path), "--format", "json", "-q")
    told = json.loads(done.stdout)
    assert {"door", "daemon-activity"} <= {one["rule"] for one in told}


def test_what_was_not_said_is_asked_for(tmp_path: Path) -> None:
    assert "say --to TARGET and --out DIR" in export().stderr
    assert "did you mean sentinel?" in export("--to", "sentinl", "--out", str(tmp_path)).stderr
    assert export("--to", "nothing", "--out", str(tmp_path)).exit_code == 2
