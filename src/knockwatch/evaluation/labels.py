"""A labelled corpus: what happened, which doors exist, what each view holds; read and checked, never inferred.

The format is that of the corpus' README: `labels.json` lists events, `doors.json` describes doors, `views.json` says
which files and lines an observer has and which events' signal and entry they hold. A folder without `labels.json` is
evidence in which nothing is expected. Further keys of these files are left alone.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from knockwatch.detections import Signal
from knockwatch.errors import KnockwatchError

Shape = TypeVar("Shape")

LABELS, DOORS, VIEWS = "labels.json", "doors.json", "views.json"

EventKind = Literal["knock", "spa", "failed", "scan", "benign", "noise"]
OPENED = frozenset({"knock", "spa"})
INNOCENT = frozenset({"scan", "benign", "noise"})


class CorpusError(KnockwatchError):
    """A corpus whose labels, doors or views do not say what they should."""


def address(text: str) -> str:
    """Write an address in its shortest form; raises ValueError for what is none."""
    return str(ipaddress.ip_address(text))


def plain(text: str) -> str | None:
    """Write an address in its shortest form, or give None for what is none: a network, a name, a word."""
    try:
        return address(text)
    except ValueError:
        return None


def _listed(value: Any) -> Any:
    """Let one value stand for a list of one."""
    return [value] if isinstance(value, str) else value


def _pattern(text: str) -> str:
    """Check a regular expression."""
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error
    return text


def _inside(pattern: str) -> str:
    """Check that a glob stays inside the corpus."""
    path = PurePosixPath(pattern)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{pattern!r} leads out of the corpus")
    return pattern


Address = Annotated[str, AfterValidator(address)]
Addresses = Annotated[tuple[Address, ...], BeforeValidator(_listed)]


class _Label(BaseModel):
    """Part of a label; keys that evaluation does not need are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Connect(_Label):
    """The log-in that was tried after a signal; times in seconds since 1970 UTC."""

    port: int = Field(ge=1, le=65535)
    proto: str = "tcp"
    time: float
    ok: bool
    src: Address | None = None


class Event(_Label):
    """One thing that somebody did; times in seconds since 1970 UTC."""

    id: str
    kind: EventKind
    title: str = ""
    src: Addresses
    dst: Addresses
    door: str | None = None
    start: float
    end: float
    connect: Connect | None = None

    @cached_property
    def actors(self) -> frozenset[str]:
        """Every address that took part: who sent the signal, and who entered."""
        entered = {self.connect.src} if self.connect and self.connect.src else set()
        return frozenset(self.src) | entered

    @cached_property
    def entrants(self) -> frozenset[str]:
        """The addresses that may have entered."""
        return frozenset({self.connect.src}) if self.connect and self.connect.src else frozenset(self.src)

    @property
    def distributed(self) -> bool:
        """Whether signal and entry come from different sources, which no single source tells."""
        return len(self.actors) > 1


class Door(_Label):
    """One door: where it is, what it hides, and what opens it."""

    destinations: Addresses
    service: str = Field(pattern=r"^(tcp|udp)/\d{1,5}$")
    signal: Signal
    secret: tuple[str, ...] | None = None
    calls_back: bool = Field(
        default=False, description="the host connects to the sender instead of listening"
    )


class View(_Label):
    """One observer: its files and lines, and the ids of the events whose signal and entry it holds."""

    files: Annotated[tuple[Annotated[str, AfterValidator(_inside)], ...], BeforeValidator(_listed)]
    lines: Annotated[str, AfterValidator(_pattern)] | None = None
    signal: frozenset[str]
    entry: frozenset[str]
    clock_seconds: float = Field(default=0.0, ge=0, description="how far this observer's clock may be off")


@dataclass(frozen=True)
class Corpus:
    """A folder of evidence with what is known of it.

    Parameters
    ----------
    folder
        Where the evidence is.
    labelled
        Whether it says what happened; otherwise nothing is expected and alerts are only counted.
    events, doors, views
        What happened, the doors by name, the observers by name.
    """

    folder: Path
    labelled: bool = False
    events: tuple[Event, ...] = ()
    doors: dict[str, Door] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)

    @cached_property
    def evidence(self) -> list[Path]:
        """Every file that is evidence: all but the labels and README files."""
        return sorted(
            path
            for path in self.folder.rglob("*")
            if path.is_file()
            and path.name not in (LABELS, DOORS, VIEWS)
            and not path.name.upper().startswith("README")
        )


def load(folder: Path) -> Corpus:
    """Read a corpus.

    Raises
    ------
    CorpusError
        If the folder is none, or a file of it is no JSON or says what it may not; file and key are named.
    """
    if not folder.is_dir():
        raise CorpusError("is no folder: name a corpus of labelled evidence", path=folder)
    if not (folder / LABELS).is_file():
        return Corpus(folder)
    events = _read(folder / LABELS, TypeAdapter(tuple[Event, ...]))
    doors = _read(folder / DOORS, TypeAdapter(dict[str, Door]))
    views = _read(folder / VIEWS, TypeAdapter(dict[str, View])) if (folder / VIEWS).is_file() else {}
    _check(folder, events, doors, views)
    return Corpus(folder, labelled=True, events=events, doors=doors, views=views)


def _read(path: Path, shape: TypeAdapter[Shape]) -> Shape:
    """Read a JSON file of a given shape."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise CorpusError(f"cannot be read ({error.strerror})", path=path) from error
    except ValueError as error:
        raise CorpusError(f"is no JSON: {error}", path=path) from error
    try:
        return shape.validate_python(data)
    except ValidationError as error:
        faults = "; ".join(f"{_key(data, fault['loc'])}: {fault['msg']}" for fault in error.errors()[:5])
        raise CorpusError(faults, path=path) from error


def _key(data: Any, place: Iterable[int | str]) -> str:
    """Name a place in JSON as ``[3] (a4).connect.port``: where a list holds events, with the event's id."""
    name = ""
    for part in place:
        name += f"[{part}]" if isinstance(part, int) else f".{part}"
        if isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
            if isinstance(data, dict) and isinstance(data.get("id"), str):
                name += f" ({data['id']})"
        elif isinstance(data, dict):
            data = data.get(str(part))
    return name.lstrip(".") or "the whole file"


def _check(folder: Path, events: tuple[Event, ...], doors: dict[str, Door], views: dict[str, View]) -> None:
    """Check that the three files agree."""
    ids: set[str] = set()
    for number, event in enumerate(events):
        place = f"[{number}] ({event.id})"
        if event.id in ids:
            raise CorpusError(f"{place}.id: another event has this id", path=folder / LABELS)
        if event.kind in OPENED and event.door not in doors:
            raise CorpusError(f"{place}.door: {event.door!r} is not in {DOORS}", path=folder / LABELS)
        if event.end < event.start:
            raise CorpusError(f"{place}.end: is before the start", path=folder / LABELS)
        ids.add(event.id)
    for name, view in views.items():
        for leg, named in (("signal", view.signal), ("entry", view.entry)):
            if unknown := named - ids:
                listed = ", ".join(sorted(unknown))
                raise CorpusError(f"{name}.{leg}: no event is called {listed}", path=folder / VIEWS)
