"""Exported rows of Sentinel's and Defender's tables to ours: messages, connections and processes.

Which table an export holds is `_microsoft_columns`' business, how it is written the formats'.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from knockwatch.clock import Clock
from knockwatch.sources import Batch, Reading
from knockwatch.sources._common_security_log import examine
from knockwatch.sources._event_times import moments
from knockwatch.sources._microsoft_columns import SHAPES, Export, typed
from knockwatch.sources.bodies import decode

TITLE = "Sentinel or Defender export of Syslog, CommonSecurityLog or DeviceProcessEvents"
FILLS = (
    "Syslog",
    "CommonSecurityLog",
    "DeviceProcessEvents",
    "messages",
    "connections",
    "processes",
)
SAMPLE_RECORDS = 20
"""How many records are looked at to tell the table."""

_FIRST_WORD = r'^\s*(?:"([^"]+)"|(\S+))'
_LAST_PART = r"([^/\\]*)$"


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
    fits = _fit(frame, table)
    connections = None
    if table == "CommonSecurityLog":
        examined = examine(_as_written(frame, rows, ("SourcePort", "DestinationPort")), reading)
        connections, fits = examined.connections, fits & examined.sound
    bad = _quoted(rows.filter(~fits))
    frame, rows = frame.filter(fits), rows.filter(fits)
    first = _first_of_equals(frame, table)
    if connections is not None:
        known = frame.filter(first).select("line")
        result = Batch(
            0, {"connections": connections.join(known, on="line", how="semi", maintain_order="left")}
        )
    else:
        derive = _from_syslog if table == "Syslog" else _from_processes
        result = derive(frame.filter(first), _when(frame, rows, table).filter(first), reading)
    result.records = fits.len()
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
    cells = _Cells(frame)
    ports = cells.value("SourcePort").is_not_null() & cells.value("DestinationPort").is_not_null()
    more = cells.text("AdditionalExtensions").is_not_null() | cells.text("_ItemId").is_not_null()
    return first | ~frame.select((ports | more).alias("told apart")).to_series()


def _as_written(frame: pl.DataFrame, rows: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    """Put columns back as they were exported, so that what is no number is seen, and add `time_us` and `time`."""
    return frame.with_columns(rows[name].cast(pl.String) for name in names if name in frame.columns).hstack(
        _when(frame, rows, "CommonSecurityLog")
    )


def _quoted(rows: pl.DataFrame) -> pl.DataFrame:
    """Give records that do not fit as `line` and `text`; without a text of their own, as JSON."""
    if "text" in rows.columns:
        return rows.select(pl.col("line").cast(pl.Int64), "text")
    return rows.select(
        pl.col("line").cast(pl.Int64), pl.struct(pl.exclude("line")).struct.json_encode().alias("text")
    )


class _Cells:
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


def _when(frame: pl.DataFrame, written: pl.DataFrame, table: str) -> pl.DataFrame:
    """Give `time_us` and `time`, of the first of the table's times that a record has."""
    names = [name for name in SHAPES[table].times if isinstance(frame.schema.get(name), pl.Datetime)]
    raw = written.select(pl.col(name).cast(pl.String).alias(f"{name} written") for name in names)
    text: pl.Expr = pl.lit(None, dtype=pl.String)
    for name in reversed(names):
        text = pl.when(pl.col(name).is_not_null()).then(f"{name} written").otherwise(text)
    moment = pl.coalesce(*(pl.col(name).dt.timestamp("us") for name in names), pl.lit(None, dtype=pl.Int64))
    return frame.select("line", *names).hstack(raw).select(moment.alias("time_us"), text.alias("time"))


def _from_syslog(frame: pl.DataFrame, when: pl.DataFrame, reading: Reading) -> Batch:
    """Make messages, and what they carry.

    What they carry stands in no exported CommonSecurityLog, so only the messages count as exported.
    """
    cells = _Cells(frame)
    messages = frame.select(
        "line",
        pl.coalesce(cells.text("HostName"), cells.text("Computer")).alias("host"),
        cells.text("Facility").alias("facility"),
        cells.text("SeverityLevel").alias("severity"),
        cells.text("ProcessName").alias("program"),
        cells.value("ProcessID").cast(pl.Int64).alias("pid"),
        # Bodies are single lines.
        cells.text("SyslogMessage").fill_null("").str.replace_all(r"[\r\n]+", " ").alias("message"),
    ).hstack(when)
    result = decode(messages, reading)
    result.tables["messages"] = result.tables["messages"].with_columns(exported=pl.lit(value=True))
    return result


def _from_processes(frame: pl.DataFrame, when: pl.DataFrame, reading: Reading) -> Batch:
    """Make processes."""
    del reading
    cells = _Cells(frame)
    rows = frame.select(
        "line",
        cells.text("DeviceName").alias("host"),
        cells.text("AccountName").alias("user"),
        _image(cells.text, "").alias("image"),
        cells.text("ProcessCommandLine").alias("command_line"),
        cells.value("ProcessId").alias("pid"),
        _image(cells.text, "InitiatingProcess").alias("parent_image"),
        cells.text("InitiatingProcessCommandLine").alias("parent_command_line"),
        cells.value("InitiatingProcessId").alias("parent_pid"),
        pl.lit(value=True).alias("exported"),
    ).hstack(when)
    return Batch(0, {"processes": rows})


def _image(text: Callable[[str], pl.Expr], prefix: str) -> pl.Expr:
    """Give a program's path, as far as it is known.

    FolderPath is the program's path on Windows and at times only its folder. On Linux FileName can be empty, or
    ``/``, so that the command line alone names the program.
    """
    folder, file = text(f"{prefix}FolderPath"), text(f"{prefix}FileName")
    file = pl.when(file.str.contains(r"[^/\\]")).then(file)
    command = text("InitiatingProcessCommandLine" if prefix else "ProcessCommandLine")
    word = pl.coalesce(command.str.extract(_FIRST_WORD, 1), command.str.extract(_FIRST_WORD, 2))
    separator = pl.when(folder.str.contains(r"\\|^[A-Za-z]:")).then(pl.lit("\\")).otherwise(pl.lit("/"))
    last = folder.str.extract(_LAST_PART, 1)
    joined = folder.str.strip_chars_end("/\\") + separator + file
    return (
        pl.when(folder.is_null())
        .then(pl.coalesce(file, word))
        .when(
            last.str.to_lowercase() == pl.coalesce(file, word.str.extract(_LAST_PART, 1)).str.to_lowercase()
        )
        .then(folder)
        .when(file.is_not_null())
        .then(joined)
        # A folder alone names no program; the command line does.
        .otherwise(pl.coalesce(word, pl.when(last != "").then(folder)))
    )
