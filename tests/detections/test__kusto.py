"""Kusto's string operators."""

import ibis
import pytest

from knockwatch.detections._kusto import has_any, in_any_case, in_exact_case


def holds(text: str | None, *terms: str) -> bool:
    column = ibis.memtable({"text": [text]}, schema={"text": "string"})
    return bool(column.select(found=has_any(column.text, terms)).to_polars()["found"][0])


@pytest.mark.parametrize(
    ("text", "term", "expected"),
    [
        ("knockd", "knockd", True),
        ("KNOCKD", "knockd", True),
        ("a.knockd_b", "knockd", True),
        ("knockdx", "knockd", False),
        ("xknockd", "knockd", False),
        ("knockd2", "knockd", False),
        ("éknockd", "knockd", False),
        ("Stage 10", "Stage 1", False),
        ("Stage 1", "Stage 1", True),
        ("OPEN SESAME!", "OPEN SESAME", True),
        ("x-S y", "-S", True),
        ("-Sx", "-S", False),
        ("xknockd knockd", "knockd", True),
        ("knock.d", "knock+d", False),
        ("", "knockd", False),
        (None, "knockd", False),
    ],
)
def test_a_term_ends_where_no_letter_or_digit_follows(text: str | None, term: str, expected: bool) -> None:
    assert holds(text, "something else", term) is expected


def test_equality_knows_case_or_not() -> None:
    column = ibis.memtable({"text": ["Deny", "deny", None, "denied"]})
    rows = column.select(
        exact=in_exact_case(column.text, ["deny"]), any=in_any_case(column.text, ["DENY"])
    ).to_polars()
    assert rows["exact"].to_list() == [False, True, False, False]
    assert rows["any"].to_list() == [True, True, False, False]
