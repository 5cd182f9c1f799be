"""The byte scanner agrees with the regular expressions that it replaces."""

import re

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.sources._pairs import Pairs

KEYS = ("SRC", "DST", "ID", "IN", "PROTO", "WINDOW", "A")
words = st.text(st.characters(codec="utf-8", exclude_characters="\n "), max_size=6)
pieces = st.one_of(
    st.builds("{}={}".format, st.sampled_from((*KEYS, "XSRC", "[SRC")), words),
    st.builds("{}={}".format, st.sampled_from(KEYS), st.integers(0, 10**19)),
    words,
)
texts = st.lists(st.lists(pieces, max_size=8).map(" ".join), min_size=1, max_size=12)


def first(key: str, text: str) -> str | None:
    found = re.search(rf"(?:^|[\x00- ]){key}=([^\x00- ]*)", text)
    return found[1] if found else None


@given(texts)
def test_values_are_those_a_regular_expression_finds(lines: list[str]) -> None:
    pairs = Pairs(pl.Series(lines, dtype=pl.String))
    for key in KEYS:
        expected = [first(key, line) for line in lines]
        assert pairs.text(key).to_list() == expected


@given(texts)
def test_numbers_are_whole_or_null(lines: list[str]) -> None:
    pairs = Pairs(pl.Series(lines, dtype=pl.String))
    for key in KEYS:
        expected = [
            int(value) if value and re.fullmatch(r"[0-9]{1,18}", value) else None
            for value in (first(key, line) for line in lines)
        ]
        assert pairs.integer(key).to_list() == expected


def test_what_stands_in_a_bracket_is_left_out() -> None:
    pairs = Pairs(pl.Series(["SRC=1 ID=2 [SRC=3 DST=4 ] ID=5", "DST=6"]))
    pairs.stop_before("SRC")
    assert pairs.text("SRC").to_list() == ["1", None]
    assert pairs.text("DST").to_list() == [None, "6"]
    assert pairs.integer("ID", last=True).to_list() == [2, None]


def test_a_null_text_has_no_pairs() -> None:
    assert Pairs(pl.Series([None, "A=1"])).integer("A").to_list() == [None, 1]


def test_an_empty_column_has_no_rows() -> None:
    assert Pairs(pl.Series([], dtype=pl.String)).text("A").to_list() == []


QUOTED = [
    ('a="x y" b=1', "x y"),
    ('a="x \\" y" b=1', 'x \\" y'),
    ('a=x"y b="1"', 'x"y'),
    ('b="1 a=2" a=3', "3"),
    ('b="1" a="2 b=3', "2 b=3"),
    ("b=1", None),
    ('a=""', ""),
    ("a=", ""),
]


def test_values_in_quotes_may_hold_blanks_and_pairs() -> None:
    pairs = Pairs(pl.Series([text for text, _ in QUOTED]))
    pairs.skip_quoted()

    assert pairs.quoted("a").to_list() == [value for _, value in QUOTED]


quoted_pieces = st.one_of(
    st.builds('{}="{}"'.format, st.sampled_from(KEYS), st.text("abSRC=12 é", max_size=8)),
    st.builds("{}={}".format, st.sampled_from(KEYS), st.text("ab1é", max_size=4)),
)


def by_hand(key: str, text: str) -> str | None:
    for found in re.finditer(r'([A-Z]+)=(?:"([^"]*)"|([^ "]*))(?: |$)', text):
        if found[1] == key:
            return found[2] if found[2] is not None else found[3]
    return None


@given(st.lists(st.lists(quoted_pieces, max_size=6).map(" ".join), min_size=1, max_size=8))
def test_quoted_values_are_those_a_reader_finds(lines: list[str]) -> None:
    pairs = Pairs(pl.Series(lines, dtype=pl.String))
    pairs.skip_quoted()
    for key in KEYS:
        assert pairs.quoted(key).to_list() == [by_hand(key, line) for line in lines]
