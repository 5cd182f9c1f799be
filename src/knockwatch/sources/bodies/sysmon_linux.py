"""Sysmon for Linux: events in XML inside syslog messages, of which those that tell of processes and connections.

Sentinel cuts messages at 2,048 bytes, so each field is found on its own and a cut event gives what it has.
"""

from __future__ import annotations

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._socket_ends import read_ends
from knockwatch.tables import ACCEPTED, UNKNOWN

PROVIDER = 'Name="Linux-Sysmon"'
_STARTED, _CONNECTED = "1", "3"
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}
"""XML's own entities, the ampersand last: what it makes is no entity."""


class SysmonLinux:
    """Reader of Sysmon for Linux."""

    format = Format(
        "sysmon-linux",
        "Sysmon for Linux inside syslog: process creation (1), network connections (3)",
        ("processes", "connections"),
        "verified",
        "Sysinternals/SysmonForLinux; OTRF/Security-Datasets, log4shell syslog_sysmon",
    )

    def belongs(self) -> pl.Expr:
        """Select by the event's provider."""
        message = pl.col("message")
        return message.str.starts_with("<Event>") & message.str.contains(PROVIDER, literal=True)

    def read(self, messages: pl.DataFrame, reading: Reading) -> Batch:
        """Read the two kinds of events; the others are none of this project's business."""
        kind = pl.col("message").str.extract(r"<EventID>(\d+)</EventID>", 1)
        events = messages.with_columns(kind.alias("event")).with_columns(_moments(messages, reading))
        processes = _processes(events.filter(pl.col("event") == _STARTED))
        connections, impossible = _connections(events.filter(pl.col("event") == _CONNECTED))
        bad = (pl.col("event").is_null() | pl.col("time_us").is_null()) | pl.col("line").is_in(
            impossible.implode()
        )
        told = pl.concat([processes["line"], connections["line"]])
        return Batch(
            messages.height,
            {
                "processes": processes.filter(pl.col("time_us").is_not_null()),
                "connections": connections.filter(pl.col("time_us").is_not_null()),
            },
            events.filter(bad).select("line", pl.col("message").alias("text")),
            redundant=told,
        )


def _moments(messages: pl.DataFrame, reading: Reading) -> list[pl.Series]:
    """Read when the events were: by the header, for the `UtcTime` of Linux can lag by days (trap 9); else by syslog."""
    written = messages["message"].str.extract(r'<TimeCreated SystemTime="([^"]*)"', 1)
    times = reading.clock.iso(written)
    known = times.is_not_null()
    return [
        times.zip_with(known, messages["time_us"]).alias("time_us"),
        written.zip_with(known, messages["time"]).alias("time"),
    ]


def _datum(name: str) -> pl.Expr:
    """Read one named value of an event; a hyphen stands for none."""
    value = pl.col("message").str.extract(rf'<Data Name="{name}">([^<]*)</Data>', 1)
    for entity, character in _ENTITIES.items():
        value = value.str.replace_all(entity, character, literal=True)
    return pl.when(~value.is_in(["-", ""])).then(value)


def _host() -> pl.Expr:
    """Name the host as the syslog does, so that its other messages agree; else as the event does."""
    return pl.coalesce("host", pl.col("message").str.extract(r"<Computer>([^<]*)</Computer>", 1))


def _processes(events: pl.DataFrame) -> pl.DataFrame:
    """Read process creations."""
    return events.select(
        "line",
        "time_us",
        "time",
        _host().alias("host"),
        _datum("User").alias("user"),
        _datum("Image").alias("image"),
        _datum("CommandLine").alias("command_line"),
        _datum("ProcessId").cast(pl.Int64, strict=False).alias("pid"),
        _datum("ParentImage").alias("parent_image"),
        _datum("ParentCommandLine").alias("parent_command_line"),
        _datum("ParentProcessId").cast(pl.Int64, strict=False).alias("parent_pid"),
    )


def _connections(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read connections, and name the lines of those that are impossible.

    A program that was connected to (`Initiated` is false) answered over TCP. Of one that connects the event does
    not say whether anybody answered.
    """
    written = events.with_columns(
        _datum("SourceIp").alias("source_ip"),
        _datum("SourcePort").alias("source_port"),
        _datum("DestinationIp").alias("destination_ip"),
        _datum("DestinationPort").alias("destination_port"),
        _datum("Protocol").str.to_lowercase().alias("protocol"),
    )
    found = read_ends(written, ("source_ip", "destination_ip"), ("source_port", "destination_port"))
    answered = (_datum("Initiated") == "false") & (pl.col("protocol") == "tcp")
    # Sockets that are not yet bound have no addresses at all.
    somewhere = pl.col("source_ip").is_not_null() | pl.col("destination_ip").is_not_null()
    return found.filter(pl.col("sound") & somewhere).select(
        "line",
        "time_us",
        "time",
        "source_ip",
        "source_port",
        "destination_ip",
        "destination_port",
        "protocol",
        pl.when(answered).then(pl.lit(ACCEPTED)).otherwise(pl.lit(UNKNOWN)).alias("outcome"),
        _host().alias("sensor"),
        pl.lit("Microsoft").alias("vendor"),
        pl.lit("Sysmon for Linux").alias("product"),
    ), found.filter(~pl.col("sound"))["line"]


BODY = SysmonLinux()
