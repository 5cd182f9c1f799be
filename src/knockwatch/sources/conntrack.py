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

        A connection whose end never comes is given at the end of the file, and so are all of a file whose lines are
        not in order of time: what is still to come may belong to any of them. Where more than `OPEN_CONNECTIONS`
        wait, those silent for longest are judged by what was seen of them so far; what is seen of such a one
        afterwards is a row of its own with an unknown outcome.
        """
        waiting, losses, unsure = _Waiting(), 0, 0
        for lines in reading.evidence.lines():
            events, bad = _events(lines.frame)
            told = waiting.take(events)
            unsure += int(told["unsure"].sum())
            losses += int(lines.frame["text"].str.starts_with(_LOSS).sum())
            yield Batch(lines.frame.height, {"connections": _rows(told)}, bad, lines.malformed)
        yield Batch(0, {"connections": _rows(waiting.connections)})
        if losses:
            reading.evidence.problems.append(
                f"conntrack says {losses} times that it lost events: some connections are missing or lack their answer"
            )
        if unsure:
            reading.evidence.problems.append(
                f"its lines are not in order of time: what became of {unsure} connections is unknown, since too many "
                "would have to be remembered; sort the lines by time"
            )


class _Waiting:
    """Connections of which more may be said; what was seen of each is folded into one row.

    Attributes
    ----------
    connections
        The rows.
    ordered
        Whether all events so far came in order of time: then an end is the last that is said of a connection.
    """

    def __init__(self) -> None:
        self.connections = _fold(_events(Lines.of(b"", 1).frame)[0], ordered=True)
        self.ordered = True
        self._latest_us = 0

    def take(self, events: pl.DataFrame) -> pl.DataFrame:
        """Take in the events of a block; give the connections of which nothing more is expected."""
        self._look_at_clock(events["time_us"])
        known = self.connections.join(events, on="key", how="semi")
        folded = _fold(pl.concat([known, events], how="diagonal"), ordered=self.ordered)
        others = self.connections.join(known, on="key", how="anti")
        over = folded.select(pl.col("over") & self.ordered).to_series()
        told = folded.filter(over)
        self.connections = pl.concat([others, folded.filter(~over)])
        if self.connections.height <= OPEN_CONNECTIONS:
            return told
        # Complete ones lose least by going; of the others, those silent for longest.
        kept = self.connections.sort(pl.col("begins") & pl.col("ended"), -pl.col("last_line"))
        self.connections = kept[:OPEN_CONNECTIONS]
        gone = kept[OPEN_CONNECTIONS:]
        if not self.ordered:
            gone = gone.with_columns(unsure=~pl.col("ended"))
        return pl.concat([told, gone])

    def _look_at_clock(self, times: pl.Series) -> None:
        """See whether the events still come in order of time."""
        times = times.drop_nulls()
        if self.ordered and not times.is_empty():
            self.ordered = int(times[0]) >= self._latest_us and times.is_sorted()
            self._latest_us = int(times[-1])


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
    new, end = ((event == word).fill_null(value=False) for word in ("NEW", "DESTROY"))
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
        end.alias("ended"),
        pl.when(end).then("time_us").alias("ended_us"),
        event.is_null().alias("listed"),
        pl.lit(value=False).alias("unsure"),
        state.alias("first_state"),
        state.alias("last_state"),
        pl.when(state.is_not_null()).then("time_us").alias("last_us"),
        (replied & ~closed).alias("answered"),
        (replied & closed).alias("closed"),
        text.str.contains("[ASSURED]", literal=True).alias("assured"),
        replied.alias("replied"),
        *_COUNTED,
    )


def _fold(events: pl.DataFrame, *, ordered: bool) -> pl.DataFrame:
    """Fold events of one connection into one; an id or a tuple may come again after its end.

    Lines that come in order of time need no other; else their times order them, where they have any.
    """
    order = ["key", "line"] if ordered else ["key", "time_us", ~pl.col("new"), "ended", "line"]
    events = events.sort(*order)
    states = pl.col("last_state") if ordered else pl.col("last_state").sort_by("last_us", maintain_order=True)
    same = pl.col("key") == pl.col("key").shift(1)
    # What stands behind an end may have happened before it, where lines are in no order.
    later = (pl.col("time_us") > pl.col("ended_us").shift(1)).fill_null(value=True)
    after_end = pl.col("ended").shift(1) & later
    turn = (~same | pl.col("new") | after_end).fill_null(value=True).cast(pl.Int64).cum_sum()
    followed = (pl.col("key") == pl.col("key").shift(-1)).fill_null(value=False)
    return (
        events.with_columns(turn.set_sorted().alias("turn"))
        .group_by("turn", maintain_order=True)
        .agg(
            pl.col("key", *_TOLD, "protocol", "number", "line", "time_us").first(),
            pl.col("listed", "first_state", "begins", "new").first(),
            pl.col("last_line", "last_us", "ended_us").max(),
            states.drop_nulls().last(),
            pl.col("ended", "answered", "closed", "assured", "replied", "unsure").any(),
            pl.col(*_COUNTED).max(),
        )
        .with_columns((pl.col("ended") | pl.col("listed") | followed).alias("over"))
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
        pl.when(~begun.fill_null(value=False) | (pl.col("unsure") & ~pl.col("answered")))
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
