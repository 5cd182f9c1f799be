"""Playbooks, guides and related techniques in a report: text that cases share once, and of each case its values."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from knockwatch.guidance import forms
from knockwatch.reports.html.markup import Node, tree

if TYPE_CHECKING:
    from knockwatch.cases import Case

Page = tuple[tuple[int, ...], tuple[int, ...]]
"""A page that cases share: the numbers of its elements, and for each blank which of a case's values stands there."""


@dataclass
class Shapes:
    """What is written once for all cases: elements, and shapes, which are the three pages of cases that are alike.

    A case has about 13 kB of guidance. Cases differ in a few values; where they differ in more, because one has
    three sources and the other two, they still share most elements.
    """

    elements: dict[str, int] = field(default_factory=dict)
    shapes: dict[tuple[Page, ...], int] = field(default_factory=dict)
    _read: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def told(self, case: Case, number: Callable[[str], int]) -> list[int]:
        """Give the number of the shape of a case's guidance, then those of its values.

        Parameters
        ----------
        case
            Any case.
        number
            What numbers a text.
        """
        values: dict[str, int] = {}
        pages = tuple(
            (
                self._elements(form.text),
                tuple(values.setdefault(value, len(values)) for value in form.values),
            )
            for form in forms(case)
        )
        return [self.shapes.setdefault(pages, len(self.shapes)), *map(number, values)]

    def data(self) -> dict[str, Any]:
        """Give what the page is made of."""
        return {
            "elements": [json.loads(element) for element in self.elements],
            "shapes": [list(shape) for shape in self.shapes],
        }

    def _elements(self, text: str) -> tuple[int, ...]:
        """Number the elements of a page."""
        known = self._read.get(text)
        if known is None:
            known = self._read[text] = tuple(map(self._element, tree(text)))
        return known

    def _element(self, node: Node) -> int:
        """Number one element."""
        return self.elements.setdefault(json.dumps(node), len(self.elements))
