"""The documentation as its readers meet it: every `$ knockwatch …` is run, and what it is said to print is printed.

Examples of one page run in its order in one folder, so that one may use what another wrote. A page gives a file by a
fenced block whose first line is ``# NAME.toml``; a line of output that is only ``…`` stands for lines left out; and
`$ echo $?` after an example says its exit status, which is 0 otherwise.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from knockwatch.cli import cli
from knockwatch.config import Thresholds
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CUT = "…"
_FENCED = re.compile(r"^```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# (\w+\.toml)\n")
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


@dataclass
class Example:
    """A command, what the page says it prints, and its exit status."""

    command: str
    shown: list[str]
    status: int = 0


def examples(block: str) -> Iterator[Example]:
    """Find the examples of a fenced block."""
    example: Example | None = None
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *shown = part.rstrip("\n").split("\n")
        if command == "echo $?" and example:
            example.status = int(shown[0])
            continue
        if example:
            yield example
        example = Example(command, shown) if command.startswith("knockwatch ") else None
    if example:
        yield example


def holds(output: list[str], shown: list[str]) -> bool:
    """Tell whether the lines shown are the output, whole or with lines left out where a cut says so."""
    pattern = "".join(
        "(?:.*\n)*?" if line.strip() == CUT else re.escape(line.rstrip()) + "\n" for line in shown
    )
    return (
        re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in output).rstrip("\n") + "\n")
        is not None
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_example_does_what_the_page_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    for block in _FENCED.findall(page.read_text("utf-8")):
        if name := _FILE.match(block):
            (tmp_path / name[1]).write_text(block, "utf-8")
        for example in examples(block):
            done = CliRunner().invoke(cli, shlex.split(example.command)[1:])
            assert done.exit_code == example.status, f"{example.command}\n{done.output}"
            # A page that shows nothing of the output claims nothing of it.
            assert not example.shown or holds(done.output.splitlines(), example.shown), (
                f"{example.command}\n{done.output}"
            )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_into_the_project_leads_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_every_threshold_is_explained_with_its_default() -> None:
    rows = [
        f"| `{name}` | {key.default:g} | {key.description} |" for name, key in Thresholds.model_fields.items()
    ]
    told = (ROOT / "docs" / "configuration.md").read_text("utf-8").split("## [thresholds]")[1].splitlines()
    assert [line for line in told if line.startswith("| `")] == rows


def test_a_wrong_or_silently_shortened_output_is_noticed() -> None:
    output = ["a", "b", "c", ""]
    assert holds(output, ["a", "b", "c"])
    assert holds(output, ["a", CUT])
    assert holds(output, [CUT, "b", CUT])
    assert not holds(output, ["a", "c"])
    assert not holds(output, ["a", "b"])
    assert not holds(output, [CUT, "d", CUT])


def test_an_example_knows_its_status_and_its_output() -> None:
    found = list(examples("$ knockwatch scan x\none\n$ echo $?\n3\n$ ls\nx\n$ knockwatch --help\n"))
    assert found == [Example("knockwatch scan x", ["one"], 3), Example("knockwatch --help", [])]
