"""Pairs whose values may hold blanks."""

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.sources._blank_pairs import blank_pairs

KEY = re.compile(r"[ \t]([A-Za-z0-9_.\[\]-]+)=")


def by_hand(text: str) -> list[tuple[str, str]]:
    parts = KEY.split(" " + text)[1:]
    return [(key, value.rstrip(" \t")) for key, value in zip(parts[::2], parts[1::2], strict=True)]


def pairs(*texts: str) -> list[list[tuple[str, str]]]:
    found = blank_pairs(pl.Series(texts, dtype=pl.String))
    rows: list[list[tuple[str, str]]] = [[] for _ in texts]
    for row, key, value in zip(found.row, found.key, found.value, strict=True):
        rows[int(row)].append((key, value))
    return rows


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=b c d=e f=", [("a", "b c"), ("d", "e"), ("f", "")]),
        ("request=http://x/?q=1&r=2 act=x", [("request", "http://x/?q=1&r=2"), ("act", "x")]),
        ("msg=a \\= b c=d", [("msg", "a \\= b"), ("c", "d")]),
        ("garbage a=1", [("a", "1")]),
        ("=x", []),
        ("", []),
    ],
)
def test_a_value_ends_where_the_next_key_begins(text: str, expected: list[tuple[str, str]]) -> None:
    assert pairs(text) == [expected]


def test_pairs_stay_with_their_text() -> None:
    assert pairs("a=1 b=2", "", "none", "c=3") == [[("a", "1"), ("b", "2")], [], [], [("c", "3")]]


@given(st.lists(st.text(st.sampled_from("ab=é .-[]\\|\t\n;"), max_size=40), max_size=8))
def test_any_texts_are_divided_as_a_regular_expression_would(texts: list[str]) -> None:
    assert pairs(*texts) == [by_hand(text) for text in texts]


def test_another_character_may_divide_pairs() -> None:
    found = blank_pairs(pl.Series(["a=b c=d^e=f^"]), "^")

    assert list(zip(found.key, found.value, strict=True)) == [("a", "b c=d"), ("e", "f")]
