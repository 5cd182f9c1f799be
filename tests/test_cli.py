"""The command as a user runs it: another folder, a real process, the exit status and both streams."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from knockwatch import __version__
from knockwatch.cli import COMMANDS, cli

COMMAND_NAMES = [name for names in COMMANDS.values() for name in names]
HEAVY = ("polars", "duckdb", "ibis", "pydantic", "numpy", "pyarrow", "rich")
ALERT = "[2026-11-22 11:23] 198.51.100.7: openSSH: OPEN SESAME\n"


def run(
    *arguments: str | Path, cwd: Path, given: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "knockwatch", *map(str, arguments)],
        cwd=cwd,
        input=given,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        check=False,
        timeout=120,
    )


def is_one_sentence(text: str) -> bool:
    """Tell whether standard error holds one line that begins as errors do, and no traceback."""
    return text.startswith("Error: ") and text.count("\n") == 1


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of knockd that tells of an opening."""
    path = tmp_path / "knockd.log"
    path.write_text(
        "".join(ALERT.replace("OPEN SESAME", f"Stage {stage}") for stage in (1, 2, 3)) + ALERT,
        encoding="utf-8",
    )
    return path


def test_help_names_every_command_and_shows_examples(tmp_path: Path) -> None:
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert not done.stderr
    assert "Examples:" in done.stdout
    assert all(f"\n  {name} " in done.stdout for name in COMMAND_NAMES)


@pytest.mark.parametrize("name", COMMAND_NAMES)
def test_every_command_explains_itself_with_an_example(name: str, tmp_path: Path) -> None:
    done = run(name, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "Examples:" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    watch = (
        "import sys, knockwatch.cli as program\n"
        "sys.argv = ['knockwatch', '--help']\n"
        "try: program.main()\n"
        f"finally: print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", watch], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "Usage: knockwatch" in done.stdout
    assert done.stderr == "[]\n"


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    assert run("--version", cwd=tmp_path).stdout == f"knockwatch {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["scan"],
        ["scna", "x"],
        ["scan", "x", "--format", "pdf"],
        ["scan", "x", "--since", "yesterday"],
        ["scan", "x", "--since", "999999w"],
        ["scan", "x", "--memory-limit", "much"],
        ["scan", "x", "--fail-on", "disaster"],
        ["scan", "x", "--since", "2026-01-02", "--until", "2026-01-01"],
        ["tables", "x"],
        ["rules", "show", "no-such-rule"],
        ["evaluate", "no-such-folder"],
        ["explain", "x", "--cases", "no-such-file"],
        ["completion", "tcsh"],
    ],
    ids=" ".join,
)
def test_bad_usage_exits_2_and_says_why(arguments: list[str], tmp_path: Path) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert not done.stdout
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["scan", "tables"])
def test_evidence_that_is_not_there_exits_2(command: str, tmp_path: Path) -> None:
    done = run(command, "missing.log", *(["--to", "out"] if command == "tables" else []), cwd=tmp_path)
    assert done.returncode == 2
    assert is_one_sentence(done.stderr)
    assert "missing.log: no such file" in done.stderr


def test_a_file_name_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    done = run("scan", "\x1b[2J\u202e.log", cwd=tmp_path)
    assert done.returncode == 2
    assert r"\x1b[2J\u202e.log" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [("[context", "TOML"), ("[context]\nadministators = []\n", "administators"), (None, "bad.toml")],
    ids=["no TOML", "misspelt key", "no such file"],
)
def test_a_bad_configuration_exits_2_and_names_the_fault(text: str | None, said: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "bad.toml").write_text(text)
    for arguments in (["config", "check", "bad.toml"], ["scan", ".", "--config", "bad.toml"]):
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert is_one_sentence(done.stderr)
        assert said in done.stderr


def test_a_new_configuration_is_valid_and_is_not_overwritten(tmp_path: Path) -> None:
    assert run("config", "init", cwd=tmp_path).returncode == 0
    assert run("config", "check", cwd=tmp_path).returncode == 0
    again = run("config", "init", cwd=tmp_path)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert run("config", "init", "--force", cwd=tmp_path).returncode == 0


