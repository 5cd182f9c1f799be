"""Documents of JSON are read a record at a time, and nothing in one can make the reader fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from knockwatch.sources import Head
from knockwatch.sources._json_documents import MAX_DEPTH, MAX_DIGITS, Stream, records_of
from knockwatch.sources._json_records import prefix_of

LONG = "7" * 5_000


def _read(text: str, size: int = 1 << 20) -> tuple[list[object], tuple[int, str] | None]:
    data = text.encode()
    stream = Stream(data[start : start + size] for start in range(0, len(data), size))
    return [record for _, record in records_of(stream, "item")], stream.fault


@pytest.mark.parametrize("size", [1 << 20, 700, 601, 599, 100, 7])
@pytest.mark.parametrize("number", [LONG, f"-{LONG}", f" \t{LONG}"])
def test_a_number_longer_than_python_takes_ends_the_document(number: str, size: int) -> None:
    """ijson 3.6 crashes on one; what stands before it is read."""
    found, fault = _read(f'[{{"a": 1}}, {{"a": {number}}}, 3]', size)

    assert found == [{"a": 1}]
    assert fault == (2, f"a number of more than {MAX_DIGITS} digits")


@pytest.mark.parametrize(
    "value",
    [f'"{LONG}"', f'"payload {LONG[:500]}"', f"0.{LONG}", "1" * (MAX_DIGITS - 1)],
    ids=["text", "words", "fraction", "the longest"],
)
@pytest.mark.parametrize("size", [1 << 20, 100])
def test_digits_that_are_no_long_number_are_read(value: str, size: int) -> None:
    found, fault = _read(f"[{value}, 3]", size)

    assert (len(found), found[1:], fault) == (2, [3], None)


def test_a_long_number_where_the_format_is_told_is_survived() -> None:
    assert prefix_of(Head(f'{{"took": {LONG}, "hits": {{"hits": [1]}}}}'.encode(), whole=True)) == ""


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_what_is_nested_too_deep_ends_the_document(opening: str) -> None:
    """64 KB of brackets took ijson 20 s, with every format of JSON anew."""
    found, fault = _read(f"[1, {opening * 60_000}")

    assert fault == (len(found) + 1, f"nested more than {MAX_DEPTH} deep")


def test_the_sample_that_crashed_is_kept() -> None:
    kept = Path(__file__).parent.parent / "data" / "fuzz" / "ecs"

    assert any(b"0700007000070000700007" in path.read_bytes() for path in kept.iterdir())
