"""A lake's own tables as the canonical ones: mappings from its names and words to ours, as Ibis expressions.

Mappings are data, `content/lakes/NAME.toml`; what a site calls its tables and columns otherwise stands in the sections
``[tables.…]`` of its configuration. How a mapping's values become expressions is `_lake_values`' business; nothing is
executed here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.datatypes as dt

from knockwatch.engines._lake_values import Told, check, meets, moment, plain, value
from knockwatch.errors import ConfigError
from knockwatch.tables import CANONICAL, OUTCOMES, UNKNOWN, schema

if TYPE_CHECKING:
    import ibis.expr.types as ir

Names = Mapping[str, Mapping[str, str]]
"""What the configuration says: table to column to the site's name, and ``table`` to the site's name of the table."""
Find = Callable[[str], "ir.Table | None"]

NEEDED: Mapping[str, Sequence[str]] = {
    "connections": ("time_us", "source_ip", "destination_ip"),
    "processes": ("time_us", "command_line"),
    "messages": ("time_us", "message"),
    "changes": ("time_us", "kind"),
}
"""Columns without which a table says nothing."""
_ADDRESSES = ("source_ip", "destination_ip")
_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmp6", "ipv6-icmp": "icmp6", "icmpv6": "icmp6"}
_MAPPED = "::ffff:"
"""How an IPv4 address begins where a lake keeps all as IPv6."""


@dataclass(frozen=True)
class View:
    """One table of a lake as rows of a canonical one.

    Parameters
    ----------
    table
        The lake's name of it.
    columns
        Canonical column to what the lake says of it.
    where
        Conditions on the lake's columns, which its rows must meet.
    """

    table: str
    columns: Mapping[str, Told]
    where: Mapping[str, Any]


@dataclass(frozen=True)
class Lake:
    """A kind of lake: its tables as ours.

    Parameters
    ----------
    name, title, reference
        What it is called, what it is in a line, and where its schema is published.
    views
        Canonical table to the lake's tables that make it up.
    """

    name: str
    title: str
    reference: str
    views: Mapping[str, Sequence[View]]


def lakes() -> tuple[str, ...]:
    """Name the lakes that mappings are ready for."""
    folder = files("knockwatch.content") / "lakes"
    return tuple(
        sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))
    )


def load(name: str) -> Lake:
    """Load a mapping.

    Raises
    ------
    ConfigError
        If there is no such lake, or its file says what no mapping says.
    """
    if name not in lakes():
        raise ConfigError(f"no mapping for a lake {name!r}: there are {', '.join(lakes())}")
    file = files("knockwatch.content") / "lakes" / f"{name}.toml"
    data = tomllib.loads(file.read_text("utf-8"))
    try:
        views = {table: tuple(_view(table, view) for view in rows) for table, rows in data["tables"].items()}
        return Lake(name, data["title"], data["reference"], views)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"is no mapping of a lake: {error}", path=str(file)) from error


def tables(lake: Lake | None, find: Find, names: Names | None = None) -> dict[str, ir.Table]:
    """Give the canonical tables as far as a lake has them.

    Parameters
    ----------
    lake
        Its mapping; None where the configuration alone says what is where.
    find
        Gives a table of the lake, as ``backend.table`` does; None where there is none.
    names
        The site's own names (``Config.tables``). A section named after one of the lake's tables renames it and its
        columns; one named after a canonical table says which table it is and replaces what the mapping says of
        some columns.

    Raises
    ------
    ConfigError
        If none of the tables is there, or one lacks columns without which it says nothing at all.
    """
    names = names or {}
    found: dict[str, list[ir.Table]] = {}
    read, faults = set[str](), dict[str, ConfigError]()
    for canonical in CANONICAL:
        for view in views(lake, canonical, names):
            table = find(view.table)
            if table is None:
                continue
            try:
                rows = mapped(table, canonical, view)
            except ConfigError as error:
                # One table may hold events of several kinds, and need not have all of them.
                faults.setdefault(view.table, error)
                continue
            found.setdefault(canonical, []).append(rows)
            read.add(view.table)
    for name, fault in faults.items():
        if name not in read:
            raise fault
    if not found:
        raise ConfigError("has none of the tables that are looked for: name them in [tables.…]")
    return {name: parts[0] if len(parts) == 1 else ibis.union(*parts) for name, parts in found.items()}


def mapped(table: ir.Table, canonical: str, view: View) -> ir.Table:
    """Give one table of a lake as rows of a canonical one, with all of its columns and types.

    Raises
    ------
    ConfigError
        If the table lacks columns without which it says nothing.
    """
    for condition, wanted in view.where.items():
        table = table.filter(meets(table, condition, wanted))
    times = view.columns.get("time_us")
    said = {name: value(table, told) for name, told in view.columns.items() if name != "time_us"}
    said["time_us"] = moment(table, times)
    if lacking := [name for name in NEEDED[canonical] if said.get(name) is None]:
        raise ConfigError(
            f"table {view.table} has no column for {', '.join(lacking)}: name it in [tables.{canonical}]"
        )
    said.setdefault("time", value(table, times))
    columns = {}
    for name, dtype in schema(canonical).items():
        kind = dt.DataType.from_polars(dtype)
        column = said.get(name)
        columns[name] = _default(name, kind) if column is None else _conformed(name, column, kind)
    return table.select(**columns)


def _view(table: str, data: Mapping[str, Any]) -> View:
    """Read one table of a mapping's file."""
    columns = {name: told for name, told in data.items() if name not in ("table", "where")}
    if unknown := set(columns) - set(CANONICAL[table]):
        raise ValueError(f"{table} has no column {', '.join(sorted(unknown))}")
    for name, told in columns.items():
        check(told, OUTCOMES if name == "outcome" else None)
    return View(data["table"], columns, data.get("where", {}))


