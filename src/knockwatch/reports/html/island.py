"""The data that an HTML report carries: cases and summary, safe to show, with what repeats written once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from knockwatch.cases import LEGS, Attempt, Case, Entry, Quote
from knockwatch.reports.escape import visible
from knockwatch.reports.html.reading import reading
from knockwatch.reports.html.shapes import Shapes
from knockwatch.reports.moments import microseconds
from knockwatch.reports.words import Glyphs, only_tries, route, sequence, title

MANY = 1000
"""Cases beyond which a report carries less of each that is no alert: 10,000 whole ones are more than 100 MB, and the
guidance of each takes longer to write than the case to find."""
QUOTES_OF_MANY = 6
"""Lines quoted of a case that is no alert, where cases are many."""
USES_KEPT = 2000
USES_OF_MANY = 40
"""Attempts and entries carried of a case: a door in daily use has thousands."""
STEPS_KEPT = 200
"""Steps of an attempt; a scanner sends thousands."""
TEXT_KEPT = 20_000
"""Characters of one text: an evidence line may be as long as its file."""

_ABSURD = 1e6
"""Points that no score has; infinity is no JSON either."""

_PLAIN = (
    "id",
    "kind",
    "status",
    "severity",
    "confidence",
    "score",
    "signal",
    "order_known",
    "lateral",
    "legs",
)
_SHOWN = ("suppressed_by", "destination", "host", "door", "first_seen", "last_seen")
_LISTS = ("sources", "sequence")
_POOLED = ("innocent_explanations", "missing", "explanation", "rules", "attack")


@dataclass
class Pool:
    """Texts that are written once and named by their number; each is safe to show."""

    texts: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        """Give the number of a text."""
        found = self.numbers.get(text)
        if found is None:
            found = self.numbers[text] = len(self.texts)
            self.texts.append(shown(text))
        return found


def island(cases: Sequence[Case], summary: Mapping[str, Any] | None, folder: Path) -> dict[str, Any]:
    """Give what the page is drawn from.

    Parameters
    ----------
    cases, summary
        As in ``cases.jsonl`` and ``summary.json``.
    folder
        Where the report will stand: files of evidence are linked relative to it.

    Returns
    -------
    dict
        ``cases``, each with numbers into ``texts`` for what repeats and into ``files`` for the lines it quotes, and,
        but for the brief ones among many, its ``guidance``;
        ``elements`` and ``shapes``, as `Shapes` tells them; ``reading``, what was read, or None.
        Every text is as `visible` leaves it.
    """
    texts, files, shapes = Pool(), Pool(), Shapes()
    many = len(cases) > MANY
    told = []
    for case in cases:
        brief = many and case.status != "alert"
        told.append(_case(case, texts, files, many=brief))
        if not brief:
            told[-1]["guidance"] = shapes.told(case, texts.number)
    return {
        "cases": told,
        **shapes.data(),
        "texts": texts.texts,
        "files": files.texts,
        "links": [link(path, folder) for path in files.numbers],
        "many": many,
        "reading": reading(summary, shown) if summary is not None else None,
    }


def shown(text: str) -> str:
    """Make a text safe to show, and cut one that no page needs whole."""
    if len(text) <= TEXT_KEPT:
        return visible(text)
    return f"{visible(text[:TEXT_KEPT])}… ({len(text) - TEXT_KEPT:,} characters more)"


def link(path: str, folder: Path) -> str | None:
    """Give the address of a file of evidence as seen from a folder; None where it does not stand on this disk."""
    if not os.path.isfile(path):  # noqa: PTH113 (unlike Path, it takes impossible names for absent)
        return None
    try:
        relative = os.path.relpath(os.path.realpath(path), os.path.realpath(folder))
    except ValueError:
        return Path(path).absolute().as_uri()  # another drive of Windows
    return quote(Path(relative).as_posix().encode("utf-8", "surrogateescape"))


def _case(case: Case, texts: Pool, files: Pool, *, many: bool) -> dict[str, Any]:
    """Write one case; what is empty is left out."""
    uses = USES_OF_MANY if many else USES_KEPT
    glyphs = Glyphs()
    plain: dict[str, Any] = {key: getattr(case, key) for key in _PLAIN}
    plain |= {key: shown(value) for key in _SHOWN if (value := getattr(case, key))}
    plain |= {key: [shown(text) for text in getattr(case, key)] for key in _LISTS}
    plain |= {key: [texts.number(text) for text in getattr(case, key)] for key in _POOLED}
    quotes = _chosen(case.evidence, QUOTES_OF_MANY) if many else case.evidence
    plain |= {
        "id": shown(case.id),
        "title": " ".join(filter(None, (shown(part) for part in title(case, glyphs)))),
        "steps": shown(sequence(case, glyphs)),
        "route": shown(route(case, glyphs)),
        "tries": only_tries(case),
        "parts": [[texts.number(str(part.get("part"))), _points(part)] for part in case.score_parts],
        "attempts": [_attempt(attempt, texts) for attempt in case.attempts[:uses]],
        "entries": [_entry(entry) for entry in case.entries[:uses]],
        "quotes": [_quote(line, texts, files) for line in quotes],
    }
    for key, whole in (("attempts", case.attempts), ("entries", case.entries), ("quotes", case.evidence)):
        if len(whole) > len(plain[key]):
            plain[f"{key}_left"] = len(whole) - len(plain[key])
    return {key: value for key, value in plain.items() if value not in (None, [], "", False)}


def _points(part: Mapping[str, Any]) -> float:
    """Give the points of a part of the score; a file from elsewhere may hold anything there."""
    points = part.get("points")
    return points if isinstance(points, int | float) and abs(points) < _ABSURD else 0


def _chosen(quotes: Sequence[Quote], most: int) -> list[Quote]:
    """Choose some lines, of every leg the first ones, in their order."""
    ranks: dict[str | None, int] = dict.fromkeys((*LEGS, None), 0)
    ranked: list[tuple[int, int]] = []
    for place, line in enumerate(quotes):
        ranked.append((ranks[line.leg], place))
        ranks[line.leg] += 1
    return [quotes[place] for place in sorted(place for _, place in sorted(ranked)[:most])]


def _attempt(attempt: Attempt, texts: Pool) -> list[Any]:
    """Write an attempt: who, from, to, whether it was complete, and the number of what was sent."""
    sent = attempt.sent[:STEPS_KEPT]
    left = len(attempt.sent) - len(sent)
    said = " ".join(sent) + (f" … {left:,} more" if left else "")
    return [*_use(attempt), texts.number(said)]


def _entry(entry: Entry) -> list[Any]:
    """Write an entry: who, from, to, whether it is known to have succeeded, and the user."""
    return [*_use(entry), shown(entry.user) if entry.user else None]


def _use(use: Attempt | Entry) -> list[Any]:
    """Write who, when (microseconds since 1970), and whether it was complete."""
    return [shown(use.source), microseconds(use.start), microseconds(use.end), use.complete]


def _quote(line: Quote, texts: Pool, files: Pool) -> list[Any]:
    """Write a line of evidence: its leg and table, the number of its file, its line, its time and its text."""
    return [
        line.leg,
        shown(line.table),
        files.number(line.file),
        line.line,
        microseconds(line.time),
        texts.number(line.text),
    ]
