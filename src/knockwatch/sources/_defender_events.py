"""Rows of Defender's device tables to ours: processes, connections, listeners and log-ins.

In which of them a row stands says little: DeviceEvents has what the firewall stopped, DeviceNetworkEvents the rest;
what counts is the ActionType. How rows were exported is not known here.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from knockwatch.sources._log_in_records import log_in_messages
from knockwatch.sources._microsoft_columns import Cells
from knockwatch.sources._socket_ends import PROTOCOLS, read_ends
from knockwatch.tables import ACCEPTED, DENIED, UNANSWERED, UNKNOWN

AS_WRITTEN = ("LocalIP", "LocalPort", "RemoteIP", "RemotePort")
"""Columns that are wanted as exported, so that what is no port is seen."""
Tables = dict[str, pl.DataFrame]

_OUTBOUND = {
    "connectionsuccess": ACCEPTED,
    # Refused or unanswered: which of them is not said.
    "connectionfailed": UNANSWERED,
    "connectionrequest": UNKNOWN,
    "firewalloutboundconnectionblocked": DENIED,
}
_INBOUND = {
    "inboundconnectionaccepted": ACCEPTED,
    # The SYN of a host without a sensor, and the SYN-ACK that it got.
    "connectionattempt": UNKNOWN,
    "connectionacknowledged": ACCEPTED,
    "firewallinboundconnectionblocked": DENIED,
    "firewallinboundconnectiontoappblocked": DENIED,
}
_EITHER = {
    # It was there when the sensor began to look.
    "connectionfound": UNKNOWN,
    **{f"{name}connectioninspected": ACCEPTED for name in ("ssh", "ssl", "http", "ftp", "smtp")},
}
"""Whose direction the row itself tells, or the ports do. Both ends have spoken where a protocol was seen."""
_OUTCOMES = {**_OUTBOUND, **_INBOUND, **_EITHER}
_AGGREGATED = "aggregatedreport"
_LISTENING = "listeningconnectioncreated"
_EPHEMERAL_LEAST = 32768
"""Least port that systems choose themselves for a client: Linux from 32768, Windows from 49152."""
_LOGONS = {
    "interactive": "2", "network": "3", "batch": "4", "service": "5", "unlock": "7", "networkcleartext": "8",
    "newcredentials": "9", "remoteinteractive": "10", "cachedinteractive": "11",
}  # fmt: skip
"""Defender's words for Windows' kinds of log-on."""

_FIRST_WORD = r'^\s*(?:"([^"]+)"|(\S+))'
_LAST_PART = r"([^/\\]*)$"


def processes(frame: pl.DataFrame) -> tuple[Tables, pl.Series]:
    """Make processes of DeviceProcessEvents, with `time_us` and `time`; all rows are sound."""
    cells = Cells(frame)
    rows = frame.select(
        *("line", "time_us", "time"),
        cells.text("DeviceName").alias("host"),
        cells.text("AccountName").alias("user"),
        _image(cells.text, "").alias("image"),
        cells.text("ProcessCommandLine").alias("command_line"),
        cells.value("ProcessId").alias("pid"),
        _image(cells.text, "InitiatingProcess").alias("parent_image"),
        cells.text("InitiatingProcessCommandLine").alias("parent_command_line"),
        cells.value("InitiatingProcessId").alias("parent_pid"),
        pl.lit(value=True).alias("exported"),
    )
    return {"processes": rows}, _all(frame)


def network(frame: pl.DataFrame) -> tuple[Tables, pl.Series]:
    """Make connections and listeners of DeviceNetworkEvents and DeviceEvents.

    Returns
    -------
    tuple
        The rows; and of every row that came in whether its addresses are addresses and its ports ports.
    """
    cells = Cells(frame)
    told = _told(cells)
    events = frame.select(
        *("line", "time_us", "time"),
        cells.text("DeviceName").alias("host"),
        cells.text("ActionType").alias("action"),
        cells.text("ActionType").str.to_lowercase().str.strip_suffix(_AGGREGATED).alias("kind"),
        pl.coalesce(cells.text("LocalIP"), told("LocalAddress")).alias("LocalIP"),
        pl.coalesce(cells.text("RemoteIP"), told("RemoteAddress")).alias("RemoteIP"),
        *(
            # Whatever wrote the export may have taken ports for decimal numbers.
            pl.coalesce(cells.text(name), told(name)).str.replace(r"\.0+$", "").alias(name)
            for name in ("LocalPort", "RemotePort")
        ),
        pl.coalesce(cells.text("Protocol"), told("Protocol"))
        .str.to_lowercase()
        .str.replace(r"v[46]$", "")
        .replace(PROTOCOLS)
        .alias("protocol"),
        told("direction", "Direction").str.to_lowercase().alias("direction"),
        told("uniqueEventsAggregated").cast(pl.Int64, strict=False).alias("event_count"),
        _image(cells.text, "InitiatingProcess").alias("actor"),
        cells.text("InitiatingProcessParentFileName").alias("actor_parent"),
        cells.text("InitiatingProcessAccountName").alias("user"),
        cells.value("InitiatingProcessId").alias("pid"),
    )
    connections, odd = _connections(events.filter(pl.col("kind").is_in(list(_OUTCOMES))))
    listeners, impossible = _listeners(events.filter(pl.col("kind") == _LISTENING))
    sound = ~frame["line"].is_in(pl.concat([odd, impossible]).implode())
    return {"connections": connections, "changes": listeners}, sound


def log_ins(frame: pl.DataFrame) -> tuple[Tables, pl.Series]:
    """Make messages of DeviceLogonEvents, of those from other hosts."""
    cells = Cells(frame)
    kind = cells.text("ActionType").str.to_lowercase()
    records = frame.select(
        *("line", "time_us", "time"),
        cells.text("DeviceName").alias("host"),
        cells.text("InitiatingProcessFileName").alias("program"),
        cells.text("LogonType")
        .str.to_lowercase()
        .replace_strict(_LOGONS, default=None, return_dtype=pl.String)
        .alias("logon_type"),
        cells.text("RemoteIP").alias("address"),
        cells.text("RemotePort").str.replace(r"\.0+$", "").alias("port"),
        cells.text("AccountName").alias("account"),
        cells.text("AccountDomain").alias("domain"),
        pl.when(kind == "logonsuccess")
        .then(pl.lit(value=True))
        .when(kind == "logonfailed")
        .then(pl.lit(value=False))
        .alias("succeeded"),
    )
    found = read_ends(records, ("address",), ("port",))
    return {"messages": log_in_messages(found.filter("sound"))}, found["sound"]


def _all(frame: pl.DataFrame) -> pl.Series:
    """Call every row sound."""
    return pl.repeat(value=True, n=frame.height, dtype=pl.Boolean, eager=True)


def _told(cells: Cells) -> Callable[..., pl.Expr]:
    """Read the first of some keys that AdditionalFields, which is JSON, has."""

    def read(*names: str) -> pl.Expr:
        more = cells.text("AdditionalFields")
        return pl.coalesce(more.str.json_path_match(f"$.{name}") for name in names)

    return read


def _connections(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read connections; what is no connection's comes back by its line."""
    found = read_ends(events, ("LocalIP", "RemoteIP"), ("LocalPort", "RemotePort"))
    direction = pl.col("direction")
    outward = (pl.col("LocalPort") >= _EPHEMERAL_LEAST) & (pl.col("RemotePort") < _EPHEMERAL_LEAST)
    inbound = (
        pl.when(pl.col("kind").is_in(list(_INBOUND))).then(pl.lit(value=True))
        .when(pl.col("kind").is_in(list(_OUTBOUND))).then(pl.lit(value=False))
        .when(direction.str.starts_with("in")).then(pl.lit(value=True))
        .when(direction.str.starts_with("out")).then(pl.lit(value=False))
        .otherwise(~outward.fill_null(value=False))
    )  # fmt: skip
    read = found.filter("sound", pl.col("RemoteIP").is_not_null()).with_columns(
        inbound.alias("inbound"),
        # DeviceEvents has no column for it. Without any, a step of a knock could not be told from anything else; most
        # knocks are TCP's, and what the sensor itself calls a connection is.
        pl.coalesce("protocol", pl.when(pl.col("LocalPort").is_not_null()).then(pl.lit("tcp"))),
    )
    outcome = pl.col("kind").replace_strict(_OUTCOMES, return_dtype=pl.String)
    # A datagram that got out, or in, has no answer yet.
    silent = (outcome == ACCEPTED) & (pl.col("protocol") != "tcp").fill_null(value=False)

    def end(one: str, other: str) -> pl.Expr:
        return pl.when("inbound").then(one).otherwise(other)

    rows = read.select(
        *("line", "time_us", "time"),
        end("RemoteIP", "LocalIP").alias("source_ip"),
        end("RemotePort", "LocalPort").alias("source_port"),
        end("LocalIP", "RemoteIP").alias("destination_ip"),
        end("LocalPort", "RemotePort").alias("destination_port"),
        "protocol",
        pl.when(silent).then(pl.lit(UNKNOWN)).otherwise(outcome).alias("outcome"),
        "action",
        pl.when("inbound").then(pl.lit(value=False)).alias("forwarded"),
        pl.col("event_count").fill_null(1).clip(lower_bound=1),
        pl.col("host").alias("sensor"),
        pl.lit("Microsoft").alias("vendor"),
        pl.lit("Defender for Endpoint").alias("product"),
    )
    return rows, found.filter(~pl.col("sound"))["line"]


def _listeners(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read listeners."""
    found = read_ends(events, ("LocalIP",), ("LocalPort",), listening=True)
    rows = found.filter("sound", pl.col("LocalPort").is_not_null()).select(
        *("line", "time_us", "time", "host"),
        pl.lit("listener-opened").alias("kind"),
        *("actor", "actor_parent", "user", "pid"),
        pl.col("LocalIP").alias("destination_ip"),
        "protocol",
        pl.col("LocalPort").alias("port"),
    )
    return rows, found.filter(~pl.col("sound"))["line"]


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
