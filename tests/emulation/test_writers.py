"""Every format that is written is read as itself, line by line, and shows every planted door."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from knockwatch.config import Config
from knockwatch.emulation.writers import writers
from knockwatch.evaluation import evaluate
from knockwatch.ingest import Workspace, ingest


@pytest.mark.parametrize("name", sorted(writers()))
def test_a_format_is_read_as_itself_without_a_line_left_over(name: str, emulated: Path) -> None:
    with Workspace.temporary() as workspace:
        ingest([str(emulated / name)], Config().evidence, workspace)
        (summary,) = workspace.summaries
    assert summary.format == writers()[name].source
    assert summary.lines
    assert summary.not_understood == 0
    assert not summary.problems


@pytest.mark.parametrize("name", sorted(writers()))
def test_a_format_tells_every_planted_door_with_its_secret(name: str, emulated: Path) -> None:
    (evaluation,) = evaluate([emulated], views=[name])
    (view,) = evaluation.views
    assert view.problem is None
    assert view.misses == []
    assert view.counts["secrets_right"] == len(json.loads((emulated / "doors.json").read_text()))


@pytest.mark.parametrize("name", sorted(writers()))
def test_a_writer_says_what_it_is(name: str) -> None:
    writer = writers()[name]
    assert writer.title
    assert writer.suffix.startswith(".")
    assert type(writer).__doc__
