"""Tables that are given instead of files: which of ours they are, by columns, a lake's mapping or the site's names.

Where a table is, and how it is read, is the engine's business; nothing is executed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import ibis

from knockwatch.engines import lakes
from knockwatch.engines._lake_values import column
from knockwatch.engines.lakes import NEEDED, Lake, View, mapped
from knockwatch.engines.queries import Dialect, kinds
from knockwatch.errors import ConfigError, EvidenceError, UsageError
from knockwatch.tables import CANONICAL, FINGERPRINT

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from knockwatch.detections import Pointer


class MissingTableError(EvidenceError):
    """A table that is not there."""


FILE, LINE = "knockwatch_file", "knockwatch_line"
"""Columns that an engine adds where it knows in which file, and where in it, a row stands."""
AS_IS = "canonical"
"""Shape of a table that has our own columns."""


@dataclass(frozen=True)
class Given:
    """What a user says of tables.

    Parameters
    ----------
    tables
        Pairs of a name and a source: a canonical table's name, or that of a lake's table, and a Parquet file, folder or
        glob, or the name of a table in the engine.
    lake
        Name of the mapping; None where the columns shall tell, or the configuration does.
    names
        The site's own names (``Config.tables``).
    """

    tables: tuple[tuple[str, str], ...] = ()
    lake: str | None = None
    names: Mapping[str, Mapping[str, str]] | None = None


@dataclass(frozen=True)
class Located:
    """A table where it is; with the columns `FILE` and `LINE` if `files` are named, by number."""

    rows: ir.Table
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """Rows of a canonical table that come from one source.

    Parameters
    ----------
    canonical, source, shape
        Which table it is part of, as what it was given, and what its columns were taken for.
    rows
        The rows, with all columns of the canonical table.
    first, files
        Number of its first file, and the names of all; none where rows bring numbers of their own.
    """

    canonical: str
    source: str
    shape: str
    rows: ir.Table
    first: int = 0
    files: tuple[str, ...] = ()

    def named(self, number: int) -> str | None:
        """Name the file of a number; None where it is of another part."""
        if not self.files:
            return f"{self.source}, file {number}"
        index = number - self.first
        return self.files[index] if 0 <= index < len(self.files) else None


Find = Callable[[str], Located]
"""Gives a table of the engine by what it was given as.

Raises
------
MissingTableError
    If there is none.
"""


def parts(given: Given, find: Find, dialect: Dialect) -> list[Part]:
    """Find the tables that are given, and say them in our columns.

    Raises
    ------
    ConfigError
        If a table is none of ours and of no lake, or of several.
    UsageError
        If nothing is given.
    """
    chosen = list(_chosen(given, find))
    if not chosen:
        raise UsageError("no tables: give them as --table connections=SOURCE, or name a --lake")
    made: list[Part] = []
    for canonical, source, located, view, shape in chosen:
        if view is None and {"file", "line"} <= set(located.rows.columns):
            made.append(Part(canonical, source, shape, _as_is(located.rows, canonical)))
            continue
        first = sum(len(part.files) for part in made)
        made.append(_numbered(canonical, source, located, view, shape, first, dialect))
    return made


def tables(found: Sequence[Part]) -> dict[str, ir.Table]:
    """Put the parts of each canonical table together; one that nobody gave is empty."""
    together: dict[str, list[ir.Table]] = {}
    for part in found:
        together.setdefault(part.canonical, []).append(part.rows)
    some = found[0].rows
    made = {}
    for name in CANONICAL:
        if name in together:
            rows = together[name]
            made[name] = rows[0] if len(rows) == 1 else ibis.union(*rows)
        else:
            nothing = {column: ibis.null(kind) for column, kind in kinds(name).items()}
            made[name] = some.filter(ibis.literal(value=False)).select(**nothing)
    return made


def file_name(found: Sequence[Part], pointer: Pointer) -> str:
    """Name the file, or the table, of a row."""
    mine = [part for part in found if part.canonical == pointer.table]
    names = [name for part in mine if (name := part.named(pointer.file)) is not None]
    return names[0] if names else ""


Choice = tuple[str, str, Located, View | None, str]
"""Canonical table, source, rows, how they are to be read, and what they were taken for."""


def _chosen(given: Given, find: Find) -> Iterator[Choice]:
    """Decide what each table is."""
    lake = lakes.load(given.lake) if given.lake else None
    names = given.names or {}
    if not given.tables:
        yield from _of_lake(lake, names, find)
    for name, source in given.tables:
        located = find(source)
        if name not in CANONICAL:
            yield from _of_lakes_table(name, source, located, lake, names)
        elif own := {key: told for key, told in names.get(name, {}).items() if key != "table"}:
            base = _fitting(located.rows, name, lake)[:1] if lake else []
            columns = {**(base[0][1].columns if base else _present(located.rows, name)), **own}
            yield name, source, located, View(source, columns, base[0][1].where if base else {}), "configured"
        elif not lake and set(NEEDED[name]) <= set(located.rows.columns):
            yield name, source, located, None, AS_IS
        else:
            shape, view = _recognised(located.rows, name, source, lake)
            yield name, source, located, view, shape


def _of_lake(lake: Lake | None, names: Mapping[str, Mapping[str, str]], find: Find) -> Iterator[Choice]:
    """Look for the tables of a lake under its own names, or the site's."""
    faults: list[Exception] = []
    there = False
    for canonical in CANONICAL:
        for view in lakes.views(lake, canonical, names):
            try:
                located = find(view.table)
                mapped(located.rows, canonical, view)
            except (ConfigError, MissingTableError) as error:
                faults.append(error)
                continue
            there = True
            yield canonical, view.table, located, view, lake.name if lake else "configured"
    if not there and faults:
        raise faults[0]


