"""AWS VPC Flow Logs as Parquet."""

from pathlib import Path

import polars as pl

from knockwatch.sources import aws_flow_logs, detect
from knockwatch.sources.aws_flow_logs_parquet import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

SAMPLE = SAMPLES / "aws-flow-logs-parquet" / "version3.parquet"


def test_it_says_what_the_text_says() -> None:
    text = read(aws_flow_logs.SOURCE, SAMPLES / "aws-flow-logs" / "version3.log").tables["connections"]
    rows = read(SOURCE, SAMPLE).tables["connections"]

    assert rows.drop("line").equals(text.drop("line"))
    assert rows["line"].to_list() == [1, 3, 7]


def test_a_large_file_is_known_by_its_end(tmp_path: Path) -> None:
    """Its columns stand where its first bytes do not show them."""
    path = tmp_path / "x"
    flows = pl.read_parquet(SAMPLE)
    many = pl.concat([flows.with_columns(srcport=pl.lit(port, dtype=pl.Int32)) for port in range(9_000)])
    many.write_parquet(path, compression="uncompressed")
    head = head_of(path)

    assert not head.whole
    assert detect(head) == (SOURCE, 1.0)


def test_other_parquet_is_not_claimed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    pl.DataFrame({"srcaddr": ["192.0.2.1"]}).write_parquet(path)

    assert SOURCE.confidence(head_of(path)) == 0.0
    assert "no columns of AWS VPC Flow Logs" in read(SOURCE, path).problems[0]


def test_a_cut_file_is_a_problem_not_an_error(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, SAMPLE.read_bytes()[:-10])

    assert not found.tables
    assert len(found.problems) == 1
