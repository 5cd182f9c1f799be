"""Which of Microsoft's tables an export holds, told from its columns, and their values in Microsoft's types.

How an export is written (CSV, JSON, Parquet) is not here. Columns that Microsoft's schema does not have are
ignored, since whoever exported them computed them; of columns that come twice the first counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC

import polars as pl

from knockwatch.clock import Clock, plausible
from knockwatch.microsoft import columns, polars_schema
from knockwatch.sources._event_times import moments

MOMENT = pl.Datetime("us")

_HEADER = re.compile(r"^\s*(\S+)\s*(?:\[([^\]]*)\])?\s*$")
"""A column's name as portals write it: ``TimeGenerated [UTC]``, ``Timestamp [Local Time]``."""
_DATE_OF_SCRIPT = r"^/Date\((\d+)\)/$"
"""Milliseconds since 1970, as Windows PowerShell 5.1's ConvertTo-Json writes a time."""
_OF_THE_PORTAL = "%m/%d/%Y, %I:%M:%S%.f %p"
_THIN_BLANKS = r"[\x{a0}\x{202f}]"
"""Newer browsers put a narrow no-break space before AM and PM."""


@dataclass(frozen=True)
class Shape:
    """What tells a table from its columns: one of each group must be there, and none that other tables have."""

    groups: tuple[frozenset[str], ...]
    times: tuple[str, ...]
    foreign: frozenset[str] = frozenset()


SHAPES: Mapping[str, Shape] = {
    "Syslog": Shape((frozenset({"SyslogMessage"}),), ("EventTime", "TimeGenerated")),
    "CommonSecurityLog": Shape(
        (
            frozenset({"SourceIP", "DestinationIP"}),
            frozenset(
                {
                    "DeviceVendor",
                    "DeviceProduct",
                    "DeviceAction",
                    "DeviceEventClassID",
                    "SimplifiedDeviceAction",
                }
                | {"AdditionalExtensions"}
            ),
        ),
        ("TimeGenerated", "ReceiptTime", "StartTime", "EndTime"),
        # WindowsFirewall has SourceIP too.
        frozenset({"FirewallAction"}),
    ),
    "DeviceProcessEvents": Shape(
        (
            frozenset({"ProcessCommandLine"}),
            frozenset({"DeviceName", "DeviceId", "FileName", "FolderPath", "AccountName"}),
        ),
        ("Timestamp", "TimeGenerated"),
        # DeviceEvents and AlertEvidence have command lines too.
        frozenset(
            {"RemoteIP", "RemotePort", "RemoteUrl", "RemoteDeviceName", "LocalIP", "LocalPort"}
            | {"RegistryKey", "FileOriginUrl", "AlertId", "EntityType"}
        ),
    ),
    "DeviceNetworkEvents": Shape(
        (frozenset({"ActionType"}), frozenset({"LocalIP", "LocalPort", "RemoteIP"})),
        ("Timestamp", "TimeGenerated"),
        frozenset(
            {"RegistryKey", "FileOriginUrl", "ProcessCommandLine", "LogonType", "AlertId", "EntityType"}
        )
        | {"Application", "DestinationPort"},
    ),
    "DeviceEvents": Shape(
        (
            frozenset({"ActionType"}),
            frozenset({"LocalIP", "LocalPort", "RemoteIP"}),
            frozenset({"RegistryKey", "FileOriginUrl", "ProcessCommandLine"}),
        ),
        ("Timestamp", "TimeGenerated"),
        frozenset({"LogonType", "AlertId", "EntityType"}),
    ),
    "DeviceLogonEvents": Shape(
        (frozenset({"ActionType"}), frozenset({"LogonType"}), frozenset({"DeviceName", "DeviceId"})),
        ("Timestamp", "TimeGenerated"),
        # IdentityLogonEvents has the first two as well.
        frozenset({"Application", "DestinationPort", "AlertId", "EntityType"}),
    ),
}


@dataclass(frozen=True)
class Export:
    """Which table an export holds, and where its columns are.

    Parameters
    ----------
    table
        Microsoft's name of the table.
    columns
        The export's name of each column that the table has, to Microsoft's.
    local
        Microsoft's names of the times that are in the exporting person's zone rather than UTC.
    """

    table: str
    columns: Mapping[str, str]
    local: frozenset[str]