def _of_lakes_table(
    name: str, source: str, located: Located, lake: Lake | None, names: Mapping[str, Mapping[str, str]]
) -> Iterator[Choice]:
    """Give the canonical tables that a lake's table holds rows of."""
    known = [lake] if lake else [lakes.load(one) for one in lakes.lakes()]
    found = [
        (one.name, canonical, view)
        for one in known
        for canonical in CANONICAL
        for view in lakes.views(one, canonical, {name: {**names.get(name, {}), "table": name}})
        if view.table == name and _fits(located.rows, canonical, view)
    ]
    of = {shape for shape, _, _ in found}
    if len(of) != 1:
        told = (
            f"tables of that name and shape are of {', '.join(sorted(of))}: choose with --lake"
            if of
            else (
                f"tables are called {', '.join(CANONICAL)}, or as a lake that is known calls them "
                f"({', '.join(lakes.lakes())})"
            )
        )
        raise ConfigError(f"--table {name}={source}: {told}")
    for shape, canonical, view in found:
        yield canonical, source, located, view, shape


def _recognised(rows: ir.Table, canonical: str, source: str, lake: Lake | None) -> tuple[str, View]:
    """Tell by its columns which lake's table it is."""
    found = _fitting(rows, canonical, lake)
    if not found:
        raise ConfigError(
            f"{source} has not the columns of {canonical} ({', '.join(NEEDED[canonical])}, …), nor those of "
            f"{f'the lake {lake.name}' if lake else 'a lake that is known (' + ', '.join(lakes.lakes()) + ')'}: "
            f"say what its columns are called in [tables.{canonical}]"
        )
    if len(found) > 1:
        kinds_of = ", ".join(f"{shape}'s {view.table}" for shape, view in found)
        raise ConfigError(
            f"{source} may be {kinds_of}: give it as --table {found[0][1].table}={source}, or so"
        )
    return found[0]


def _fitting(rows: ir.Table, canonical: str, lake: Lake | None) -> list[tuple[str, View]]:
    """Name the mappings that can read a table."""
    known = [lake] if lake else [lakes.load(name) for name in lakes.lakes()]
    return [
        (one.name, view)
        for one in known
        for view in one.views.get(canonical, ())
        if _fits(rows, canonical, view)
    ]


def _fits(rows: ir.Table, canonical: str, view: View) -> bool:
    """Tell whether a table has what a mapping needs."""
    try:
        mapped(rows, canonical, view)
    except ConfigError:
        return False
    return all(column(rows, name) is not None for name in view.where)


def _present(rows: ir.Table, canonical: str) -> dict[str, Any]:
    """Give our own columns that a table has, as a mapping does."""
    there = {name: name for name in CANONICAL[canonical] if name in rows.columns}
    return {**there, **({"time_us": {"of": "time_us", "unit": "us"}} if "time_us" in there else {})}


def _as_is(rows: ir.Table, canonical: str) -> ir.Table:
    """Give a table that has our columns with all of them, in our types."""
    types = kinds(canonical)
    lacking = {name: ibis.null(kind) for name, kind in types.items() if name not in rows.columns}
    return rows.mutate(**lacking).select(*types).cast(types)


def _numbered(
    canonical: str, source: str, located: Located, view: View | None, shape: str, first: int, dialect: Dialect
) -> Part:
    """Say a table in our columns, each row with the place where it stands, or what tells it from others."""
    rows = located.rows
    if located.files:
        place = {"file": FILE, "line": LINE}
        if view is None:
            made = _as_is(rows.mutate(file=rows[FILE], line=rows[LINE]), canonical)
        else:
            made = mapped(rows, canonical, View(view.table, {**view.columns, **place}, view.where))
        made = made.mutate(file=(made.file + first).cast("int32")) if first else made
        return Part(canonical, source, shape, made, first, located.files)
    made = _as_is(rows, canonical) if view is None else mapped(rows, canonical, view)
    number = ibis.literal(first, type="int32")
    return Part(canonical, source, shape, _fingerprinted(made, canonical, number, dialect), first, (source,))


def _fingerprinted(rows: ir.Table, canonical: str, number: Any, dialect: Dialect) -> ir.Table:
    """Give each row a number made of all it says: a table has no order of its own."""
    said = [name for name in CANONICAL[canonical] if name not in ("file", "line", "exported")]
    texts = [rows[name].cast("string").fill_null("") for name in said]
    text = reduce(lambda one, other: one.concat("\x1f", other), texts)
    made = (dialect.hashed(text) & (FINGERPRINT - 1)).cast("int64") + FINGERPRINT
    return rows.mutate(file=number, line=made)
