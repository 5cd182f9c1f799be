"""Hunting queries: what each is for, read from the comments that open its KQL file; running them is in `run`.

A hunt is one file in `content/hunting`: a head of comments, tunables as `let` statements, the query. The text runs
as it stands in Microsoft Sentinel, in Defender's advanced hunting, and on local evidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from knockwatch.errors import KnockwatchError
from knockwatch.microsoft import DEVICE_TABLES, TABLES

_TITLE = re.compile(r"// ([a-z0-9-]+): (.+)")
_FIELD = re.compile(r"// ([A-Z][\w&]*): (.+)")
_MORE = re.compile(r"//   (\S.*)")
_TUNABLE = re.compile(r"^let (\w+) = (.+?); // (?:\[([\w.+]+)\] )?(\S.*)$", re.MULTILINE)
_ALERT = re.compile(r"(informational|low|medium|high), every (\d+[mhd]) over (\d+[mhd])")
_FIELDS = {"Hypothesis", "Data", "Reading", "ATT&CK", "Cases", "Rules", "Legs", "Lost"}
_OPTIONAL = {"Alert", "Entities"}


class HuntError(KnockwatchError):
    """A hunting query that cannot be read or run."""


@dataclass(frozen=True)
class Tunable:
    """One `let` statement that a site may change.

    Parameters
    ----------
    name, value
        As the KQL has them.
    source
        Where the site's value comes from (``thresholds.sequence_ports_min``, ``context.scanners+monitors``); None
        where the number belongs to the hunt alone.
    meaning
        What it decides.
    """

    name: str
    value: str
    source: str | None
    meaning: str


@dataclass(frozen=True)
class Alert:
    """How a hunt runs as a rule: severity, how often, and over how long, as ``15m`` and ``2h``."""

    severity: str
    every: str
    over: str


@dataclass(frozen=True)
class Hunt:
    """One hunting query.

    Parameters
    ----------
    id, title
        Its stable name; what it finds, in a line.
    hypothesis, data, reading, lost
        Why it would find something, what it needs, how to read its rows, and what it cannot say.
    attack, cases, rules, legs
        ATT&CK techniques, kinds of cases, detections it belongs to, and the legs of a case it joins.
    alert
        How it runs as a rule; None where its rows are leads for people only.
    entities
        Kind of entity (``IP``, ``Host``, ``Account``, ``Process``) and the column that holds it.
    tunables, tables
        What a site may change; which of Microsoft's tables it asks.
    text
        The whole file.
    """

    id: str
    title: str
    hypothesis: str
    data: str
    reading: str
    lost: str
    attack: tuple[str, ...]
    cases: tuple[str, ...]
    rules: tuple[str, ...]
    legs: tuple[str, ...]
    alert: Alert | None
    entities: tuple[tuple[str, str], ...]
    tunables: tuple[Tunable, ...]
    tables: tuple[str, ...]
    text: str

    @property
    def query(self) -> str:
        """The KQL without the head of comments."""
        lines = self.text.split("\n")
        start = next(number for number, line in enumerate(lines) if not line.startswith("//"))
        return "\n".join(lines[start:])


@cache
def hunts() -> Mapping[str, Hunt]:
    """Load the hunts that come with the program, by their names."""
    folder = files("knockwatch.content") / "hunting"
    texts = {item.name: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".kql")}
    return {name.removesuffix(".kql"): read_hunt(texts[name], name) for name in sorted(texts)}


def read_hunt(text: str, name: str) -> Hunt:
    """Read a hunt.

    Parameters
    ----------
    text, name
        The file's text, and what to call it in an error.

    Raises
    ------
    HuntError
        If its head lacks something or says it in a way that is not understood.
    """
    title = _TITLE.fullmatch(text.partition("\n")[0])
    if title is None:
        raise HuntError("should begin with a comment `// name: Title`", path=name, line=1)
    fields = dict(_fields(text))
    if lacking := sorted(_FIELDS - fields.keys()):
        raise HuntError(f"lacks {', '.join(lacking)} in its head", path=name, line=1)
    if unknown := sorted(fields.keys() - _FIELDS - _OPTIONAL):
        raise HuntError(f"has {', '.join(unknown)} in its head, which nothing reads", path=name, line=1)
    return Hunt(
        id=title[1],
        title=title[2],
        hypothesis=fields["Hypothesis"],
        data=fields["Data"],
        reading=fields["Reading"],
        lost=fields["Lost"],
        attack=_listed(fields["ATT&CK"]),
        cases=_listed(fields["Cases"]),
        rules=_listed(fields["Rules"]),
        legs=() if fields["Legs"] == "none" else _listed(fields["Legs"]),
        alert=_alert(fields["Alert"], name) if "Alert" in fields else None,
        entities=tuple(_entity(pair) for pair in _listed(fields.get("Entities", ""))),
        tunables=tuple(Tunable(*match.groups()) for match in _TUNABLE.finditer(text)),
        tables=tables_of(text),
        text=text,
    )


def tables_of(text: str) -> tuple[str, ...]:
    """Name the tables of Microsoft's that a query mentions outside its comments."""
    code = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    return tuple(name for name in (*TABLES, *DEVICE_TABLES) if re.search(rf"\b{name}\b", code))


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """Give the fields of the head, continuation lines joined."""
    name, words = "", ""
    for line in text.split("\n")[1:]:
        if not line.startswith("//"):
            break
        if field := _FIELD.fullmatch(line):
            if name:
                yield name, words
            name, words = field[1], field[2]
        elif more := _MORE.fullmatch(line):
            words = f"{words} {more[1]}"
    if name:
        yield name, words


def _listed(words: str) -> tuple[str, ...]:
    """Read a list that commas part."""
    return tuple(word.strip() for word in words.split(",") if word.strip())


def _alert(words: str, name: str) -> Alert:
    """Read how a hunt runs as a rule."""
    match = _ALERT.fullmatch(words)
    if match is None:
        raise HuntError(f"should say its alert as in `high, every 15m over 2h`, not {words!r}", path=name)
    return Alert(*match.groups())


def _entity(words: str) -> tuple[str, str]:
    """Read an entity and its column."""
    kind, _, column = words.partition(" ")
    return kind, column
