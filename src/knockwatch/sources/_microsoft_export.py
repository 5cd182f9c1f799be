"""Exported rows of Sentinel's and Defender's tables to ours.

Which table an export holds is `_microsoft_columns`' business, how it is written the formats', and what Defender's
device tables say `_defender_events`'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from knockwatch.clock import Clock
from knockwatch.microsoft import TABLES
from knockwatch.sources import Batch, Reading
from knockwatch.sources._common_security_log import examine
from knockwatch.sources._defender_events import AS_WRITTEN, Tables, log_ins, network, processes
from knockwatch.sources._event_times import moments
from knockwatch.sources._microsoft_columns import SHAPES, Cells, Export, typed
from knockwatch.sources.bodies import decode

TITLE = "Sentinel or Defender export of Syslog, CommonSecurityLog or device events"
FILLS = (
    "Syslog",
    "CommonSecurityLog",
    "DeviceProcessEvents",
    "messages",
    "connections",
    "processes",
    "changes",
)
SAMPLE_RECORDS = 20
"""How many records are looked at to tell the table."""


def batch(rows: pl.DataFrame, export: Export, reading: Reading) -> Batch:
    """Turn exported records into rows: the record itself, and what it says in our own tables.

    Parameters
    ----------
    rows
        `line`, some of the table's columns under Microsoft's names, as text or in types of their own, and, where
        a record has a text, `text`.

    Returns
    -------
    Batch
        The exported table with Microsoft's types, and canonical rows with `exported` set. Of records that
        arrive more than once in a batch each stays in the exported table, where a query would see it, but only
        the first makes canonical rows. Records without a time, of another table or with impossible ports are
        misfits.
    """
    table = export.table
    frame = typed(rows, export, reading.clock)
    derived, sound = _DERIVE[table](_as_written(frame, rows, table), reading)
    fits = _fit(frame, table) & sound
    bad = _quoted(rows.filter(~fits))
    frame = frame.filter(fits)
    first = frame.filter(_first_of_equals(frame, table)).select("line")
    derived = {
        name: part.join(first, on="line", how="semi", maintain_order="left") for name, part in derived.items()
    }
    result = _carried(derived["messages"], reading) if table == "Syslog" else Batch(0, derived)
    result.records = fits.len()
    if table in TABLES and not reading.lean:
        result.tables[table] = frame
    result.misfits = bad if result.misfits is None else pl.concat([result.misfits, bad])
    return result


def _fit(frame: pl.DataFrame, table: str) -> pl.Series:
    """Select the records that have a time and are of this table."""
    fits = pl.repeat(value=False, n=frame.height, dtype=pl.Boolean, eager=True)
    for name in SHAPES[table].times:
        if name in frame.columns:
            times = frame[name]
            # ReceiptTime is text, whatever it holds.
            fits |= (moments(times, Clock()) if times.dtype == pl.String else times).is_not_null()
    if "Type" in frame.columns:
        fits &= frame["Type"].is_in(["", table])
    return fits


def _first_of_equals(frame: pl.DataFrame, table: str) -> pl.Series:
    """Select all but those records that are equal in everything to one before.

    Firewall records are told apart by their ports, their id or what else the device says of them. Where an
    export has none of these (a projection), equal records may be packets of one sequence, and all stay.
    """
    if frame.width == 1:
        return pl.repeat(value=True, n=frame.height, dtype=pl.Boolean, eager=True)
    first = frame.select(pl.struct(pl.exclude("line")).is_first_distinct()).to_series()
    if table != "CommonSecurityLog":
        return first
    cells = Cells(frame)
    ports = cells.value("SourcePort").is_not_null() & cells.value("DestinationPort").is_not_null()
    more = cells.text("AdditionalExtensions").is_not_null() | cells.text("_ItemId").is_not_null()
    return first | ~frame.select((ports | more).alias("told apart")).to_series()


def _as_written(frame: pl.DataFrame, rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """Put columns back as they were exported, so that what is no number is seen, and add `time_us` and `time`."""
    names = ("SourcePort", "DestinationPort") if table == "CommonSecurityLog" else AS_WRITTEN
    return frame.with_columns(rows[name].cast(pl.String) for name in names if name in frame.columns).hstack(
        _when(frame, rows, table)
    )


def _quoted(rows: pl.DataFrame) -> pl.DataFrame:
    """Give records that do not fit as `line` and `text`; without a text of their own, as JSON."""
    if "text" in rows.columns:
        return rows.select(pl.col("line").cast(pl.Int64), "text")
    return rows.select(
        pl.col("line").cast(pl.Int64), pl.struct(pl.exclude("line")).struct.json_encode().alias("text")
    )


def _when(frame: pl.DataFrame, written: pl.DataFrame, table: str) -> pl.DataFrame:
    """Give `time_us` and `time`, of the first of the table's times that a record has."""
    names = [name for name in SHAPES[table].times if isinstance(frame.schema.get(name), pl.Datetime)]
    raw = written.select(pl.col(name).cast(pl.String).alias(f"{name} written") for name in names)
    text: pl.Expr = pl.lit(None, dtype=pl.String)
    for name in reversed(names):
        text = pl.when(pl.col(name).is_not_null()).then(f"{name} written").otherwise(text)
    moment = pl.coalesce(*(pl.col(name).dt.timestamp("us") for name in names), pl.lit(None, dtype=pl.Int64))
    found = frame.select("line", *names).hstack(raw).with_columns(moment.alias("time_us"), text.alias("time"))
    # Not selected at once: without any column of times both would be of one row.
    return found.select("time_us", "time")


def _messages(frame: pl.DataFrame, reading: Reading) -> tuple[Tables, pl.Series]:
    """Make messages of Syslog."""
    del reading
    cells = Cells(frame)
    rows = frame.select(
        *("line", "time_us", "time"),
        pl.coalesce(cells.text("HostName"), cells.text("Computer")).alias("host"),
        cells.text("Facility").alias("facility"),
        cells.text("SeverityLevel").alias("severity"),
        cells.text("ProcessName").alias("program"),
        cells.value("ProcessID").cast(pl.Int64).alias("pid"),
        # Bodies are single lines.
        cells.text("SyslogMessage").fill_null("").str.replace_all(r"[\r\n]+", " ").alias("message"),
    )
    return {"messages": rows}, pl.repeat(value=True, n=frame.height, dtype=pl.Boolean, eager=True)


def _carried(messages: pl.DataFrame, reading: Reading) -> Batch:
    """Read what messages carry.

    What they carry stands in no exported CommonSecurityLog, so only the messages count as exported.
    """
    result = decode(messages, reading)
    result.tables["messages"] = result.tables["messages"].with_columns(exported=pl.lit(value=True))
    return result


def _connections(frame: pl.DataFrame, reading: Reading) -> tuple[Tables, pl.Series]:
    """Make connections of CommonSecurityLog."""
    examined = examine(frame, reading)
    return {"connections": examined.connections}, examined.sound


_DERIVE: Mapping[str, Callable[[pl.DataFrame, Reading], tuple[Tables, pl.Series]]] = {
    "Syslog": _messages,
    "CommonSecurityLog": _connections,
    "DeviceProcessEvents": lambda frame, _: processes(frame),
    "DeviceNetworkEvents": lambda frame, _: network(frame),
    "DeviceEvents": lambda frame, _: network(frame),
    "DeviceLogonEvents": lambda frame, _: log_ins(frame),
}
"""What makes rows of each table, and says which of its records make sense."""
