"""Parquet exports."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from knockwatch.sources import Head, _parquet
from knockwatch.sources.microsoft_parquet import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

TIME = datetime(2023, 8, 17, 6, 52, 13, tzinfo=UTC)


def _frame(rows: int = 3) -> pl.DataFrame:
    return pl.DataFrame({"TimeGenerated": [TIME] * rows, "SyslogMessage": [f"m{row}" for row in range(rows)]})


def test_an_export_is_read() -> None:
    found = read(SOURCE, SAMPLES / "microsoft-parquet" / "CommonSecurityLog.parquet")

    row = found.rows("connections")[0]
    assert (row["line"], row["source_ip"], row["destination_port"]) == (1, "198.51.100.10", 7000)
    assert row["time_us"] == 1_795_346_618_710_000
    assert found.tables["CommonSecurityLog"].schema["TimeGenerated"] == pl.Datetime("us")


def test_records_are_numbered_across_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_parquet, "BATCH_ROWS", 3)
    path = tmp_path / "x"
    _frame(20).write_parquet(path, row_group_size=7)
    found = read(SOURCE, path)

    assert [row["line"] for row in found.rows("messages")] == list(range(1, 21))
    assert [row["message"] for row in found.rows("messages")] == [f"m{row}" for row in range(20)]


def test_values_that_nest_become_json(tmp_path: Path) -> None:
    path = tmp_path / "x"
    _frame(1).with_columns(
        ProcessCommandLine=pl.lit("knock"),
        DeviceName=pl.lit(b"h"),
        AdditionalFields=pl.struct(a=pl.lit("x\\y"), b=1),
    ).drop("SyslogMessage").write_parquet(path)

    row = read(SOURCE, path).tables["DeviceProcessEvents"].row(0, named=True)
    assert json.loads(row["AdditionalFields"]) == {"a": "x\\y", "b": 1}
    assert row["DeviceName"] == "h"


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    plain = SAMPLES / "microsoft-parquet" / "Syslog.parquet"
    found = read_text(SOURCE, tmp_path, gzip.compress(plain.read_bytes()))

    assert found.tables["Syslog"].equals(read(SOURCE, plain).tables["Syslog"])


def test_other_tables_are_not_claimed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    pl.DataFrame({"Timestamp": [TIME], "RemoteIP": ["192.0.2.1"], "DeviceName": ["h"]}).write_parquet(path)

    assert SOURCE.confidence(head_of(path)) == 0.0
    assert SOURCE.confidence(Head(b"PAR1" + bytes(100), whole=True)) == 0.0
    assert "no columns of a table" in read(SOURCE, path).problems[0]


@pytest.mark.parametrize("keep", [0, 4, 100, -10])
def test_a_cut_file_is_a_problem_not_an_error(tmp_path: Path, keep: int) -> None:
    whole = (SAMPLES / "microsoft-parquet" / "Syslog.parquet").read_bytes()
    found = read_text(SOURCE, tmp_path, whole[:keep])

    assert not found.tables
    assert len(found.problems) == 1


def test_a_broken_row_group_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    _frame(3000).write_parquet(path, row_group_size=1000, compression="zstd")
    data = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(1).column(1)
    start, size = column.dictionary_page_offset or column.data_page_offset, column.total_compressed_size
    data[start : start + size] = b"\xaa" * size
    found = read_text(SOURCE, tmp_path, bytes(data))

    assert found.tables["Syslog"]["line"].to_list() == [*range(1, 1001), *range(2001, 3001)]
    assert "row group 2 cannot be read" in found.problems[0]
    assert "records 1001 to 2000 are lost" in found.problems[0]
