"""Connections in Windows events: Sysmon's (3), and those that the filtering platform let pass or not (5152 to 5157).

Which end is this host is told here, since events of inbound connections do not agree on it.
"""

from __future__ import annotations

import polars as pl

from knockwatch.sources._addresses import shortest
from knockwatch.sources._windows_values import named, protocol
from knockwatch.tables import ACCEPTED, DENIED, UNKNOWN

_INBOUND = ("%%14592", "inbound")
_OUTBOUND = ("%%14593", "outbound")
_FORWARDED = ("%%14594", "forward")
"""Messages of the security log's manifest, and how English systems render them."""
_DENYING = (5152, 5157)
_PORT_MAX = 65535
_EPHEMERAL_LEAST = 32768
"""Least port that systems choose themselves for a client: Linux from 32768, Windows from 49152."""
_LOOPBACK = r"^127\.|^::1$"


def connections(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read connections.

    Sysmon calls the end that began the source; of datagrams it takes an answer for a beginning (winlogbeat's sample has
    the host's own DNS queries as not initiated), so only TCP's are known to have come in. The filtering platform gives
    dropped packets (5152) as they were; of connections (5156, 5157) older systems name this host first, newer ones
    whoever began: which it is, the host's own addresses tell, else the ports, of which a client's is the higher one.

    Returns
    -------
    tuple
        Rows of the table `connections`, and which events have two addresses and possible ports.
    """
    sysmon = pl.col("kind") == "connection"
    frame = frame.with_columns(
        pl.when(sysmon).then("SourceIp").otherwise("SourceAddress").alias("source_ip"),
        pl.when(sysmon).then("DestinationIp").otherwise("DestAddress").alias("destination_ip"),
        pl.when(sysmon)
        .then("DestinationPort")
        .otherwise("DestPort")
        .cast(pl.Int64, strict=False)
        .alias("destination_port"),
        pl.col("SourcePort").cast(pl.Int64, strict=False).alias("source_port"),
        protocol("Protocol").alias("protocol"),
        pl.when(sysmon)
        .then((pl.col("Initiated").str.to_lowercase() == "false") & (protocol("Protocol") == "tcp"))
        .otherwise(_directed(_INBOUND))
        .fill_null(value=False)
        .alias("inbound"),
    ).with_columns(pl.col("protocol").is_in(["icmp", "icmp6"]).fill_null(value=False).alias("icmp"))
    for name in ("source_ip", "destination_ip"):
        frame = frame.with_columns(shortest(named(frame, name)).alias(name))
    frame = _turned(frame)
    fits = frame.select(_sound()).to_series()
    return frame.filter(fits).select(*_columns()), fits


def _directed(words: tuple[str, ...]) -> pl.Expr:
    """Tell whether the platform's event is about packets in that direction."""
    return pl.col("Direction").str.to_lowercase().is_in(words)


def _turned(frame: pl.DataFrame) -> pl.DataFrame:
    """Turn events of inbound connections round that name this host first."""
    own = frame.filter((pl.col("kind") == "filtered") & _directed(_OUTBOUND)).select("computer", "source_ip")
    dropped = frame.filter((pl.col("event_id") == 5152) & pl.col("inbound"))
    own = pl.concat([own, dropped.select("computer", pl.col("destination_ip").alias("source_ip"))]).unique()
    mine = pl.lit(value=True).alias("mine")
    frame = frame.join(
        own.select("computer", "source_ip", mine.alias("from_here")),
        on=["computer", "source_ip"],
        how="left",
        maintain_order="left",
    ).join(
        own.select("computer", pl.col("source_ip").alias("destination_ip"), mine.alias("to_here")),
        on=["computer", "destination_ip"],
        how="left",
        maintain_order="left",
    )
    from_here, to_here = (pl.col(name).fill_null(value=False) for name in ("from_here", "to_here"))
    # An echo request's type is given as the port of the host that gets it.
    lower = (
        pl.when("icmp")
        .then((pl.col("source_port") > 0) & (pl.col("destination_port") == 0))
        .otherwise(
            (pl.col("source_port") < _EPHEMERAL_LEAST) & (pl.col("destination_port") >= _EPHEMERAL_LEAST)
        )
    )
    turn = (
        pl.col("event_id").is_in([5156, 5157])
        & pl.col("inbound")
        & pl.when(from_here != to_here).then(from_here).otherwise(lower)
    ).fill_null(value=False)

    def either(name: str, other: str) -> pl.Expr:
        return pl.when(turn).then(other).otherwise(name).alias(name)

    return frame.with_columns(
        *(either(f"source_{part}", f"destination_{part}") for part in ("ip", "port")),
        *(either(f"destination_{part}", f"source_{part}") for part in ("ip", "port")),
    )


def _sound() -> pl.Expr:
    """Tell whether addresses are such, and ports possible."""
    ports = [
        pl.col(name).is_between(0, _PORT_MAX).fill_null(value=False)
        for name in ("source_port", "destination_port")
    ]
    ported = pl.col("protocol").is_in(["tcp", "udp"]).fill_null(value=False)
    return (
        pl.col("source_ip").is_not_null()
        & pl.col("destination_ip").is_not_null()
        & pl.col("protocol").is_not_null()
        & (~ported | (ports[0] & ports[1]))
    )


def _columns() -> list[pl.Expr]:
    """Give the columns of the table.

    What this host itself began says nothing of the answer: neither Sysmon nor the platform looks for one.
    """
    sysmon, inbound, icmp = pl.col("kind") == "connection", pl.col("inbound"), pl.col("icmp")
    # The platform has an ICMP packet's type where this host's port would be, and its code where the other's would.
    here = pl.when("inbound").then("destination_port").otherwise("source_port")
    there = pl.when("inbound").then("source_port").otherwise("destination_port")
    return [
        *(pl.col(name) for name in ("line", "time_us", "time", "source_ip", "destination_ip", "protocol")),
        *(pl.when(~icmp).then(name).alias(name) for name in ("source_port", "destination_port")),
        pl.when(icmp).then(here).alias("icmp_type"),
        pl.when(icmp).then(there).alias("icmp_code"),
        pl.when(pl.col("event_id").is_in(_DENYING))
        .then(pl.lit(DENIED))
        .when(inbound)
        .then(pl.lit(ACCEPTED))
        .otherwise(pl.lit(UNKNOWN))
        .alias("outcome"),
        pl.when(_directed(_FORWARDED))
        .then(pl.lit(value=True))
        # What stays within the host says nothing of its addresses.
        .when(inbound & ~pl.col("destination_ip").str.contains(_LOOPBACK))
        .then(pl.lit(value=False))
        .alias("forwarded"),
        pl.lit(1).alias("event_count"),
        pl.col("host").alias("sensor"),
        pl.lit("Microsoft").alias("vendor"),
        pl.when(sysmon)
        .then(pl.lit("Sysmon"))
        .otherwise(pl.lit("Windows Filtering Platform"))
        .alias("product"),
        pl.when(~sysmon).then(pl.concat_str(pl.lit("FilterRTID="), "FilterRTID")).alias("rule"),
    ]
