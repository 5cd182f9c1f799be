"""What every source and every body must keep: one test, run over whatever modules there are.

A source's samples are all files in `tests/data/sources/NAME/`, NAME being its format's name; a body's samples lie
in the same way, in whatever envelope carries them.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from knockwatch.ingest import EXPORTED
from knockwatch.sources import Source, detect, sources
from knockwatch.sources.bodies import Body, bodies
from knockwatch.tables import CANONICAL
from tests.sources.reading import SAMPLES, head_of, read

TESTS = Path(__file__).resolve().parent
TABLES = {*CANONICAL, *EXPORTED}

SOURCES = [pytest.param(source, id=source.format.name) for source in sources()]
BODIES = [pytest.param(body, id=body.format.name) for body in bodies()]


def _everything() -> list[Source | Body]:
    return [*sources(), *bodies()]


def _allowed(source: Source) -> set[str]:
    """The tables a source may fill: its own, and where it fills messages those of what messages may carry."""
    carried = {table for body in bodies() for table in body.format.fills}
    return set(source.format.fills) | (carried if "messages" in source.format.fills else set())


def _module(thing: Source | Body) -> ModuleType:
    return sys.modules[type(thing).__module__]


def _samples(thing: Source | Body) -> list[Path]:
    folder = SAMPLES / thing.format.name
    found = sorted(path for path in folder.glob("*") if path.is_file())
    assert found, (
        f"put a small real sample of {thing.format.name} into tests/data/sources/{thing.format.name}/"
    )
    return found


def _public(module: ModuleType, thing: object) -> Iterator[tuple[str, typing.Any]]:
    """The functions a reader may call: a module's own, and a source's methods."""
    owners = [(module.__name__, module), (type(thing).__name__, type(thing))]
    for owner, space in owners:
        for name, value in vars(space).items():
            own = inspect.isfunction(value) and value.__module__ == module.__name__
            if own and not name.startswith("_"):
                yield f"{owner}.{name}", value


@pytest.mark.parametrize("thing", [*SOURCES, *BODIES])
def test_it_says_what_it_is(thing: Source | Body) -> None:
    form = thing.format
    module = _module(thing)

    assert all((form.name, form.title, form.fills, form.status, form.reference))
    assert form.name == form.name.lower()
    assert form.status in ("verified", "documented")
    assert set(form.fills) <= TABLES
    assert module.__doc__, f"{module.__name__} does not say what it holds"


@pytest.mark.parametrize("thing", [*SOURCES, *BODIES])
def test_its_public_functions_are_documented_and_typed(thing: Source | Body) -> None:
    for name, function in _public(_module(thing), thing):
        signature = inspect.signature(function)
        untyped = [
            parameter.name
            for parameter in signature.parameters.values()
            if parameter.annotation is parameter.empty and parameter.name != "self"
        ]
        assert function.__doc__, f"{name} has no docstring"
        assert not untyped, f"{name} has parameters without a type: {untyped}"
        assert signature.return_annotation is not signature.empty, f"{name} does not say what it returns"


@pytest.mark.parametrize("source", SOURCES)
def test_it_recognises_its_samples_and_nobody_else_does(source: Source) -> None:
    for sample in _samples(source):
        head = head_of(sample)
        mine = source.confidence(head)
        others = {other.format.name: other.confidence(head) for other in sources() if other is not source}
        rivals = {name: claim for name, claim in others.items() if claim >= mine}

        assert 0 < mine <= 1
        assert not rivals, f"{sample.name}: claimed with {mine} by {source.format.name}, but also by {rivals}"
        assert detect(head) == (source, mine)


@pytest.mark.parametrize("source", SOURCES)
def test_it_reads_its_samples_into_the_tables_it_names(source: Source) -> None:
    filled = set()
    for sample in _samples(source):
        found = read(source, sample)

        assert found.misfits.is_empty(), f"{sample.name}: {found.misfits.row(0)} is not understood"
        assert not found.problems
        assert found.records > 0
        assert set(found.tables) <= _allowed(source)
        for rows in found.tables.values():
            assert rows["line"].min() >= 1  # type: ignore[operator]
        filled |= set(found.tables)
    assert filled >= set(source.format.fills), "no sample shows every table it fills"


@pytest.mark.parametrize("source", SOURCES)
def test_it_makes_something_of_any_other_format(source: Source) -> None:
    """An explicit choice of format, or a wrong guess, ends in counted lines, never in an error."""
    for folder in sorted(SAMPLES.iterdir()):
        for sample in sorted(folder.glob("*")):
            found = read(source, sample)

            assert set(found.tables) <= _allowed(source)
            assert found.tables or found.misfits.height or found.problems


@pytest.mark.parametrize("body", BODIES)
def test_a_body_is_read_in_its_envelope(body: Body) -> None:
    filled = set()
    for sample in _samples(body):
        claim = detect(head_of(sample))
        assert claim is not None, f"{sample.name} is in no envelope that is known"
        found = read(claim[0], sample)

        assert found.misfits.is_empty(), f"{sample.name}: {found.misfits.row(0)} is not understood"
        filled |= set(found.tables)
    assert set(body.format.fills) <= filled


def test_no_two_formats_have_one_name() -> None:
    names = [thing.format.name for thing in _everything()]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("thing", [*SOURCES, *BODIES])
def test_its_test_file_exists(thing: Source | Body) -> None:
    name = _module(thing).__name__.rpartition(".")[2]

    assert list(TESTS.rglob(f"test_{name}.py")), f"write tests/sources/test_{name}.py"


def test_every_folder_of_samples_belongs_to_a_format() -> None:
    names = {thing.format.name for thing in _everything()}

    assert {folder.name for folder in SAMPLES.iterdir()} <= names
