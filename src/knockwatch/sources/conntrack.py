"""The kernel's connection events, as `conntrack -E` prints them: all events of a connection become one row.

Options that leave out times, families or ids only make the rows poorer. What a connection's state says of its
outcome is decided here; whether the machine was an end of it or only passed it on is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import polars as pl

from knockwatch.clock import LATEST_US
from knockwatch.evidence import Lines
from knockwatch.sources import Batch, Format, Head, Reading, misfits, share
from knockwatch.sources._addresses import shortest
from knockwatch.sources._pairs import Pairs, nullable
from knockwatch.tables import ACCEPTED, REFUSED, UNANSWERED, UNKNOWN

OPEN_CONNECTIONS = 262_144
"""Connections held while their end is not known: what the kernel's own table holds by default on a large host."""

_LINE = re.compile(
    r"^(?:\[\d+\.\d+ *\]\s+)?\s*(?:\[(?:NEW|UPDATE|DESTROY)\]\s+)?(?:ipv[46]\s+\d+ )?[\w-]+\s+\d+ "
    r"(?:\d+ )?(?:[A-Z][A-Z0-9_]+ )?src=[0-9a-fA-F:.]+ dst=[0-9a-fA-F:.]+ "
)
_NOTICE = (
    r"^(?:WARNING: We have hit ENOBUFS|This message means that the|Please, check --buffer-size|conntrack v\d)"
)
_LOSS = "WARNING: We have hit ENOBUFS"
_HEAD = (
    r"^ *\]?\s*(?:\[(?P<event>NEW|UPDATE|DESTROY)\]\s+)?(?:ipv[46]\s+\d+ )?"
    r"(?P<protocol>[\w-]+)\s+(?P<number>\d+)(?: \d+)?(?: (?P<state>[A-Z][A-Z0-9_]+))? $"
)
"""What stands before the addresses, without the time."""
_PROTOCOLS = {"icmpv6": "icmp6"}
_BEGUN = ("SYN_SENT", "SYN_RECV")
"""States that a TCP connection is first seen in when its beginning is; any other is one caught in its middle."""
_TOLD = ("source_ip", "source_port", "destination_ip", "destination_port", "icmp_type", "icmp_code")
_COUNTED = ("packets_sent", "bytes_sent", "packets_received", "bytes_received")


class Conntrack:
    """Reader of connection events."""

    format = Format(
        "conntrack",
        "connection events of conntrack -E",
        ("connections",),
        "verified",
        "conntrack(8); libnetfilter_conntrack src/conntrack/snprintf_default.c; own lab",
    )

    def confidence(self, head: Head) -> float:
        """Share of lines that are events; the line's shape is nobody else's."""
        notices = re.compile(_NOTICE)
        return share([line for line in head.lines if not notices.match(line)], _LINE.match)

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read events block by block, and give each connection's row once it has ended.

        A connection whose end never comes is given at the end of the file. Where more than `OPEN_CONNECTIONS`
        wait, those silent for longest are judged by what was seen of them so far; what is seen of such a one
        afterwards is a row of its own with an unknown outcome.
        """
        waiting, losses = _fold(_events(Lines.of(b"", 1).frame)[0]), 0
        for lines in reading.evidence.lines():
            events, bad = _events(lines.frame)
            told = waiting.join(events, on="key", how="semi")
            connections = _fold(pl.concat([told, events], how="diagonal"))
            ended = connections.filter("ended")
            waiting = pl.concat(
                [waiting.join(told, on="key", how="anti"), connections.filter(~pl.col("ended"))]
            )
            if waiting.height > OPEN_CONNECTIONS:
                waiting = waiting.sort("last_line", descending=True)
                ended = pl.concat([ended, waiting[OPEN_CONNECTIONS:]])
                waiting = waiting[:OPEN_CONNECTIONS]
            losses += int(lines.frame["text"].str.starts_with(_LOSS).sum())
            yield Batch(lines.frame.height, {"connections": _rows(ended)}, bad, lines.malformed)
        yield Batch(0, {"connections": _rows(waiting)})
        if losses:
            reading.evidence.problems.append(
                f"conntrack says {losses} times that it lost events: some connections are missing or lack their answer"
            )


def _events(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read lines as events, each already the shape of a connection that was seen once; and the misfits."""
    pairs = Pairs(lines["text"])
    fields = lines.with_columns(*_head(pairs), *_addresses(pairs), *_counters(pairs))
    portless = ~pl.col("protocol").is_in(["tcp", "udp"])
    ports_fit = pl.col("source_port").is_between(0, 65535) & pl.col("destination_port").is_between(0, 65535)
    sound = (
        pl.col("protocol").is_not_null()
        & pl.col("source_ip").is_not_null()
        & pl.col("destination_ip").is_not_null()
        & pl.when(portless & pl.col("destination_port").is_null()).then(statement=True).otherwise(ports_fit)
    )
    # A line that is whole has the addresses of both directions.
    whole = pl.Series(pairs.at("src", last=True) > pairs.at("src"))
    fits = fields.select(sound.fill_null(value=False)).to_series() & whole
    bad = misfits(lines.filter(~fits), pl.col("text").str.contains(_NOTICE))
    return _seen_once(fields.filter(fits)), bad


