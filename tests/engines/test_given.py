"""Tables that are given: told by columns, by a lake's names or the configuration; their rows can be found again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from knockwatch.cli import cli
from knockwatch.config import Config
from knockwatch.detections import Pointer
from knockwatch.engines.embedded import Engine
from knockwatch.engines.given import AS_IS, Given, file_name
from knockwatch.errors import ConfigError, EvidenceError, UsageError
from knockwatch.ingest import Workspace
from knockwatch.quotes import quotes_of
from knockwatch.scan import scan, scan_tables
from knockwatch.tables import CANONICAL, FINGERPRINT, schema
from tests.engines.lab_tables import lab_tables
from tests.sources.reading import SAMPLES

EXPORT = SAMPLES / "microsoft-parquet" / "CommonSecurityLog.parquet"
KNOCK = [(7000, "denied"), (8000, "denied"), (9000, "denied"), (22, "accepted")]


def _rows(workspace: Workspace, given: Given, table: str = "connections") -> list[dict[str, Any]]:
    with Engine(workspace, given=given) as engine:
        rows = engine.execute(engine.tables()[table])
    assert dict(rows.schema) == schema(table)
    return rows.sort("file", "line").to_dicts()


@pytest.mark.parametrize(
    "given",
    [
        Given((("connections", str(EXPORT)),)),
        Given((("CommonSecurityLog", str(EXPORT)),)),
        Given((("connections", str(EXPORT)),), "sentinel"),
        Given((("connections", str(EXPORT.parent / "Common*.parquet")),)),
    ],
    ids=["by its columns", "by its own name", "by the lake", "by a glob"],
)
def test_an_export_is_told_and_its_rows_stand_where_they_stand(workspace: Workspace, given: Given) -> None:
    rows = _rows(workspace, given)

    assert [(row["destination_port"], row["outcome"]) for row in rows[:4]] == KNOCK
    assert [(row["file"], row["line"]) for row in rows[:2]] == [(0, 1), (0, 2)]


def test_a_lake_of_files_is_numbered_through(workspace: Workspace, tmp_path: Path) -> None:
    rows = pl.read_parquet(EXPORT)
    for name, part in (("a", rows[:2]), ("b", rows[2:])):
        (tmp_path / f"{name}.parquet").write_bytes(b"")
        part.write_parquet(tmp_path / f"{name}.parquet")
    given = Given((("connections", str(EXPORT)), ("connections", str(tmp_path))))

    with Engine(workspace, given=given) as engine:
        places = engine.execute(engine.tables()["connections"]).select("file", "line").sort("file", "line")
        names = [file_name(engine.parts, Pointer("connections", number, 1)) for number in (0, 1, 2)]
        [(place, text)] = quotes_of(
            engine, [Pointer("connections", 2, 1, 1_795_346_619_000_000)]
        ).items() or [((0, 0), "")]
    assert places.rows()[:2] == [(0, 1), (0, 2)]
    assert set(places["file"]) == {0, 1, 2}
    assert names == [str(EXPORT), str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]
    assert place == (2, 1)
    assert "198.51.100.10" in text
    assert "203.0.113.10:9000 denied" in text


def test_our_own_columns_keep_their_places(workspace: Workspace, tmp_path: Path, data: Path) -> None:
    folder = lab_tables(data, tmp_path)
    source = str(folder / "connections.parquet")
    with Engine(workspace, given=Given((("connections", source),))) as engine:
        assert [part.shape for part in engine.parts] == [AS_IS]
        rows = engine.execute(engine.tables()["connections"])
        assert file_name(engine.parts, Pointer("connections", 3, 1)) == f"{source}, file 3"
        assert engine.execute(engine.tables()["messages"]).is_empty()
    places = pl.read_parquet(source).select("file", "line").sort("file", "line")
    assert rows.select("file", "line").sort("file", "line").equals(places)


def test_tables_give_the_cases_that_their_evidence_gives(data: Path, tmp_path: Path) -> None:
    folder = lab_tables(data, tmp_path)
    given = Given(tuple((name, str(folder / f"{name}.parquet")) for name in CANONICAL))
    with Workspace.temporary() as read, Workspace.temporary() as empty:
        parsed = scan([str(data / "lab" / "evidence")], read)
        placed = scan_tables(given, empty)

    told = [
        [(case.id, case.status, case.score, case.explanation) for case in r.cases] for r in (parsed, placed)
    ]
    assert told[0] == told[1]
    assert all(quote.text for case in placed.cases for quote in case.evidence)
    assert sum(file.lines for file in placed.workspace.summaries) > 1000


def test_a_firewalls_export_gives_the_same_cases_parsed_and_in_place(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        cli, ["emulate", "--rows", "30000", "--seed", "11", "-q", str(tmp_path / "made")]
    )
    assert done.exit_code == 0, done.output
    folder = tmp_path / "made" / "common-security-log"
    with Workspace.temporary() as read, Workspace.temporary() as empty:
        parsed = scan([str(folder)], read)
        placed = scan_tables(Given((("CommonSecurityLog", str(folder)),)), empty)

    told = [[replace(case, evidence=[]) for case in result.cases] for result in (parsed, placed)]
    assert sum(case.status == "alert" for case in told[0]) >= 4
    assert told[0] == told[1]
    places = [
        [(quote.line, quote.time) for case in result.cases for quote in case.evidence]
        for result in (parsed, placed)
    ]
    assert places[0] == places[1]


def test_a_row_without_a_number_is_quoted_without_one() -> None:
    from knockwatch.cases.build import build
    from knockwatch.detections import Finding

    places = [Pointer("changes", 0, FINGERPRINT + 7, 5), Pointer("changes", 0, 8, 6)]
    found = Finding("opening", "X", "change", "opening", 5, 6, pointers=tuple(places))
    [case] = build([found], Config(), lambda _: {}, lambda pointer: f"table {pointer.file}")

    assert [(quote.file, quote.line) for quote in case.evidence] == [("table 0", 0), ("table 0", 8)]


def test_the_site_says_what_its_columns_are_called(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "fw.parquet"
    pl.DataFrame({"at": [1], "src": ["192.0.2.1"], "dst": ["192.0.2.2"], "word": ["denied"]}).write_parquet(
        file
    )
    names = {"time_us": "at", "source_ip": "src", "destination_ip": "dst", "outcome": "word"}

    [row] = _rows(workspace, Given((("connections", str(file)),), None, {"connections": names}))
    assert (row["time_us"], row["source_ip"], row["outcome"]) == (1_000_000, "192.0.2.1", "denied")


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        (Given(), UsageError, "no tables"),
        (Given((("connections", "/nowhere/x.parquet"),)), EvidenceError, "there is no such file"),
        (Given((("connections", str(SAMPLES / "nosuch*")),)), EvidenceError, "there is no such file"),
        (Given((("messages", str(EXPORT)),)), ConfigError, r"say what its columns are called in \[tables"),
        (Given((("nosuch", str(EXPORT)),)), ConfigError, "tables are called connections"),
        (Given((("connections", str(EXPORT)),), "ecs"), ConfigError, "the lake ecs"),
        (Given((("connections", str(EXPORT)),), "nosuch"), ConfigError, "no mapping for a lake 'nosuch'"),
        (Given((("connections", __file__),)), EvidenceError, "is no Parquet"),
    ],
)
def test_what_cannot_be_read_is_told(
    workspace: Workspace, given: Given, error: type[Exception], told: str
) -> None:
    with Engine(workspace, given=given) as engine, pytest.raises(error, match=told):
        _ = engine.parts


def test_a_hostile_name_is_a_name(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "a'); DROP TABLE x; --[1].parquet"
    file.write_bytes(EXPORT.read_bytes())

    assert len(_rows(workspace, Given((("connections", str(file)),)))) > 3
