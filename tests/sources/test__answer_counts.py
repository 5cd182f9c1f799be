"""What counts each way say."""

import polars as pl
import pytest

from knockwatch.sources._answer_counts import by_counts


@pytest.mark.parametrize(
    ("packets", "received", "tcp", "over", "outcome"),
    [
        (None, None, True, True, "unanswered"),
        (0, 0, True, False, "unknown"),
        (1, 40, True, True, "refused"),
        (1, None, True, True, "refused"),
        (1, 40, False, True, "accepted"),
        (2, 120, True, True, "accepted"),
        (None, 5000, True, False, "accepted"),
    ],
)
def test_an_answer_is_told_by_its_size(
    packets: int | None, received: int | None, tcp: bool, over: bool, outcome: str
) -> None:
    row = pl.DataFrame(
        {"p": [packets], "r": [received], "tcp": [tcp], "over": [over]},
        schema_overrides={"p": pl.Int64(), "r": pl.Int64()},
    )

    found = row.select(by_counts(pl.col("p"), pl.col("r"), pl.col("tcp"), pl.col("over")).alias("outcome"))
    assert found["outcome"].to_list() == [outcome]
