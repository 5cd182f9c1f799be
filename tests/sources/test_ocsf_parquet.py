"""OCSF in Parquet."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from knockwatch.sources import ocsf
from knockwatch.sources.ocsf_parquet import SOURCE
from tests.sources.reading import SAMPLES, head_of, read

EVENTS = SAMPLES / "ocsf-parquet" / "events.gz.parquet"


def test_columns_say_what_lines_say() -> None:
    columns, lines = read(SOURCE, EVENTS), read(ocsf.SOURCE, SAMPLES / "ocsf" / "events.jsonl")

    for table in ("connections", "processes", "messages", "changes"):
        assert columns.rows(table) == lines.rows(table)


def test_times_may_be_timestamps_and_fields_may_lack(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    rows = pl.read_parquet(EVENTS).with_columns(pl.col("time").cast(pl.Datetime("ms")))
    rows.drop("process", "actor", "service").write_parquet(file)

    found = read(SOURCE, file)
    assert found.rows("connections")[0]["time_us"] == 1_795_346_618_710_000
    assert not found.misfits.height


def test_other_parquet_is_not_claimed(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    pl.DataFrame({"class_uid": [1], "time": [1]}).write_parquet(file)

    assert SOURCE.confidence(head_of(file)) == 0
    assert read(SOURCE, file).problems == ["is Parquet, but has no columns of OCSF"]


def test_broken_parquet_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    file.write_bytes(EVENTS.read_bytes()[:5000])

    assert read(SOURCE, file).problems
