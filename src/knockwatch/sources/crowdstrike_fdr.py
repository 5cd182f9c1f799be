"""CrowdStrike Falcon's events as its Data Replicator (FDR) or LogScale writes them: programs, connections, listeners.

A process has Falcon's own number beside the system's, and events of the network name it by that one alone; what is
joined through other files (host names by `aid` in older sensors' events, users) is not put together here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._event_times import moments
from knockwatch.sources._json_records import JsonRecords
from knockwatch.sources._log_in_records import LOG_IN, log_in_messages
from knockwatch.sources._socket_ends import PROTOCOLS, read_ends
from knockwatch.tables import ACCEPTED, UNKNOWN

_NAMES = ("event_simpleName", "#event_simpleName")
"""FDR's key, and LogScale's."""
_STARTS = ("ProcessRollup2",)
_CONNECTS = ("NetworkConnectIP4", "NetworkConnectIP6")
_TAKES = ("NetworkReceiveAcceptIP4", "NetworkReceiveAcceptIP6")
_LISTENS = ("NetworkListenIP4", "NetworkListenIP6")
_RAW = ("RawBindIP4", "RawBindIP6", "PromiscuousBindIP4", "PromiscuousBindIP6")
_LOG_INS = ("UserLogon", "UserLogonFailed2")
_ALL = (*_STARTS, *_CONNECTS, *_TAKES, *_LISTENS, *_RAW, *_LOG_INS)
_ENDS = ("LocalAddress", "RemoteAddress")
_INBOUND = "1"
"""ConnectionDirection: 0 outbound, 1 inbound, 2 neither, 3 both."""


class CrowdStrikeFdr(JsonRecords):
    """Reader of Falcon's events."""

    format = Format(
        "crowdstrike-fdr",
        "CrowdStrike Falcon Data Replicator, JSON: processes, connections, listeners, log-ins",
        ("processes", "connections", "changes", "messages"),
        "documented",
        "docs.panther.com, Falcon Data Replicator: ProcessRollup2, NetworkConnect, NetworkListen, UserLogonLogoff",
    )
    keys = (
        *_NAMES,
        *(
            "aid",
            "ComputerName",
            "event_platform",
            "timestamp",
            "ContextTimeStamp",
            "ProcessStartTime",
            "LogonTime",
        ),
        *(f"{end}IP{version}" for end in _ENDS for version in (4, 6)),
        *("LocalPort", "RemotePort", "Protocol", "ConnectionDirection"),
        *("ContextBaseFileName", "ContextImageFileName"),
        *("ImageFileName", "CommandLine", "RawProcessId", "ParentBaseFileName"),
        *("UserName", "UserSid", "UID", "LogonType", "LogonDomain"),
    )
    spelling = "nested"
    telling = rf'"#?event_simpleName"\s*:\s*"(?:{"|".join(_ALL)})"'
    kindred = "event_simpleName"

    def belongs(self, record: Mapping[str, Any]) -> bool:
        """Tell an event by its name and its sensor's."""
        return "aid" in record and any(name in record for name in _NAMES)

    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        """Read the events of the kinds that matter."""
        kind = pl.coalesce(_NAMES)
        began = (
            pl.when(kind.is_in(_STARTS)).then("ProcessStartTime").when(kind.is_in(_LOG_INS)).then("LogonTime")
        )
        named = records.with_columns(
            kind.alias("kind"),
            # The cloud's own time of arrival comes last.
            pl.coalesce(_said(began), _said(pl.col("ContextTimeStamp")), "timestamp").alias("time"),
            pl.coalesce(_said(pl.col("ComputerName")), "aid").alias("host"),
            pl.col("Protocol").replace(PROTOCOLS).alias("protocol"),
            pl.coalesce(_said(pl.col("ContextImageFileName")), "ContextBaseFileName").alias("actor"),
            *(pl.coalesce(f"{end}IP4", f"{end}IP6").alias(end) for end in _ENDS),
        )
        events = named.with_columns(moments(named["time"], reading.clock).alias("time_us"))
        alien = events.filter(pl.col("time_us").is_null() | pl.col("kind").is_null())["line"]
        sound = events.filter(pl.col("time_us").is_not_null())
        connections, odd = _connections(sound.filter(pl.col("kind").is_in([*_CONNECTS, *_TAKES])))
        changes, impossible = _changes(sound.filter(pl.col("kind").is_in([*_LISTENS, *_RAW])))
        log_ins, strange = _log_ins(sound.filter(pl.col("kind").is_in(_LOG_INS)))
        return Batch(
            records.height,
            {
                "processes": _processes(sound.filter(pl.col("kind").is_in(_STARTS))),
                "connections": connections,
                "changes": changes,
                "messages": log_ins,
            },
            pl.concat([alien, odd, impossible, strange])
            .unique()
            .to_frame("line")
            .with_columns(text=pl.lit(None, dtype=pl.String)),
        )


