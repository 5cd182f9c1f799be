"""Microsoft's tables: their columns, types and CEF keys. What fills them, or asks them, is not here.

The columns are data (`content/schemas/*.tsv`), taken from the tables' published schemas
(Azure/Azure-Sentinel, ``.script/tests/KqlvalidationsTests/CustomTables``; MicrosoftDocs/azure-docs,
``articles/sentinel/cef-name-mapping.md``).
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

import polars as pl

from knockwatch.errors import KnockwatchError

TABLES = ("Syslog", "CommonSecurityLog", "DeviceProcessEvents")
"""Those that are views on the canonical tables."""
DEVICE_TABLES = ("DeviceNetworkEvents", "DeviceEvents", "DeviceLogonEvents")
"""Others of Defender's that are read, and stand in the canonical tables alone."""
POLARS_TYPES: dict[str, pl.DataType] = {
    "datetime": pl.Datetime("us"),
    "int": pl.Int32(),
    "long": pl.Int64(),
    "real": pl.Float64(),
    "string": pl.String(),
    "dynamic": pl.String(),
}
"""Kusto's type to ours: datetimes are UTC without saying so, dynamic values stay the JSON they came as."""

_KEYED_BY_NAME = ("DeviceCustomDate", "Flex")
"""Columns whose CEF key is their name with a small first letter (cef-name-mapping.md, custom fields)."""


class SchemaError(KnockwatchError):
    """A table's schema that is missing or says what no schema says."""


def columns(table: str) -> dict[str, str]:
    """Give a table's columns and their Kusto types, in Microsoft's order.

    Raises
    ------
    SchemaError
        If there is no such table.
    """
    return {row["column"]: row["type"] for row in _rows(table)}


def polars_schema(table: str) -> dict[str, pl.DataType]:
    """Give a table's columns and their Polars types, in Microsoft's order."""
    return {name: POLARS_TYPES[kind] for name, kind in columns(table).items()}


def cef_keys() -> dict[str, str]:
    """Give the CEF extension keys, in small letters since writers spell them freely, with their columns."""
    rows = _rows("CommonSecurityLog")
    names = {row["column"] for row in rows}
    keys: dict[str, str] = {}
    for row in rows:
        name, key = row["column"], row["cef_key"]
        if name.startswith(_KEYED_BY_NAME):
            keys[name.lower()] = name
        elif key and "(" not in key:
            keys[key.lower()] = name
            if f"{name}Label" in names:
                keys[f"{key.lower()}label"] = f"{name}Label"
    return keys


@cache
def _rows(table: str) -> tuple[dict[str, str], ...]:
    """Read a schema file and check that every column is named once and has a known type."""
    known = (*TABLES, *DEVICE_TABLES)
    if table not in known:
        raise SchemaError(f"there is no table {table}: there are {', '.join(known)}")
    resource = files("knockwatch.content") / "schemas" / f"{table}.tsv"
    rows = tuple(csv.DictReader(resource.read_text("utf-8").splitlines(), delimiter="\t"))
    seen: set[str] = set()
    for line, row in enumerate(rows, 2):
        if row["column"] in seen or row["type"] not in POLARS_TYPES:
            raise SchemaError(
                f"column {row['column']} of type {row['type']} is there twice or has no known type",
                path=str(resource),
                line=line,
            )
        seen.add(row["column"])
    return rows
