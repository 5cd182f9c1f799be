"""Records of flows put together to conversations: the two directions, and all that was recorded of one attempt.

A format of its own is no business of this module, nor who began a conversation and what became of it
(`_flow_outcomes`). What cannot be told from flow records: packets of one five-tuple that the exporter itself summed up
are one attempt, however often the port was tried in between; of an ICMP error nobody knows which flow it is about.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import replace

import polars as pl

from knockwatch.clock import SECOND_US
from knockwatch.sources import Batch, Reading
from knockwatch.sources._flow_outcomes import View, connections, one_way, paired
from knockwatch.sources._flow_records import ALLOWED, FIN, FLOW, RST, SYN
from knockwatch.sources._packets import REPLIES
from knockwatch.tables import DENIED, REFUSED

FLOWS = "flows"
"""Name under which batches carry records of flows (`FLOW`) until they are put together."""
HELD = 200_000
"""Conversations held for what may still come of them; beyond that those longest not heard of are judged as they are."""
SYN_SILENCE_US = 75 * SECOND_US
"""A SYN after a longer pause is a new attempt: Linux waits 64 s before its last retry."""
SILENCE_US = 60 * SECOND_US
"""UDP and ICMP after a longer pause are a new attempt: Linux forgets an unanswered one after 30 s."""
UNFLAGGED_SILENCE_US = 600 * SECOND_US
"""The same for TCP without flags: exporters sum up to ten minutes, so a shorter pause may be none."""
REUSE_US = SECOND_US
"""What comes later than this after a TCP conversation's end is another one: clocks that count seconds are no finer."""
TCP_SILENCE_US = 3_600 * SECOND_US
"""A pause after which a TCP conversation is not held for the same any more."""

_SAID = (ALLOWED, REFUSED, DENIED)
"""Words of a filter, the weightiest last: an answer that was denied on its way out was denied."""
_SIDES = ("low", "high")
_SUMS = ("packets", "bytes")


def folded(batches: Iterable[Batch], view: View, reading: Reading) -> Iterator[Batch]:
    """Replace the flow records of batches by rows of the table `connections`.

    Parameters
    ----------
    batches
        A source's, in the order of its file, with records under `FLOWS`.
    view
        What the format shows.
    """
    conversations = Conversations(view)
    for batch in batches:
        records = batch.tables.pop(FLOWS, None)
        if records is not None:
            rows = conversations.take(records)
            own = batch.tables.get("connections")
            batch.tables["connections"] = rows if own is None else pl.concat([own, rows], how="diagonal")
        yield batch
    yield Batch(0, {"connections": conversations.rest()})
    reading.evidence.problems.extend(conversations.problems)


class Conversations:
    """The conversations of one file, as far as something may still come of them."""

    def __init__(self, view: View) -> None:
        self._view = view
        # Crafted addresses must not be able to meet under one key.
        self._seed = secrets.randbits(63)
        self._held = _fold(_sided(pl.DataFrame(schema=dict(FLOW)), self._seed))
        self._paired = False
        self._one_way = False
        self._let_go = 0

    def take(self, records: pl.DataFrame) -> pl.DataFrame:
        """Take in records of a block; give rows of the conversations that can be held no longer."""
        sided = _sided(records, self._seed)
        known = self._held.join(sided, on="key", how="semi")
        others = self._held.join(sided, on="key", how="anti")
        self._held = pl.concat([others, _fold(pl.concat([known, sided]))])
        if self._held.height <= HELD:
            return self._rows(self._held.clear())
        latest = self._held.sort("last_line", descending=True)
        self._held, gone = latest[:HELD], latest[HELD:]
        self._let_go += gone.height
        return self._rows(gone)

    def rest(self) -> pl.DataFrame:
        """Give rows of all that is left."""
        held, self._held = self._held, self._held.clear()
        return self._rows(held)

    @property
    def problems(self) -> list[str]:
        """What the analyst should know of the whole."""
        found = []
        if self._one_way and not self._paired:
            found.append(
                "holds one direction of each conversation only: whether UDP and ICMP were answered is unknown"
            )
        if self._let_go:
            found.append(
                f"holds more than {HELD} conversations: {self._let_go} were judged before the file's end, and an "
                "answer that stands far behind its question in the file is a row of its own; sort it by time"
            )
        return found

    def _rows(self, done: pl.DataFrame) -> pl.DataFrame:
        """Judge conversations."""
        self._paired |= paired(done)
        self._one_way |= one_way(done, self._view)
        silent = self._one_way and not self._paired
        return connections(done, replace(self._view, sampled=True) if silent else self._view)


