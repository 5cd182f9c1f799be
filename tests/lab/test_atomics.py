"""Atomic tests are what Atomic Red Team accepts, and run in the lab by a real runner they make our rules fire."""

from __future__ import annotations

import re
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from knockwatch.detections import Finding, Pointer
from knockwatch.detections.door import TRIED
from knockwatch.lab import LabError
from knockwatch.lab.atomic_runs import _of, run, runner
from knockwatch.lab.atomics import FOLDER, Expected, Technique, expected, techniques
from knockwatch.lab.atomics_page import Played, described, page

PAGE = Path(__file__).parents[2] / "docs" / "atomics.md"
VALID = """attack_technique: T1205.001
display_name: 'Traffic Signaling: Port Knocking'
atomic_tests:
- name: Knock
  auto_generated_guid: 7cbe2fba-31a5-4d43-9d53-1a9a4f2b6f11
  description: Knocks.
  supported_platforms:
  - linux
  input_arguments:
    port:
      description: A port
      type: integer
      default: 7000
  dependency_executor_name: sh
  dependencies:
  - description: knock must be installed
    prereq_command: command -v knock
    get_prereq_command: apt-get install -y knockd
  executor:
    name: sh
    command: |
      knock 127.0.0.1 #{port}
"""


@pytest.fixture(scope="module")
def known() -> list[Technique]:
    return techniques()


def _read(text: str, folder: Path) -> list[Technique]:
    """Read a file of tests as if it were one of ours."""
    (folder / "T1205.001").mkdir()
    (folder / "T1205.001" / "T1205.001.yaml").write_text(text)
    return techniques(folder)


def test_both_techniques_have_tests_for_linux_and_windows(known: list[Technique]) -> None:
    for technique in known:
        platforms = {one for test in technique.atomic_tests for one in test.supported_platforms}
        assert {"linux", "windows"} <= platforms
    shells = {test.executor.name for technique in known for test in technique.atomic_tests}
    assert shells == {"sh", "bash", "powershell", "command_prompt"}
    assert [technique.attack_technique for technique in known] == ["T1205", "T1205.001"]


