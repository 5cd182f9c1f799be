"""What Zeek's conn.log says of a connection, whichever way it is written: Zeek's fields to rows of `connections`.

Zeek watches from beside: what it calls established was answered by the other end. Its files are not read here.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from knockwatch.clock import SECOND_US, plausible
from knockwatch.sources import Reading
from knockwatch.sources._addresses import shortest
from knockwatch.sources._event_times import moments
from knockwatch.tables import ACCEPTED, REFUSED, UNANSWERED, UNKNOWN

REFERENCE = "Zeek scripts/base/protocols/conn/main.zeek: record Conn::Info, function conn_state"
FIELDS = (
    "ts", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "conn_state", "history", "orig_bytes",
    "resp_bytes", "orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes",
)  # fmt: skip
"""Zeek's fields that are read."""
NEEDED = frozenset(("ts", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "conn_state"))
"""Those without which a line says nothing."""

_EPOCH_BELOW = 1e11
_NUMBERS: Mapping[str, str] = {
    "id.orig_p": "from_port",
    "id.resp_p": "to_port",
    "orig_bytes": "payload_sent",
    "resp_bytes": "payload_received",
    "orig_pkts": "packets_sent",
    "resp_pkts": "packets_received",
    "orig_ip_bytes": "ip_bytes_sent",
    "resp_ip_bytes": "ip_bytes_received",
}
_ESTABLISHED = ("S1", "SF", "S2", "S3", "RSTO", "RSTR")
_TCP_STATES: Mapping[str, str] = {
    **dict.fromkeys(_ESTABLISHED, ACCEPTED),
    "REJ": REFUSED,
    **dict.fromkeys(("S0", "SH", "RSTOS0"), UNANSWERED),
}
"""What a state says where there is no history; the others saw no SYN."""
_UDP_STATES: Mapping[str, str] = {"SF": ACCEPTED, "S0": UNANSWERED}
"""What a state says of UDP; other protocols have none but OTH."""
_FIRST_FLAGS: Mapping[str, str] = {
    **dict.fromkeys("Ss", "SYN"),
    **dict.fromkeys("Hh", "SYN,ACK"),
    # RFC 9293 section 3.1: once a connection is established, ACK is always sent.
    **dict.fromkeys("AaDdTtWw", "ACK"),
    **dict.fromkeys("Ff", "FIN"),
    **dict.fromkeys("Rr", "RST"),
}
_STATE_FLAGS: Mapping[str, str] = {
    **dict.fromkeys(_TCP_STATES, "SYN"),
    **dict.fromkeys(("SHR", "RSTRH"), "SYN,ACK"),
    "OTH": "ACK",
}
_ECHO_REQUESTS = (8, 128)
_ONE_WAY = (3, 4, 5, 11, 12, 1, 2)
"""ICMP types of which Zeek writes the code; in place of other codes it writes the type of the answer."""


def connections(fields: pl.DataFrame, reading: Reading) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Turn Zeek's fields into rows.

    Parameters
    ----------
    fields
        `line`, and `FIELDS` as text, null where Zeek left one unset.

    Returns
    -------
    tuple
        Rows of `connections`, and `line` of what has no time, no addresses or impossible ports.
    """
    frame = fields.with_columns(
        _times(fields["ts"], reading).alias("time_us"),
        shortest(fields["id.orig_h"]).alias("source_ip"),
        shortest(fields["id.resp_h"]).alias("destination_ip"),
        pl.col("proto").str.to_lowercase().alias("transport"),
        pl.when(pl.col("history") != "").then("history").alias("history"),
        *(pl.col(name).cast(pl.Int64, strict=False).alias(own) for name, own in _NUMBERS.items()),
    )
    ported = pl.col("transport").is_in(["tcp", "udp"])
    possible = pl.col("from_port").is_between(0, 65535) & pl.col("to_port").is_between(0, 65535)
    known = (pl.col(name).is_not_null() for name in ("time_us", "source_ip", "destination_ip", "transport"))
    sound = pl.all_horizontal(*known) & (~ported | possible)
    fits = frame.select(sound.fill_null(value=False)).to_series()
    bad = frame.filter(~fits).select("line")
    return _judged(frame.filter(fits) if bad.height else frame).select(_columns()), bad


def _judged(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `outcome` and `tcp_flags`, which few combinations of protocol, state and history decide for all lines."""
    told_by = ["transport", "conn_state", "history"]
    tcp, udp = pl.col("transport") == "tcp", pl.col("transport") == "udp"
    stated = pl.col("conn_state").replace_strict(_UDP_STATES, default=UNKNOWN)
    combinations = (
        frame.select(told_by)
        .unique()
        .with_columns(
            pl.when(tcp)
            .then(_tcp_outcome())
            .when(udp)
            .then(stated)
            .otherwise(pl.lit(UNKNOWN))
            .alias("outcome"),
            pl.when(tcp).then(_first_flags()).alias("tcp_flags"),
        )
    )
    return frame.join(combinations, on=told_by, how="left", nulls_equal=True, maintain_order="left")


