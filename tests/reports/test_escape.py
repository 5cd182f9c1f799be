"""Evidence is hostile: what a terminal or a spreadsheet would obey is shown, never sent."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.reports.escape import cell, json_text, visible

ANYTHING = st.text(alphabet=st.characters(exclude_categories=()))
"""Every code point, lone surrogates too."""


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x00\x7f", r"\x00\x7f"),
        ("user\u202egnp.exe", r"user\u202egnp.exe"),
        ("\u2066\u2069\u200f\u061c", r"\u2066\u2069\u200f\u061c"),
        ("ze\u200bro\u2060\ufeff", r"ze\u200bro\u2060\ufeff"),
        ("\u3164\u2800\ufe0f", r"\u3164\u2800\ufe0f"),
        ("\u2028\u2029\xa0", r"\u2028\u2029\xa0"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(hostile: str, shown: str) -> None:
    assert visible(hostile) == shown


@pytest.mark.parametrize("text", ["OPEN SESAME [12]", "Zürich Ελλάδα 日本 हिन्दी", r"C:\Windows\x.exe"])
def test_what_people_write_stays(text: str) -> None:
    assert visible(text) == text
    assert json.dumps(text, ensure_ascii=False) == json_text(text)


@given(ANYTHING)
def test_nothing_unsafe_is_left(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert visible(shown) == shown


@given(st.dictionaries(ANYTHING, st.lists(ANYTHING) | st.integers() | st.none()), st.sampled_from([None, 2]))
def test_json_reads_back_unchanged_and_is_safe_to_look_at(
    value: dict[str, object], indent: int | None
) -> None:
    text = json_text(value, indent=indent)
    assert json.loads(text) == value
    assert text.replace("\n", "").isprintable()
    assert indent or "\n" not in text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_begins_as_a_formula_is_neutralised(start: str) -> None:
    assert cell(f"{start}cmd|' /C calc'!A0").startswith("'")


def test_any_other_cell_stays() -> None:
    assert cell("tcp/22 = ssh") == "tcp/22 = ssh"
