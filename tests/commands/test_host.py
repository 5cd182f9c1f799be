"""`knockwatch host` on collections."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from knockwatch.cli import cli

FOLDER = "knockwatch-host-srv1-20261122T113000Z"


@pytest.fixture
def collection(tmp_path: Path, data: Path) -> Path:
    folder = tmp_path / FOLDER
    folder.mkdir()
    for name, sample in (("host-facts.jsonl", "host-facts/srv1.jsonl"), ("nft.txt", "nft-ruleset/srv2.nft")):
        (folder / name).write_bytes((data / "sources" / sample).read_bytes())
    return folder


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["host", *words])


def cases(*words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(*words, "--format", "jsonl").stdout.splitlines()]


def test_a_collection_gives_doors_sniffers_and_listeners(collection: Path) -> None:
    told = cases(str(collection))
    assert {case["kind"] for case in told} == {"door", "sniffer", "change"}
    assert {case["host"] for case in told} == {"srv1"}
    sniffer = next(
        case for case in told if case["kind"] == "sniffer" and "kworker" in str(case["explanation"])
    )
    assert (sniffer["status"], sniffer["confidence"]) == ("alert", "high")
    assert "T1205.002" in sniffer["attack"]
    trace = next(case for case in told if "haldrund" in str(case["explanation"]))
    assert trace["status"] == "alert"
    change = next(case for case in told if case["kind"] == "change")
    assert (change["status"], change["door"], change["first_seen"]) == (
        "alert",
        "tcp/42391",
        "2026-11-22T11:00:00Z",
    )


def test_a_dhcp_client_is_no_case(collection: Path) -> None:
    assert not any("dhclient" in str(case["explanation"]) for case in cases(str(collection)))


def test_what_the_collection_could_not_see_is_said(collection: Path) -> None:
    assert "Not seen: BPF programs: bpftool is not installed" in run(str(collection)).stderr


def test_quiet_says_nothing_beside(collection: Path) -> None:
    assert run(str(collection), "--quiet", "--format", "jsonl").stderr == ""


def test_an_alert_sets_the_exit_status(collection: Path) -> None:
    assert run(str(collection), "--fail-on", "high", "--quiet").exit_code == 3


def test_a_folder_that_is_none_is_bad_usage(tmp_path: Path) -> None:
    assert run(str(tmp_path / "none")).exit_code == 2


def test_the_same_collection_under_another_path_gives_the_same_cases(
    collection: Path, tmp_path: Path
) -> None:
    other = tmp_path / "moved" / FOLDER
    other.parent.mkdir()
    ids = {case["id"] for case in cases(str(collection))}
    collection.rename(other)
    assert {case["id"] for case in cases(str(other))} == ids
