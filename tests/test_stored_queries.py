"""Queries that were written before: taken again where they are the same, and nobody else could have changed them."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from knockwatch import _kept, investigation, stored_queries
from knockwatch.cache import Cache
from knockwatch.config import CacheSettings, Thresholds
from knockwatch.engines.queries import Query
from knockwatch.investigation import plan
from knockwatch.stored_queries import Stored, load, name_of, store

TYPES = pl.Schema({"n": pl.Int64(), "names": pl.List(pl.String()), "at": pl.Struct({"port": pl.Int32()})})
KEPT = Stored(
    {"cached_1": "SELECT 1"}, {"door": Query("SELECT 2", TYPES)}, {"": [], "door": ["door_span_seconds"]}
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "knockwatch" / "queries"


def test_what_is_kept_is_given_again() -> None:
    store("a", KEPT)

    assert load("a") == KEPT
    assert load("b") is None


def test_a_plan_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written = plan.__wrapped__(Thresholds())
    monkeypatch.setattr(investigation, "_written", None)
    taken = plan.__wrapped__(Thresholds())

    assert taken.steps.sql == written.steps.sql
    assert taken.queries == written.queries
    assert taken.tables.read == written.tables.read
    assert [*taken.tables.made()] == [*written.tables.made()]
    with pytest.raises(TypeError):
        plan.__wrapped__(Thresholds(sequence_ports_min=4))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"queries": {"door": {}}}',
        '{"queries": [1]}',
        '{"queries": {"x": {"sql": 1, "types": "AA"}}}',
    ],
)
def test_what_cannot_be_read_is_written_anew(folder: Path, text: str) -> None:
    store("a", KEPT)
    (folder / "a.json").write_text(text)

    assert load("a") is None


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owner there")
@pytest.mark.parametrize("mode", [0o666, 0o620])
def test_what_others_could_have_written_does_not_count(folder: Path, mode: int) -> None:
    store("a", KEPT)
    (folder / "a.json").chmod(mode)
    assert load("a") is None

    store("a", KEPT)
    assert load("a") == KEPT
    folder.chmod(0o777)
    assert load("a") is None


def test_a_folder_that_cannot_be_made_is_done_without(folder: Path) -> None:
    folder.parent.write_text("a file")
    store("a", KEPT)

    assert load("a") is None


def test_few_are_kept(folder: Path) -> None:
    for number in range(12):
        store(f"{number:02}", KEPT)
        os.utime(folder / f"{number:02}.json", (number, number))
    store("last", KEPT)

    assert len([*folder.iterdir()]) == stored_queries._MOST
    assert load("last") == KEPT
    assert load("00") is None


def test_another_program_has_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    name = name_of({"a": 1})
    assert name == name_of({"a": 1}) != name_of({"a": 2})

    monkeypatch.setattr(_kept, "version", lambda library: "0.0")
    _kept.program.cache_clear()
    assert name_of({"a": 1}) != name
    _kept.program.cache_clear()


def test_queries_do_not_keep_evidence_from_being_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("KNOCKWATCH_CACHE")
    store("first", KEPT)
    cache = Cache.of(CacheSettings())
    assert cache is not None
    cache.close()
    assert load("first") == KEPT