def _times(texts: pl.Series, reading: Reading) -> pl.Series:
    """Read times: seconds with a fraction, or what Zeek's JSON writer may be told to write instead."""
    seconds = texts.cast(pl.Float64, strict=False)
    if seconds.null_count() or not (seconds < _EPOCH_BELOW).all():
        return moments(texts, reading.clock)
    return (
        seconds.to_frame("s").select(plausible((pl.col("s") * SECOND_US).round().cast(pl.Int64))).to_series()
    )


def _columns() -> list[pl.Expr]:
    """Give the columns of the table."""
    transport = pl.col("transport")
    icmp, tcp = transport == "icmp", transport == "tcp"
    single = pl.col("packets_sent") == 1
    return [
        pl.col("line"),
        pl.col("time_us"),
        pl.col("ts").alias("time"),
        pl.col("source_ip"),
        pl.when(transport.is_in(["tcp", "udp"])).then("from_port").alias("source_port"),
        pl.col("destination_ip"),
        pl.when(transport.is_in(["tcp", "udp"])).then("to_port").alias("destination_port"),
        pl.when(icmp & pl.col("source_ip").str.contains(":", literal=True))
        .then(pl.lit("icmp6"))
        .otherwise(transport)
        .alias("protocol"),
        pl.when(icmp).then(_icmp_outcome()).otherwise("outcome").alias("outcome"),
        pl.col("conn_state").alias("action"),
        pl.col("tcp_flags"),
        pl.when(icmp).then("from_port").alias("icmp_type"),
        pl.when(icmp & pl.col("from_port").is_in(_ONE_WAY)).then("to_port").alias("icmp_code"),
        pl.col("packets_sent"),
        pl.col("packets_received"),
        pl.coalesce("ip_bytes_sent", "payload_sent").alias("bytes_sent"),
        pl.coalesce("ip_bytes_received", "payload_received").alias("bytes_received"),
        pl.when(single).then("ip_bytes_sent").alias("packet_length"),
        # Of TCP Zeek works it out from sequence numbers, which a lone packet does not give.
        pl.when(single & ~tcp).then("payload_sent").alias("payload_length"),
        pl.lit(1, dtype=pl.Int64).alias("event_count"),
        pl.lit("Zeek").alias("vendor"),
        pl.lit("Zeek").alias("product"),
    ]


def _tcp_outcome() -> pl.Expr:
    """Say what became of a TCP connection.

    History tells more than the state, in letters: the originator's large, the responder's small, ``S`` for SYN, ``h``
    for SYN and ACK. So a half-open scan of an open port, which is OTH, was answered, and a late packet is nothing.
    """
    history, state = pl.col("history"), pl.col("conn_state")
    asked, answered = history.str.contains("S", literal=True), history.str.contains("h", literal=True)
    replied = history.str.contains("d", literal=True) & state.is_in(_ESTABLISHED)
    return (
        pl.when(history.is_null())
        .then(state.replace_strict(_TCP_STATES, default=UNKNOWN))
        .when(~asked)
        .then(pl.lit(UNKNOWN))
        .when(answered | replied)
        .then(pl.lit(ACCEPTED))
        .when(history.str.contains("r", literal=True))
        .then(pl.lit(REFUSED))
        .when(history.str.contains("[a-z]"))
        .then(pl.lit(UNKNOWN))
        .otherwise(pl.lit(UNANSWERED))
    )


def _first_flags() -> pl.Expr:
    """Give the flags of the first packet, as far as history or state tells them.

    A ``^`` says that Zeek turned the direction round, a ``c`` that a checksum is wrong; neither is a packet's kind.
    """
    first = pl.col("history").str.extract(r"^[\^cC]*([A-Za-z])", 1).replace_strict(_FIRST_FLAGS, default=None)
    by_state = pl.col("conn_state").replace_strict(_STATE_FLAGS, default=None)
    return pl.when(pl.col("history").is_null()).then(by_state).otherwise(first)


def _icmp_outcome() -> pl.Expr:
    """Say whether an echo request was answered; Zeek gives every ICMP exchange the state OTH."""
    received = pl.coalesce("packets_received", "payload_received")
    return (
        pl.when(~pl.col("from_port").is_in(_ECHO_REQUESTS) | received.is_null())
        .then(pl.lit(UNKNOWN))
        .when(received > 0)
        .then(pl.lit(ACCEPTED))
        .otherwise(pl.lit(UNANSWERED))
    )