def _head(pairs: Pairs) -> list[pl.Series]:
    """Read what stands before the addresses: time, event, protocol and state."""
    first = pairs.starts + 1
    timed = pairs.bytes[first] == ord("[")
    seconds, after = pairs.number(np.where(timed, first + 1, -1))
    # conntrack pads the microseconds with blanks behind them, not with zeros before.
    micros, end = pairs.number(np.where((after >= 0) & (pairs.bytes[after] == ord(".")), after + 1, -1))
    known = (end >= 0) & (seconds < LATEST_US // 1_000_000) & (micros < 1_000_000)
    heads = pairs.cut(np.where(end >= 0, end, first), pairs.at("src") - len("src="))
    distinct = pl.DataFrame({"head": heads.unique()})
    read = distinct.with_columns(pl.col("head").str.extract_groups(_HEAD).alias("f")).unnest("f")
    # Lines repeat their heads, so that each is read once.
    fields = pl.DataFrame({"head": heads}).join(
        read, on="head", how="left", nulls_equal=True, maintain_order="left"
    )
    return [nullable(seconds * 1_000_000 + micros, known).alias("time_us"), *fields.drop("head")]


def _addresses(pairs: Pairs) -> list[pl.Series]:
    """Read the tuple of the direction that began it, as columns and as the text that identifies it."""
    source, port, echo = pairs.at("src"), pairs.at("dport"), pairs.at("code")
    last = np.where(port >= 0, port, np.where(echo >= 0, pairs.at("id"), pairs.at("dst")))
    return [
        pairs.cut(source, pairs.blank(last)).alias("tuple"),
        # An echo's own id ends the line where a connection's is not given; it serves as well.
        pairs.integer("id", last=True).alias("id"),
        shortest(pairs.text("src")).alias("source_ip"),
        shortest(pairs.text("dst")).alias("destination_ip"),
        pairs.integer("sport").alias("source_port"),
        pairs.integer("dport").alias("destination_port"),
        pairs.integer("type").alias("icmp_type"),
        pairs.integer("code").alias("icmp_code"),
    ]


def _counters(pairs: Pairs) -> list[pl.Series]:
    """Read packets and bytes each way, where the kernel counts them (nf_conntrack_acct)."""
    return [
        pairs.integer("packets").alias("packets_sent"),
        pairs.integer("bytes").alias("bytes_sent"),
        pairs.integer("packets", last=True).alias("packets_received"),
        pairs.integer("bytes", last=True).alias("bytes_received"),
    ]


def _seen_once(fields: pl.DataFrame) -> pl.DataFrame:
    """Give each event the columns that events of one connection are folded over."""
    text, state, event = pl.col("text"), pl.col("state"), pl.col("event")
    replied = ~text.str.contains("[UNREPLIED]", literal=True)
    closed = (state == "CLOSE").fill_null(value=False)
    new = (event == "NEW").fill_null(value=False)
    return fields.select(
        pl.concat_str("tuple", "number", "id", separator=" ", ignore_nulls=True).hash().alias("key"),
        *_TOLD,
        "protocol",
        "number",
        "line",
        pl.col("line").alias("last_line"),
        "time_us",
        new.alias("new"),
        new.alias("begins"),
        (event == "DESTROY").fill_null(value=False).alias("ended"),
        event.is_null().alias("listed"),
        state.alias("first_state"),
        state.alias("last_state"),
        (replied & ~closed).alias("answered"),
        (replied & closed).alias("closed"),
        text.str.contains("[ASSURED]", literal=True).alias("assured"),
        replied.alias("replied"),
        *_COUNTED,
    )


def _fold(events: pl.DataFrame) -> pl.DataFrame:
    """Fold events of one connection into one, in their order; an id or a tuple may come again after its end."""
    same = pl.col("key") == pl.col("key").shift(1)
    after_end = pl.col("ended").shift(1)
    turn = (~same | pl.col("new") | after_end).fill_null(value=True).cast(pl.Int64).cum_sum()
    followed = (pl.col("key") == pl.col("key").shift(-1)).fill_null(value=False)
    return (
        events.sort("key", "line")
        .with_columns(turn.set_sorted().alias("turn"))
        .group_by("turn", maintain_order=True)
        .agg(
            pl.col("key", *_TOLD, "protocol", "number", "line", "time_us").first(),
            pl.col("listed", "first_state", "begins").first(),
            pl.col("last_line").last(),
            pl.col("last_state").drop_nulls().last(),
            pl.col("ended", "answered", "closed", "assured", "replied").any(),
            pl.col(*_COUNTED).max(),
            pl.lit(value=False).alias("new"),
        )
        .with_columns(pl.col("ended") | pl.col("listed") | followed)
        .drop("turn")
    )


def _rows(connections: pl.DataFrame) -> pl.DataFrame:
    """Turn folded connections into rows of the table `connections`."""
    state, tcp = pl.col("first_state"), pl.col("protocol") == "tcp"
    marks = pl.when("assured").then(pl.lit("ASSURED")).when(~pl.col("replied")).then(pl.lit("UNREPLIED"))
    return connections.sort("line").select(
        *_TOLD,
        *_COUNTED,
        "line",
        "time_us",
        pl.concat_str(
            pl.col("time_us") // 1_000_000,
            pl.lit("."),
            (pl.col("time_us") % 1_000_000).cast(pl.String).str.zfill(6),
        ).alias("time"),
        pl.when(pl.col("protocol") == "unknown")
        .then(pl.col("number"))
        .otherwise(pl.col("protocol").replace(_PROTOCOLS))
        .alias("protocol"),
        _outcome().alias("outcome"),
        pl.concat_str("last_state", marks, separator=" ", ignore_nulls=True)
        .replace({"": None})
        .alias("action"),
        pl.when(tcp & (state == "SYN_SENT")).then(pl.lit("SYN")).alias("tcp_flags"),
        pl.lit(1, dtype=pl.Int64).alias("event_count"),
        pl.lit("Linux").alias("vendor"),
        pl.lit("conntrack").alias("product"),
    )


def _outcome() -> pl.Expr:
    """Say what became of a connection.

    Answered is accepted, an ICMP echo too. A TCP connection that was closed before any other answer was reset.
    One whose beginning is not in the evidence has neither the time nor the certainty to be judged.
    """
    tcp, state = pl.col("protocol") == "tcp", pl.col("first_state")
    first = pl.when(tcp).then(state.is_in(_BEGUN)).otherwise(statement=True)
    begun = pl.col("listed") | (pl.col("begins") & first) | (state == "SYN_RECV")
    return (
        pl.when(~begun.fill_null(value=False))
        .then(pl.lit(UNKNOWN))
        .when(pl.col("answered") | pl.col("assured"))
        .then(pl.lit(ACCEPTED))
        .when(tcp & pl.col("closed") & pl.col("begins"))
        .then(pl.lit(REFUSED))
        .when(pl.col("replied"))
        .then(pl.lit(UNKNOWN))
        .otherwise(pl.lit(UNANSWERED))
    )


SOURCE = Conntrack()
