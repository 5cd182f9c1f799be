"""Guidance in the report's data: what the page fills in is what the Markdown says, and cases share its text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from itertools import chain
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from knockwatch.cases import Case
from knockwatch.guidance import forms, guidance
from knockwatch.guidance.quoting import BLANK
from knockwatch.reports.html.island import island
from knockwatch.reports.html.markup import Node, tree
from knockwatch.reports.html.page import data_text
from tests.guidance.cases import every
from tests.reports.made import door, lead

EVERY = dict(every())
READER = MarkdownIt("commonmark", {"html": False}).enable("table")


def text_of(tokens: list[Token]) -> str:
    """Give the text that Markdown shows."""
    own = (
        " " if token.type == "softbreak" else "" if token.type == "inline" else token.content
        for token in tokens
    )
    inner = (text_of(token.children or []) for token in tokens)
    return "".join(chain.from_iterable(zip(own, inner, strict=True)))


def filled(node: Node, values: Iterator[str]) -> str:
    """Give the text of an element as the page fills it: in code values are text, elsewhere Markdown."""
    if isinstance(node, str):
        said = [text_of(READER.parseInline(next(values))) if mark == BLANK else mark for mark in node]
        return "".join(said)
    tag, *inside = node
    if tag in {"pre", "code"}:
        return "".join(next(values) if mark == BLANK else mark for mark in str(inside[-1]))
    return "".join(filled(one, values) for one in inside[tag == "a" :])


@pytest.mark.parametrize("name", EVERY)
def test_filled_elements_say_what_the_markdown_says(name: str) -> None:
    case: Case = EVERY[name]
    data = island([case], None, Path())
    number, *values = data["cases"][0]["guidance"]
    told = guidance(case)
    for page, blanks, whole in zip(
        *zip(*data["shapes"][number], strict=True), (told.playbook, told.guide, told.related), strict=True
    ):
        left = iter([data["texts"][values[blank]] for blank in blanks])
        said = "".join(filled(data["elements"][element], left) for element in page)
        assert said == text_of(READER.parse(whole))
        assert next(left, None) is None


def test_no_value_holds_the_mark_of_a_blank() -> None:
    case = replace(door(), host=f"a{BLANK}b\ue001c", explanation=[f"{BLANK} said\ue001"])
    assert all(BLANK not in value for form in forms(case) for value in form.values)
    assert r"a\ue000b\ue001c" in guidance(case).whole


def test_no_template_holds_the_mark_of_a_blank() -> None:
    own = files("knockwatch.content")
    for folder in ("playbook", "guide"):
        for path in own.joinpath(folder).iterdir():
            assert BLANK not in path.read_text(encoding="utf-8")


def test_cases_that_are_alike_share_their_text() -> None:
    def size(number: int) -> int:
        cases = [replace(lead(), id=f"{at:016x}", destination=f"192.0.2.{at}") for at in range(number)]
        return len(data_text(island(cases, None, Path())))

    whole = len(guidance(lead()).whole)
    assert (size(200) - size(100)) / 100 < whole / 8
    data = island([door(), replace(door(), id="2a", host="srv2")], None, Path())
    assert len(data["shapes"]) == 1


def test_markdown_that_the_page_has_no_element_for_is_refused() -> None:
    with pytest.raises(ValueError, match="no element for image"):
        tree("![a](b)")
