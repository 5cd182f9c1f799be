"""Guidance: what to do about a case, what to ask and what goes with it, filled with its values, as Markdown.

It knows cases and the templates in ``content/``, nothing of detections; the prose is in the templates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from knockwatch.guidance.choice import hunts, situation

if TYPE_CHECKING:
    from jinja2 import Environment

    from knockwatch.cases import Case

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


def guidance(case: Case) -> Guidance:
    """Fill the templates that belong to a case with its values."""
    from knockwatch.guidance.related import related
    from knockwatch.guidance.values import values

    name, filled = situation(case), values(case)
    return Guidance(
        _rendered(f"playbook/{name}.md.j2", filled),
        _rendered(f"guide/{name}.md.j2", filled),
        _rendered("related.md.j2", {**filled, "techniques": related(case)}),
    )


def name_guidance(cases: Iterable[Case]) -> None:
    """Write into cases the names of the playbook, the guide and the hunts that belong to them."""
    for case in cases:
        case.playbook = case.guide = situation(case)
        case.hunts = hunts(case)


def _rendered(template: str, filled: dict[str, Any]) -> str:
    """Fill one template; it ends with one line break."""
    page = environment().get_template(template).render(filled).strip()
    # A condition that does not hold leaves its blank lines; more than one says nothing.
    return _BLANKS.sub("\n\n", page) + "\n"


@cache
def environment() -> Environment:
    """Make the templates' environment: a value that is not there, or not made safe, cannot get into a page."""
    from importlib.resources import files

    from jinja2 import Environment, FunctionLoader, StrictUndefined

    from knockwatch.guidance.quoting import FILTERS, written

    content = files("knockwatch.content")
    made = Environment(  # noqa: S701 (it makes Markdown, and `written` escapes)
        loader=FunctionLoader(lambda name: content.joinpath(name).read_text(encoding="utf-8")),
        undefined=StrictUndefined,
        finalize=written,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(FILTERS)
    return made
