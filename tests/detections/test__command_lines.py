"""Programs that command lines start."""

import pytest

from knockwatch.detections._command_lines import commands, program


@pytest.mark.parametrize(
    ("command_line", "started"),
    [
        ("knock host 7000", [["knock", "host", "7000"]]),
        ("sudo -u alice -n knock host 7000", [["knock", "host", "7000"]]),
        ("env A=1 B=2 timeout -k 5 10 knock host", [["knock", "host"]]),
        ("A=1 knock host", [["knock", "host"]]),
        ("ip netns exec kl-admin knock host", [["knock", "host"]]),
        (
            "bash -lc 'knock a; sleep 1 && fwknop -n b'",
            [["knock", "a"], ["sleep", "1"], ["fwknop", "-n", "b"]],
        ),
        ("sh -c knock host 7000", [["knock", "host", "7000"]]),
        ("bash script.sh", [["bash", "script.sh"]]),
        ("an 'open quote", [["an", "'open", "quote"]]),
        ("", []),
        (";;&&", []),
        ("sudo", []),
    ],
)
def test_wrappers_are_taken_off(command_line: str, started: list[list[str]]) -> None:
    assert commands(command_line) == started


def test_nesting_ends() -> None:
    assert commands("sudo " * 1000 + "knock") != [["knock"]]


def test_a_program_is_named_without_path_and_ending() -> None:
    assert [program(word) for word in ("/usr/bin/knock", r"C:\Tools\KNOCK.EXE", "knock")] == ["knock"] * 3