def test_a_file_as_atomic_red_team_has_it_is_read(tmp_path: Path) -> None:
    (technique,) = _read(VALID, tmp_path)
    assert technique.atomic_tests[0].input_arguments["port"].default == 7000


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("T1205.001\n", "T12\n", "attack_technique"),
        ("  - linux", "  - solaris", "supported_platforms"),
        ("    name: sh", "    name: zsh", "executor.name"),
        ("type: integer", "type: number", "port.type"),
        ("default: 7000", "default: seven", "is no integer"),
        ("#{port}", "7000", "not used or not defined: port"),
        ("127.0.0.1", "#{host}", "not used or not defined: host"),
        ("      knock", "      sudo knock", "elevation_required"),
        ("  dependency_executor_name: sh\n", "", "need each other"),
        ("  description: Knocks.", "  description: ''", "description"),
        ("7cbe2fba-31a5-4d43-9d53-1a9a4f2b6f11", "one", "auto_generated_guid"),
        ("  description: Knocks.", "  description: Knocks.\n  rules: [door]", "rules"),
        ("- name: Knock", "- name: {Knock", "is no file of atomic tests"),
    ],
)
def test_what_atomic_red_team_refuses_is_refused(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert VALID.count(old) >= 1
    with pytest.raises(LabError, match=re.escape(said)):
        _read(VALID.replace(old, new, 1), tmp_path)


def test_an_id_or_a_name_of_a_file_is_refused_that_runners_stumble_over(tmp_path: Path) -> None:
    again = VALID + VALID.partition("atomic_tests:\n")[2]
    with pytest.raises(LabError, match="come twice"):
        _read(again, tmp_path)
    file = tmp_path / "T1205.001" / "T1205.001.yaml"
    file.write_text(VALID)
    file.rename(file.with_suffix(".yml"))
    with pytest.raises(LabError, match=re.escape("should be T1205.001/T1205.001.yaml")):
        techniques(tmp_path)


def test_every_test_names_rules_that_exist(known: list[Technique], tmp_path: Path) -> None:
    wanted = expected(known)
    run_here = [test for one in known for test in one.atomic_tests if "linux" in test.supported_platforms]
    assert {test.guid for test in run_here} == {guid for guid, one in wanted.items() if one.by}
    text = (FOLDER / "expected.toml").read_text()
    for old, new in (('"door"', '"dour"'), ("service_port", "servis_port")):
        (tmp_path / "expected.toml").write_text(text.replace(old, new, 1))
        with pytest.raises(LabError, match=new.strip('"')):
            expected(known, tmp_path)
    (tmp_path / "expected.toml").write_text(text + '\n[nothing]\nrules = ["door"]\n')
    with pytest.raises(LabError, match="nothing"):
        expected(known, tmp_path)


def test_the_page_lists_the_tests_as_they_are(known: list[Technique]) -> None:
    """What became of them is the last run's; `make atomics` writes it anew."""
    wanted = expected(known)
    table = [
        line.strip("| ").split(" | ")
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith("| ")
    ]
    rows = {row[0]: row for row in table if row[0] not in ("test", "---")}
    tests = [test for technique in known for test in technique.atomic_tests]
    assert list(rows) == [test.name for test in tests]
    for test in tests:
        *told, executed = rows[test.name]
        assert told == described(test, wanted[test.guid])
        if wanted[test.guid].by:
            assert re.match(r"\d{4}-\d\d-\d\d on Linux: ", executed)
            assert all(f"`{rule}` (" in executed for rule in wanted[test.guid].rules)
        else:
            assert executed == "no: schema validated only"
        assert f"`{test.guid}`" in PAGE.read_text("utf-8")


def test_a_page_tells_of_what_failed_and_of_what_was_not_run(known: list[Technique]) -> None:
    test = known[0].atomic_tests[0]
    failed = Played(known[0].attack_technique, test, 1795391226.0, 1795391228.0, ("door did not fire",))
    text = page(known, [failed])
    assert "2026-11-22, failed: door did not fire |" in text
    assert text.count("no: schema validated only") == sum(len(one.atomic_tests) for one in known) - 1


@pytest.mark.skipif(sys.platform != "linux", reason="the lab needs Linux")
def test_run_in_the_lab_each_makes_its_rules_fire(
    lab_machine: None, tmp_path: Path, known: list[Technique]
) -> None:
    try:
        python = runner(tmp_path / "runner")
    except LabError as error:
        warnings.warn(f"the atomic tests were not run: {error}", stacklevel=1)
        pytest.skip(str(error))
    played = run(tmp_path / "run", python, lambda _: None)
    assert len(played) == sum(bool(one.by) for one in expected(known).values())
    assert {one.test.name: one.faults for one in played if one.faults} == {}


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"destination": None}, True),
        ({"destination": "203.0.113.99"}, False),
        ({"label": TRIED}, False),
        ({"note": "root ran fwknop."}, False),
        ({"pointers": (Pointer("processes", 0, 1, 99_000_000),)}, False),
        ({"pointers": (Pointer("processes", 0, 1, None),)}, False),
    ],
)
def test_only_what_is_of_a_test_counts_for_it(
    changes: dict[str, Any], counts: bool, known: list[Technique]
) -> None:
    """The rest of the machine is in the audit log as well."""
    finding = Finding(
        "knock-client",
        "KnockClientToolExecution",
        "client",
        "signal",
        101_000_000,
        101_000_000,
        destination="203.0.113.10",
        note="root ran knock.",
        pointers=(Pointer("processes", 0, 1, 101_000_000),),
    )
    played = Played("T1205.001", known[0].atomic_tests[0], 100.0, 102.0, target="203.0.113.10")
    want = Expected(rules=("knock-client",), notes={"knock-client": "ran knock"})
    assert _of(replace(finding, **changes), played, want, ["audit.log"]) == counts
