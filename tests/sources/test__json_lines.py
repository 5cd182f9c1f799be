"""Lines of JSON objects."""

import json
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.sources._json_lines import object_of, objects, one_by_one

_VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"))
_OBJECTS = st.dictionaries(st.sampled_from(["a", "b.c", "other"]), _VALUES).map(json.dumps)
_RUBBISH = st.sampled_from(
    ["", " ", "{", "}", "null", "7", "[1]", '{"a":', '{"a":1}}', "{} {}", "rubbish {}"]
)


def _lines(texts: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"line": range(1, len(texts) + 1), "text": texts}, schema={"line": pl.Int64, "text": pl.String}
    )


@given(st.lists(_OBJECTS | _RUBBISH))
def test_the_fast_way_and_the_slow_way_agree_on_any_block(texts: list[str]) -> None:
    lines, keys = _lines(texts), ("a", "b.c")

    assert objects(lines, keys).rows() == one_by_one(lines, keys).rows()


@given(st.lists(_OBJECTS, min_size=1))
def test_every_object_keeps_its_line_and_its_values(texts: list[str]) -> None:
    read = objects(_lines(texts), ("a",))

    def spelled(value: Any) -> str | None:
        return value if value is None or isinstance(value, str) else json.dumps(value)

    assert read.rows() == [(line, spelled(json.loads(text).get("a"))) for line, text in enumerate(texts, 1)]


def test_a_bad_line_does_not_spoil_its_neighbours() -> None:
    texts = ['{"a":"x"}', '{"a":"y"', '{"a":"cut} ', '{"a":{"b":}}', '{"a":"z"}']

    assert objects(_lines(texts), ("a",)).rows() == [(1, "x"), (5, "z")]


def test_an_unescaped_control_character_is_read() -> None:
    assert objects(_lines(['{"a":"tab\there"}']), ("a",)).rows() == [(1, "tab\there")]


def test_nesting_without_end_is_no_object() -> None:
    deep = '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"

    assert object_of(deep) is None
    assert objects(_lines([deep, '{"a":"x"}']), ("a",)).rows() == [(2, "x")]


def test_half_a_surrogate_pair_is_escaped() -> None:
    assert one_by_one(_lines(['{"a":"\\ud83d"}']), ("a",)).rows() == [(1, "\\ud83d")]
