"""Microsoft's DeviceProcessEvents as Parquet: the users' machines, which start the clients that knock.

There is one process for each row of the stream, at its time. Strangers' machines are not seen, and no entry is.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from knockwatch.emulation.planted import Label, Site
from knockwatch.emulation.stream import Numbers, Rows, number_of
from knockwatch.emulation.writers import Writer

_MACHINES, _ACCOUNTS, _NUMBERS = 5_000, 900, 250
_FIRST_PID = 2_000


@dataclass(frozen=True)
class _Start:
    """A client that is started, and by whom."""

    machine: str
    account: str
    command: str


class DeviceProcessEvents(Writer):
    """Writer of DeviceProcessEvents."""

    name = "device-process-events"
    title = "Microsoft's DeviceProcessEvents, Parquet"
    suffix = ".parquet"
    source = "microsoft-parquet"
    lacks = "the entries, and what strangers send: clients of users are alerts or leads of their own"

    def open(self, path: Path, site: Site) -> _File:
        """Begin a file."""
        return _File(path, site)

    def signals(self, label: Label, site: Site) -> bool:
        """Hold what users send: their machines are the site's."""
        del site
        return bool(label["kind"] == "knock")

    def entries(self, label: Label, site: Site) -> bool:
        """Hold no entry: nobody's connection is told."""
        del label, site
        return False


class _File:
    """A Parquet file; each slice is a row group."""

    def __init__(self, path: Path, site: Site) -> None:
        self.path = path
        self.starts = _starts(site)
        self.moments = np.array(sorted({moment for moment, _ in self.starts}), np.int64)
        self.writer: pq.ParquetWriter | None = None

    def write(self, rows: Rows) -> None:
        """Add a row group."""
        table = _table(self._planted(rows, _ordinary(rows)))
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.path, table.schema, compression="snappy", store_schema=False)
        self.writer.write_table(table, row_group_size=len(rows))

    def close(self) -> None:
        """Write the footer."""
        if self.writer is not None:
            self.writer.close()

    def _planted(self, rows: Rows, ordinary: pl.DataFrame) -> pl.DataFrame:
        """Put clients where the packets are that they sent."""
        there = np.flatnonzero(np.isin(rows["time_us"], self.moments))
        keys = {int(place): (int(rows["time_us"][place]), int(rows["source"][place])) for place in there}
        here = [place for place, key in keys.items() if key in self.starts]
        if not here:
            return ordinary
        found = [self.starts[keys[place]] for place in here]
        words = [start.command.split(maxsplit=1)[0] for start in found]
        said = {
            "machine": [start.machine for start in found],
            "account": [start.account for start in found],
            "file": words,
            "folder": ["/usr/bin"] * len(found),
            "command": [start.command for start in found],
            "parent": ["bash"] * len(found),
            "parent_command": ["-bash"] * len(found),
        }
        return ordinary.with_columns(
            ordinary[name].scatter(here, pl.Series(values, dtype=pl.String)) for name, values in said.items()
        )


def _starts(site: Site) -> dict[tuple[int, int], _Start]:
    """Find when who starts which command: at the packet that it sends first, named by its time and source."""
    found = {}
    for label in site.planted.labels:
        if label["kind"] != "knock":
            continue
        who = label["src"][0].replace(".", "-")
        for (moment, source, _), command in zip(label["observed"], label["commands"], strict=False):
            found[round(moment * 1e6), number_of(source)] = _Start(f"ws-{who}", f"user-{who}", command)
    return found


@cache
def _programs() -> pl.DataFrame:
    """Read the ordinary programs."""
    text = (files("knockwatch.content") / "emulation" / "processes.toml").read_text("utf-8")
    return pl.DataFrame(tomllib.loads(text)["process"])


def _ordinary(rows: Rows) -> pl.DataFrame:
    """Give every row an ordinary process; which one follows from its addresses and ports."""
    programs = _programs()
    time = rows["time_us"].astype(np.int64)
    mixed: Numbers = (time * 48_271 + rows["source"] + rows["source_port"]) % 2_147_483_647
    edges = np.cumsum(programs["weight"].to_numpy())
    chosen = np.searchsorted(edges, mixed % edges[-1], side="right").astype(np.uint32)
    machine, number = mixed // 7 % _MACHINES, mixed // 11 % _NUMBERS + 1
    drawn: pl.DataFrame = programs.drop("weight")[chosen]
    frame = drawn.with_columns(
        pl.Series("time_us", time),
        ("host" + pl.Series("machine", machine).cast(pl.String)).alias("machine"),
        ("u" + pl.Series("account", mixed // 13 % _ACCOUNTS).cast(pl.String)).alias("account"),
        pl.Series("pid", mixed % 60_000 + _FIRST_PID),
        pl.Series("number", number).cast(pl.String),
    )
    before, after = (frame["command"].str.split_exact("{n}", 1).struct.field(f"field_{at}") for at in (0, 1))
    whole = pl.DataFrame({"b": before, "n": frame["number"], "a": after})
    command = whole.select(
        pl.when(pl.col("a").is_null()).then("b").otherwise(pl.concat_str("b", "n", "a", ignore_nulls=True))
    )
    return frame.with_columns(command.to_series().alias("command"))


def _table(events: pl.DataFrame) -> pa.Table:
    """Give the columns under Microsoft's names."""
    plain = {
        "DeviceName": "machine",
        "AccountName": "account",
        "FileName": "file",
        "ProcessCommandLine": "command",
        "InitiatingProcessFileName": "parent",
        "InitiatingProcessCommandLine": "parent_command",
    }
    time = pa.array(events["time_us"].to_numpy(), pa.timestamp("us", tz="UTC"))
    columns: dict[str, Any] = {
        "TimeGenerated": time,
        "Timestamp": time,
        "ActionType": pa.array(["ProcessCreated"] * events.height),
        "FolderPath": (events["folder"] + "/" + events["file"]).to_arrow(),
        "ProcessId": pa.array(events["pid"].to_numpy()),
        "Type": pa.array(["DeviceProcessEvents"] * events.height),
    }
    return pa.table(columns | {name: events[ours].to_arrow() for name, ours in plain.items()})


WRITER = DeviceProcessEvents()
