"""Whatever rows a table has, and however they are exported: the same rows are read."""

# ruff: noqa: DTZ001 - Kusto's datetimes are UTC without saying so

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knockwatch.microsoft import columns, polars_schema
from knockwatch.sources import Source, microsoft_csv, microsoft_json, microsoft_json_lines, microsoft_parquet
from tests.sources.reading import read_text

Rows = list[dict[str, Any]]
ALWAYS = {
    "Syslog": {"TimeGenerated", "SyslogMessage"},
    "CommonSecurityLog": {"TimeGenerated", "SourceIP", "DestinationPort", "DeviceAction"},
    "DeviceProcessEvents": {"Timestamp", "DeviceName", "ProcessCommandLine"},
}

# A carriage return before a newline belongs to the line, in every text format.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=12) | st.text(
    '",\n\t\\{}[]:x 0', max_size=12
)
TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXT,
    "dynamic": TEXT,
    "int": st.none() | st.integers(-(2**31), 2**31 - 1),
    "long": st.none() | st.integers(-(2**63), 2**63 - 1),
    "real": st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32),
    "datetime": st.none() | TIMES,
}
SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    "SourceIP": st.ip_addresses().map(str),
    "DestinationIP": st.ip_addresses().map(str),
    "SourcePort": st.none() | st.integers(0, 65535),
    "DestinationPort": st.none() | st.integers(0, 65535),
}


@st.composite
def _exports(draw: st.DrawFn) -> tuple[str, Rows]:
    table = draw(st.sampled_from(sorted(ALWAYS)))
    kinds = columns(table)
    others = sorted(set(kinds) - ALWAYS[table] - {"Type"})
    names = [*ALWAYS[table], *draw(st.lists(st.sampled_from(others), unique=True, max_size=8))]
    row = {name: SPECIAL.get(name, VALUES[kinds[name]]) for name in draw(st.permutations(names))}
    for name in ("TimeGenerated", "Timestamp"):
        if name in row:
            row[name] = TIMES
    return table, draw(st.lists(st.fixed_dictionaries(row), min_size=1, max_size=8))


def _iso(value: Any) -> Any:
    return f"{value.isoformat()}Z" if isinstance(value, datetime) else value


def _portal(value: Any) -> Any:
    if not isinstance(value, datetime) or value.microsecond % 1000:
        return _iso(value)
    half = "AM" if value.hour < 12 else "PM"
    hour = (value.hour + 11) % 12 + 1
    return (
        f"{value.month}/{value.day}/{value.year}, {hour}:{value:%M:%S}.{value.microsecond // 1000:03} {half}"
    )


def _separated(rows: Rows, separator: str) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    writer.writerow(
        f"{name} [UTC]" if isinstance(value, datetime) else name for name, value in rows[0].items()
    )
    writer.writerows([_portal(row[name]) for name in rows[0]] for row in rows)
    return out.getvalue().encode()


def _objects(rows: Rows) -> Rows:
    return [{name: _iso(value) for name, value in row.items() if value is not None} for row in rows]


def _parquet(rows: Rows, table: str) -> bytes:
    out = io.BytesIO()
    types = polars_schema(table)
    pl.DataFrame(rows, schema={name: types[name] for name in rows[0]}).write_parquet(out)
    return out.getvalue()


WRITERS: dict[str, tuple[Source, Callable[[Rows, str], bytes]]] = {
    "csv": (microsoft_csv.SOURCE, lambda rows, _: b"\xef\xbb\xbf" + _separated(rows, ",")),
    "tsv": (microsoft_csv.SOURCE, lambda rows, _: _separated(rows, "\t")),
    "json": (microsoft_json.SOURCE, lambda rows, _: json.dumps(_objects(rows), indent=1).encode()),
    "json lines": (
        microsoft_json_lines.SOURCE,
        lambda rows, _: "".join(
            json.dumps(row, ensure_ascii=False) + "\n" for row in _objects(rows)
        ).encode(),
    ),
    "parquet": (microsoft_parquet.SOURCE, _parquet),
}


@pytest.mark.parametrize("form", WRITERS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(export=_exports())
def test_exported_rows_are_read_back(tmp_path: Path, form: str, export: tuple[str, Rows]) -> None:
    table, rows = export
    source, write = WRITERS[form]
    found = read_text(source, tmp_path, write(rows, table))
    read_back = found.tables[table].drop("line")

    assert not found.problems
    empty = {name: "" if kind in ("string", "dynamic") else None for name, kind in columns(table).items()}
    assert [{**{name: empty[name] for name in rows[0]}, **row} for row in read_back.to_dicts()] == rows
    assert dict(read_back.schema).items() <= polars_schema(table).items()