def views(lake: Lake | None, canonical: str, names: Names) -> list[View]:
    """Give the tables of a lake that make up a canonical one, by the site's own names.

    Raises
    ------
    ConfigError
        If a name is given to a column that the canonical table does not have.
    """
    ready = (
        [_renamed(view, names.get(view.table, {})) for view in lake.views.get(canonical, ())] if lake else []
    )
    own = dict(names.get(canonical, {}))
    table = own.pop("table", None)
    if unknown := set(own) - set(CANONICAL[canonical]):
        raise ConfigError(f"[tables.{canonical}]: there is no column {', '.join(sorted(unknown))}")
    if table is not None:
        base = ready[0] if len(ready) == 1 else View(table, {}, {})
        return [View(table, {**base.columns, **own}, base.where)]
    return [View(view.table, {**view.columns, **own}, view.where) for view in ready]


def _renamed(view: View, own: Mapping[str, str]) -> View:
    """Put a site's names in place of the lake's."""
    table = own.get("table", view.table)
    return View(
        table,
        {name: plain(told, own) for name, told in view.columns.items()},
        {own.get(name, name): wanted for name, wanted in view.where.items()},
    )


def _default(name: str, kind: dt.DataType) -> Any:
    """Give what a column holds where a lake says nothing."""
    match name:
        case "event_count":
            return ibis.literal(1, type=kind)
        case "outcome":
            return ibis.literal(UNKNOWN, type=kind)
        case "exported":
            return ibis.literal(value=False, type=kind)
        case _:
            return ibis.null(kind)


def _conformed(name: str, column: Any, kind: dt.DataType) -> Any:
    """Bring a lake's values to ours: types, the shape of addresses, names of protocols."""
    if name in _ADDRESSES:
        text = column.cast("string")
        # IPv4 addresses hold dots; IPv6 ones that begin so and hold none are left alone.
        embedded = text.startswith(_MAPPED) & text.contains(".")
        return embedded.ifelse(text.substr(len(_MAPPED)), text).nullif("")
    if name == "protocol":
        text = column.cast("string").lower()
        return text.cases(*_PROTOCOLS.items(), else_=text).nullif("")
    if kind.is_integer() and column.type().is_string():
        return column.try_cast(kind)
    return column.cast(kind)