def recognise(names: Iterable[str], types: Iterable[str | None]) -> Export | None:
    """Tell which of these tables an export holds.

    Parameters
    ----------
    names
        Its columns, as the export writes them.
    types
        Values of its column `Type` in some rows, as far as there are any.

    Returns
    -------
    Export or None
        None where it is another table, or none that can be told.
    """
    found = {name: match for name in names if (match := _HEADER.match(name.removeprefix("\ufeff")))}
    plain = {match[1] for match in found.values()}
    named = {text for text in types if text}
    for table, shape in SHAPES.items():
        by_columns = not plain & shape.foreign and all(plain & group for group in shape.groups)
        if plain.intersection(shape.times) and (table in named if named else by_columns):
            break
    else:
        return None
    kinds, chosen, local = columns(table), dict[str, str](), set[str]()
    for name, match in found.items():
        if match[1] in kinds and match[1] not in chosen.values():
            chosen[name] = match[1]
            if match[2] and match[2].strip().upper() != "UTC":
                local.add(match[1])
    return Export(table, chosen, frozenset(local))


def typed(rows: pl.DataFrame, export: Export, clock: Clock) -> pl.DataFrame:
    """Give exported columns Microsoft's types: text is never null, as in Kusto; what cannot be read is null."""
    kinds, types = columns(export.table), polars_schema(export.table)
    frame = [rows["line"].cast(pl.Int64)]
    for name in (name for name in kinds if name in rows.columns):
        values = rows[name]
        if kinds[name] == "datetime":
            zoned = clock if name in export.local else replace(clock, zone=UTC)
            values = _moments(values, zoned)
        elif kinds[name] in ("int", "long", "real"):
            values = _numbers(values, kinds[name]).cast(types[name], strict=False)
        else:
            values = values.cast(pl.String).fill_null("")
        frame.append(values.alias(name))
    return pl.DataFrame(frame)


def _moments(values: pl.Series, clock: Clock) -> pl.Series:
    """Read times, from text, numbers or datetimes of any unit and zone."""
    if values.dtype == pl.Date:
        values = values.cast(MOMENT)
    if isinstance(values.dtype, pl.Datetime):
        if values.dtype.time_zone is not None:
            values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
            clock = replace(clock, zone=UTC)
        if clock.zone is UTC:
            return (
                values.to_frame()
                .select(plausible(pl.col(values.name).dt.timestamp("us")))
                .to_series()
                .cast(MOMENT)
            )
        values = values.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
    texts = values.cast(pl.String)
    if texts.str.contains(_THIN_BLANKS).any() or texts.str.starts_with("/").any():
        texts = texts.str.replace_all(_THIN_BLANKS, " ").str.replace(_DATE_OF_SCRIPT, "$1")
    # Portals write nearly all times in one way, which is read much faster than any way.
    found = clock.strptime(texts, (_OF_THE_PORTAL,))
    rest = found.is_null() & texts.is_not_null()
    if rest.any():
        found = found.scatter(rest.arg_true(), moments(texts.filter(rest), clock))
    return found.cast(MOMENT)


def _numbers(values: pl.Series, kind: str) -> pl.Series:
    """Read numbers, also where they are text; a whole one may be written ``443.0``."""
    if values.dtype != pl.String:
        return values
    texts = values.str.strip_chars()
    if kind == "real":
        return texts.cast(pl.Float64, strict=False)
    return texts.str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)


class Cells:
    """Columns of a frame that may be missing, for expressions: a missing or empty one is null."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.schema = frame.schema

    def text(self, name: str) -> pl.Expr:
        """Give a text column."""
        if name not in self.schema:
            return pl.lit(None, dtype=pl.String)
        return pl.when(pl.col(name) != "").then(pl.col(name))

    def value(self, name: str) -> pl.Expr:
        """Give a column of numbers or times."""
        return pl.col(name) if name in self.schema else pl.lit(None, dtype=pl.Int64)