def _said(value: pl.Expr) -> pl.Expr:
    """Keep a text that says something."""
    return pl.when(value != "").then(value)


def _processes(events: pl.DataFrame) -> pl.DataFrame:
    """Read programs started."""
    return events.select(
        *("line", "time_us", "time", "host"),
        pl.coalesce(_said(pl.col("UserName")), "UserSid", "UID").alias("user"),
        pl.col("ImageFileName").alias("image"),
        pl.col("CommandLine").alias("command_line"),
        pl.col("RawProcessId").cast(pl.Int64, strict=False).alias("pid"),
        _said(pl.col("ParentBaseFileName")).alias("parent_image"),
    )


def _connections(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read connections. Of one that the host itself began nobody looks for the answer."""
    found = read_ends(events, _ENDS, ("LocalPort", "RemotePort"))
    taken = pl.col("kind").is_in(_TAKES)
    read = found.filter("sound", pl.col("RemoteAddress").is_not_null()).with_columns(
        (taken | (pl.col("ConnectionDirection") == _INBOUND)).fill_null(value=False).alias("inbound")
    )

    def end(one: str, other: str) -> pl.Expr:
        return pl.when("inbound").then(one).otherwise(other)

    rows = read.select(
        *("line", "time_us", "time"),
        end("RemoteAddress", "LocalAddress").alias("source_ip"),
        end("RemotePort", "LocalPort").alias("source_port"),
        end("LocalAddress", "RemoteAddress").alias("destination_ip"),
        end("LocalPort", "RemotePort").alias("destination_port"),
        "protocol",
        pl.when(taken & (pl.col("protocol") == "tcp"))
        .then(pl.lit(ACCEPTED))
        .otherwise(pl.lit(UNKNOWN))
        .alias("outcome"),
        pl.col("kind").alias("action"),
        pl.when("inbound").then(pl.lit(value=False)).alias("forwarded"),
        pl.lit(1, dtype=pl.Int64).alias("event_count"),
        pl.col("host").alias("sensor"),
        pl.lit("CrowdStrike").alias("vendor"),
        pl.lit("Falcon").alias("product"),
    )
    return rows, found.filter(~pl.col("sound"))["line"]


def _changes(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read listeners, and raw sockets, which get packets that no listener asked for."""
    found = read_ends(events, ("LocalAddress",), ("LocalPort",), listening=True)
    raw = pl.col("kind").is_in(_RAW)
    rows = found.filter("sound", raw | pl.col("LocalPort").is_not_null()).select(
        *("line", "time_us", "time", "host"),
        pl.when(raw).then(pl.lit("socket-opened")).otherwise(pl.lit("listener-opened")).alias("kind"),
        "actor",
        # Not pl.format: Polars 2.1 panics in it where a branch of few rows comes in several chunks.
        pl.when(raw).then(pl.concat_str(pl.lit("raw socket ("), "kind", pl.lit(")"))).alias("rule_text"),
        pl.col("LocalAddress").alias("destination_ip"),
        "protocol",
        pl.when(~raw).then("LocalPort").alias("port"),
    )
    return rows, found.filter(~pl.col("sound"))["line"]


def _log_ins(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read log-ins."""
    records = events.select(
        *("line", "time_us", "time", "host"),
        pl.coalesce("actor", pl.lit("CrowdStrike Falcon")).alias("program"),
        pl.when(pl.col("event_platform") == "Win").then("LogonType").alias("logon_type"),
        _said(pl.col("RemoteAddress")).alias("address"),
        pl.lit(None, dtype=pl.String).alias("port"),
        _said(pl.col("UserName")).alias("account"),
        _said(pl.col("LogonDomain")).alias("domain"),
        (pl.col("kind") == "UserLogon").alias("succeeded"),
    )
    found = read_ends(records, ("address",), ("port",))
    rows = log_in_messages(found.filter("sound").select("line", "time_us", "time", "host", *LOG_IN))
    return rows, found.filter(~pl.col("sound"))["line"]


SOURCE = CrowdStrikeFdr()