def test_scan_prints_cases_and_exits_0(log: Path, tmp_path: Path) -> None:
    done = run("scan", log.name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "198.51.100.7" in done.stdout
    assert "\x1b" not in done.stdout
    assert not done.stderr


def test_fail_on_exits_3_only_for_alerts_of_that_severity(log: Path, tmp_path: Path) -> None:
    assert run("scan", log, "--fail-on", "low", cwd=tmp_path).returncode == 3
    log.write_text("[2026-11-22 11:23] starting up, listening on eth0\n")
    assert run("scan", log, "--fail-on", "critical", cwd=tmp_path).returncode == 0


def test_out_holds_every_case_the_findings_and_the_summary(log: Path, tmp_path: Path) -> None:
    done = run("scan", log, "--out", "results", "--format", "jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert written == ["cases.jsonl", "findings.parquet", "report.html", "summary.json"]
    case_id = done.stdout.split('"id": "')[1][:8]
    told = run("explain", case_id, "--cases", "results/cases.jsonl", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "OPEN SESAME" in told.stdout


def test_scan_reads_standard_input(log: Path, tmp_path: Path) -> None:
    done = run("scan", "-", "--format", "csv", "--quiet", cwd=tmp_path, given=log.read_text())
    assert done.returncode == 0, done.stderr
    assert "198.51.100.7" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["sources", "list"], ["sources", "list", "--format", "json"], ["scan", "knockd.log", "--quiet"]],
    ids=" ".join,
)
@pytest.mark.usefixtures("log")
def test_a_reader_that_leaves_early_is_no_error(arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "knockwatch", *arguments]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(timeout=120) == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no POSIX signals")
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_reading_and_leaves_nothing_behind(sent: int, status: int, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "knockwatch", "tables", "-", "--to", "out"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(spool)},
    )
    # This is more than a pipe holds: when it is written, the program reads, and it waits for more.
    assert process.stdin is not None
    process.stdin.write(b"x" * (1 << 20))
    process.send_signal(sent)
    _, said = process.communicate(timeout=120)
    assert process.returncode == status
    assert b"Traceback" not in said
    assert not list(spool.iterdir())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_asks_the_program(shell: str, tmp_path: Path) -> None:
    done = run("completion", shell, cwd=tmp_path)
    assert done.returncode == 0
    assert f"_KNOCKWATCH_COMPLETE={shell}_complete" in done.stdout


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder whose `knockwatch` is the one under test."""
    path = tmp_path / "bin" / "knockwatch"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\nfrom knockwatch.cli import main\nmain()\n")
    path.chmod(0o755)
    return path.parent


def in_shell(shell: str, script: str, program: Path) -> str:
    """Run a script in a shell that finds `knockwatch`, and give what it prints."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    bare = {"bash": ["bash", "--norc", "-c"], "zsh": ["zsh", "-f", "-c"]}[shell]
    environment = {**os.environ, "PATH": f"{program}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [*bare, script],
        cwd=program,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_bash_completes_commands_and_options(program: Path) -> None:
    script = """
        eval "$(knockwatch completion bash)"
        complete -p knockwatch
        offer() { COMPREPLY=(); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _knockwatch_completion knockwatch; }
        offer knockwatch sc; echo "commands: ${COMPREPLY[*]}"
        offer knockwatch scan --form; echo "options: ${COMPREPLY[*]}"
        offer knockwatch scan --format js; echo "values: ${COMPREPLY[*]}"
    """
    printed = in_shell("bash", script, program)
    assert "_knockwatch_completion knockwatch" in printed
    assert "commands: scan\n" in printed
    assert "options: --format\n" in printed
    assert "values: json jsonl\n" in printed


def test_zsh_completes_commands_and_options(program: Path) -> None:
    # Outside the line editor zsh has nothing to complete into: stand-ins print what would be offered.
    script = """
        autoload -Uz compinit && compinit -D
        eval "$(knockwatch completion zsh)"
        echo "bound: ${_comps[knockwatch]}"
        _describe() { print -rl -- "described: ${(P@)3}" }
        compadd() { print -r -- "added: $*" }
        words=(knockwatch sc); CURRENT=2; _knockwatch_completion
        words=(knockwatch scan --form); CURRENT=3; _knockwatch_completion
    """
    printed = in_shell("zsh", script, program)
    assert "bound: _knockwatch_completion" in printed
    assert "scan:Find port knocking" in printed
    assert "--format:How cases are written" in printed


def test_completion_knows_every_command() -> None:
    assert {
        name for name in COMMAND_NAMES if cli.get_command(cli.make_context("knockwatch", ["scan"]), name)
    } == set(COMMAND_NAMES)


def test_the_list_of_formats_says_what_each_fills_and_counts_them(tmp_path: Path) -> None:
    text = " ".join(run("sources", "list", cwd=tmp_path).stdout.split())
    formats = json.loads(run("sources", "list", "--format", "json", cwd=tmp_path).stdout)
    verified = [entry for entry in formats if entry["status"] == "verified"]

    assert "fills connections" in text
    assert (
        f"{len(formats)} formats: {len(verified)} verified, {len(formats) - len(verified)} documented" in text
    )
    assert len(verified) >= 35
