"""Guidance: what to do about a case, what to ask and what goes with it, filled with its values, as Markdown.

It knows cases and the templates in ``content/``, nothing of detections; the prose is in the templates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from knockwatch.guidance.choice import hunts, situation

if TYPE_CHECKING:
    from jinja2 import Environment

    from knockwatch.cases import Case

Writer = Callable[[Any], str]
"""How a value gets into a page."""

_BLANKS = re.compile(r"\n{3,}")


@dataclass(frozen=True)
class Guidance:
    """What an analyst does next, each part Markdown that begins with a heading of the second level.

    Parameters
    ----------
    playbook
        The response: triage, containment, evidence, eradication, recovery, lessons; who decides what.
    guide
        The investigation: questions in order, and the command, hunt or query that answers each.
    related
        Techniques and detections that go with the case, and why.
    """

    playbook: str
    guide: str
    related: str

    @property
    def whole(self) -> str:
        """All parts, one after the other."""
        return "\n".join((self.playbook, self.guide, self.related))


@dataclass(frozen=True)
class Form:
    """A page of guidance and its values apart, for a reader who has many: cases of one shape share the text.

    Parameters
    ----------
    text
        Markdown in which `quoting.BLANK` stands wherever a value does.
    values
        What stands in the blanks, in their order: Markdown; in code it is read as it is.
    """

    text: str
    values: tuple[str, ...]


def guidance(case: Case) -> Guidance:
    """Fill the templates that belong to a case with its values."""
    from knockwatch.guidance.quoting import written

    return Guidance(*_pages(case, written))


def forms(case: Case) -> tuple[Form, ...]:
    """Fill the templates that belong to a case, values apart from text: playbook, guide and related, in this order."""
    from knockwatch.guidance.quoting import marked, parted

    return tuple(Form(*parted(page)) for page in _pages(case, marked))


def name_guidance(cases: Iterable[Case]) -> None:
    """Write into cases the names of the playbook, the guide and the hunts that belong to them."""
    for case in cases:
        case.playbook = case.guide = situation(case)
        case.hunts = hunts(case)


def _pages(case: Case, write: Writer) -> tuple[str, str, str]:
    """Fill the three templates of a case, each value as the writer writes it."""
    from knockwatch.guidance.related import related
    from knockwatch.guidance.values import values

    name, filled = situation(case), values(case)
    return (
        _rendered(f"playbook/{name}.md.j2", filled, write),
        _rendered(f"guide/{name}.md.j2", filled, write),
        _rendered("related.md.j2", {**filled, "techniques": related(case)}, write),
    )


def _rendered(template: str, filled: dict[str, Any], write: Writer) -> str:
    """Fill one template; it ends with one line break."""
    page = environment(write).get_template(template).render(filled).strip()
    # A condition that does not hold leaves its blank lines; more than one says nothing.
    return _BLANKS.sub("\n\n", page) + "\n"


@cache
def environment(write: Writer) -> Environment:
    """Make the templates' environment: a value that is not there, or not made safe, cannot get into a page.

    Parameters
    ----------
    write
        `quoting.written`, or `quoting.marked` for one who parts values from text.
    """
    from importlib.resources import files

    from jinja2 import Environment, FunctionLoader, StrictUndefined

    from knockwatch.guidance.quoting import FILTERS

    content = files("knockwatch.content")
    made = Environment(  # noqa: S701 (it makes Markdown, and the writer escapes)
        loader=FunctionLoader(lambda name: content.joinpath(name).read_text(encoding="utf-8")),
        undefined=StrictUndefined,
        finalize=write,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(FILTERS)
    return made
