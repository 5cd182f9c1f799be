"""What formats of lines share: columns for a slice's rows, and a file of lines. What a line says is each format's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from knockwatch.emulation.estate import FIRST_INSIDE_SERVER, FIRST_SERVER, Estate
from knockwatch.emulation.planted import Site
from knockwatch.emulation.stream import ICMP, TCP, UDP, Rows
from knockwatch.emulation.writers import Writer

PIECE_ROWS = 100_000
"""Rows that are turned into text at once: lines are ten times as large as the numbers they are written from."""
_LOWER = pl.int_range(0, 65_536, eager=True)
Lines = Callable[[pl.DataFrame], pl.Series]
"""Writes the lines of `columns`; a row may have several, divided by line feeds."""


def addresses(numbers: npt.NDArray[np.uint32]) -> pl.Series:
    """Write IPv4 addresses as text."""
    halves = pl.select(pl.concat_str(_LOWER // 256, pl.lit("."), _LOWER % 256)).to_series()
    high = halves.gather((numbers >> np.uint32(16)).astype(np.uint32))
    low = halves.gather(numbers & np.uint32(0xFFFF))
    return pl.select(pl.concat_str(high, low, separator=".")).to_series()


def columns(rows: Rows, estate: Estate) -> pl.DataFrame:
    """Give rows as columns for expressions.

    Returns
    -------
    polars.DataFrame
        `time_us`, and `time` of UTC; `source`, `destination` as text; `source_port`, `destination_port`; `protocol`
        (tcp, udp, icmp); `accepted`; `sent`, `received`; `sensor`, `host`: the firewall's and the server's names;
        `number`, which a device would count, made of what is there so that it is the same in any order.
    """
    time = rows["time_us"].astype(np.int64)
    destination = rows["destination"]
    public = destination >= FIRST_SERVER
    inside = destination.astype(np.int64) - np.where(public, FIRST_SERVER, FIRST_INSIDE_SERVER)
    frame = pl.DataFrame(
        {
            "time_us": time,
            "source": addresses(rows["source"]),
            "destination": addresses(destination),
            "source_port": rows["source_port"].astype(np.int64),
            "destination_port": rows["destination_port"].astype(np.int64),
            "proto": rows["protocol"].astype(np.int64),
            "accepted": rows["accepted"].astype(bool),
            "sent": rows["sent"].astype(np.int64),
            "received": rows["received"].astype(np.int64),
            "sensor_number": estate.sensor(destination).astype(np.uint32),
            "server": inside,
            "public": public,
            "number": (time // 7 + rows["source"]) % 0x7FFFFFFF,
        }
    )
    names = pl.Series([sensor.name for sensor in estate.sensors])
    return frame.with_columns(
        pl.from_epoch("time_us", time_unit="us").alias("time"),
        pl.col("proto").replace_strict({TCP: "tcp", UDP: "udp", ICMP: "icmp"}).alias("protocol"),
        names.gather(frame["sensor_number"]).alias("sensor"),
        pl.concat_str(pl.when("public").then(pl.lit("srv")).otherwise(pl.lit("int")), "server").alias("host"),
    )


class TextFile:
    """A file of lines."""

    def __init__(self, path: Path, site: Site, lines: Lines, header: str = "") -> None:
        self.file = path.open("wb")
        self.estate = site.estate
        self.lines = lines
        self.file.write(header.encode())

    def write(self, rows: Rows) -> None:
        """Add a slice, piece by piece."""
        for first in range(0, len(rows), PIECE_ROWS):
            lines = self.lines(columns(rows[first : first + PIECE_ROWS], self.estate))
            lines.to_frame("line").write_csv(self.file, include_header=False, quote_style="never")

    def close(self) -> None:
        """Close the file."""
        self.file.close()


@dataclass(frozen=True)
class LineWriter(Writer):
    """A format whose records are lines, each made of one row.

    Parameters
    ----------
    name, title, suffix, source
        As every writer has them.
    lines
        Writes the lines.
    header
        What the file begins with.
    """

    name: str
    title: str
    suffix: str
    source: str
    lines: Lines
    header: str = ""

    def open(self, path: Path, site: Site) -> TextFile:
        """Begin a file."""
        return TextFile(path, site, self.lines, self.header)


def said(*parts: str | pl.Expr) -> pl.Expr:
    """Join words and columns; a text stands for itself."""
    return pl.concat_str([pl.lit(part) if isinstance(part, str) else part for part in parts])


def of_protocol(tcp: pl.Expr, udp: pl.Expr, icmp: pl.Expr) -> pl.Expr:
    """Choose what is said by protocol."""
    name = pl.col("protocol")
    return pl.when(name == "tcp").then(tcp).when(name == "udp").then(udp).otherwise(icmp)