def _sided(records: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Give records without a direction: two ends, and what each of them sent."""
    source, destination = pl.col("source_ip"), pl.col("destination_ip")
    behind = (pl.col("source_port") > pl.col("destination_port")).fill_null(value=False)
    swapped = (source > destination) | ((source == destination) & behind)
    of_source = {"low": ~swapped, "high": swapped}
    rank = pl.col("said").replace_strict(_SAID, range(1, len(_SAID) + 1), default=0, return_dtype=pl.Int8)
    sided = records.select(
        *("line", "time_us", "time", "protocol", "sensor", "action", "rule"),
        pl.col("line").alias("last_line"),
        pl.coalesce("end_us", "time_us").alias("end_us"),
        *(expression for side, mine in of_source.items() for expression in _of_side(side, mine)),
        pl.when("directed").then(of_source["low"]).alias("low_began"),
        rank.alias("said"),
        (pl.col("said") == ALLOWED).fill_null(value=False).alias("allowed"),
        *_echo(),
    )
    same = ("low_ip", "low_port", "high_ip", "high_port", "protocol", "sensor", "asked", "asked_code", "size")
    return sided.with_columns(pl.struct(same).hash(seed).alias("key")).drop("asked", "asked_code", "size")


def _of_side(side: str, mine: pl.Expr) -> Iterator[pl.Expr]:
    """Give what one end is and sent; `mine` says in which records it is the source."""
    for name in ("ip", "port"):
        yield pl.when(mine).then(f"source_{name}").otherwise(f"destination_{name}").alias(f"{side}_{name}")
    both = {"flags": ("flags", "reply_flags")} | {
        name: (f"{name}_sent", f"{name}_received") for name in _SUMS
    }
    for name, (sent, received) in both.items():
        yield pl.when(mine).then(sent).otherwise(received).alias(f"{side}_{name}")
    for name in ("time_us", "line", "payload_length", "icmp_type", "icmp_code"):
        yield pl.when(mine).then(name).alias(f"{side}_{name}")
    yield (mine | _replied()).alias(f"{side}_sent")


def _echo() -> list[pl.Expr]:
    """Give what an ICMP request and its reply have in common."""
    icmp = pl.col("protocol").is_in(["icmp", "icmp6"])
    reply = pl.col("icmp_type").is_in(list(REPLIES))
    common = {
        "asked": pl.col("icmp_type").replace(REPLIES),
        "asked_code": pl.when(~reply).then("icmp_code").otherwise(0),
        # Pings of different lengths may be the steps of a knock.
        "size": pl.col("bytes_sent") // pl.col("packets_sent"),
    }
    return [pl.when(icmp).then(value).alias(name) for name, value in common.items()]


def _replied() -> pl.Expr:
    """Say whether a record tells of an answer."""
    return pl.coalesce("replied", pl.col("packets_received") > 0, pl.col("bytes_received") > 0).fill_null(
        value=False
    )


def _fold(parts: pl.DataFrame) -> pl.DataFrame:
    """Fold what belongs to one conversation; what is folded can be folded again."""
    parts = parts.sort("key", "time_us", "line")
    turn = _begins(parts).cast(pl.Int64).cum_sum().set_sorted()
    weighty = pl.col("said").arg_max()
    return (
        parts.with_columns(turn.alias("turn"))
        .group_by("turn", maintain_order=True)
        .agg(
            pl.col("key", "line", "time_us", "time", "protocol", "sensor").first(),
            pl.col(*(f"{side}_{what}" for side in _SIDES for what in ("ip", "port"))).first(),
            pl.col("last_line", "end_us", "said").max(),
            pl.col("action", "rule").get(weighty),
            pl.col("allowed", *(f"{side}_sent" for side in _SIDES)).any(),
            pl.col(*(f"{side}_{what}" for side in _SIDES for what in ("time_us", "line"))).min(),
            pl.col(*(f"{side}_flags" for side in _SIDES)).bitwise_or(),
            *(_sum(f"{side}_{what}") for side in _SIDES for what in _SUMS),
            *(
                pl.col(f"{side}_{what}").drop_nulls().first()
                for side in _SIDES
                for what in ("payload_length", "icmp_type", "icmp_code")
            ),
            pl.col("low_began").drop_nulls().first(),
        )
        .select(parts.columns)
    )


def _sum(name: str) -> pl.Expr:
    """Sum what is known; null where nothing is."""
    return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)


def _begins(parts: pl.DataFrame) -> pl.Series:
    """Say which records, in order of key and time, begin a conversation."""
    tcp = pl.col("protocol") == "tcp"
    flags = pl.col("flags")
    syn, closing = (flags & SYN) > 0, (flags & (FIN | RST)) > 0
    first = (pl.col("key") != pl.col("key").shift(1)).fill_null(value=True)
    pause = pl.col("time_us") - pl.col("end_us").cum_max().over("key").shift(1)
    closed = [
        closing.shift(back) & (pl.col("key") == pl.col("key").shift(back)) for back in (1, 2)
    ]  # either direction's record may be the last one before
    over = pl.any_horizontal(part.fill_null(value=False) for part in closed)
    later = (
        pl.when(~tcp)
        .then(pause > SILENCE_US)
        .when(over & (pause > REUSE_US))
        .then(statement=True)
        .when(syn)
        .then(pause > SYN_SILENCE_US)
        .when(flags.is_null())
        .then(pause > UNFLAGGED_SILENCE_US)
        .otherwise(pause > TCP_SILENCE_US)
    )
    both = pl.coalesce(pl.col("low_flags") | pl.col("high_flags"), "low_flags", "high_flags")
    return (
        parts.with_columns(both.alias("flags"))
        .select((first | later.fill_null(value=False)).alias("begins"))
        .to_series()
    )
