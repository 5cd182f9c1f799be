"""Connections of Elastic's common schema: from the fields of events to rows of the table `connections`.

How events are written, and what other kinds of them say, is `ecs`' business; what firewalls' words mean is
`_vendor_words`'.
"""

from __future__ import annotations

import polars as pl

from knockwatch.sources._answer_counts import by_counts
from knockwatch.sources._socket_ends import PROTOCOLS, read_ends
from knockwatch.sources._vendor_words import judged
from knockwatch.tables import ACCEPTED, DENIED, REFUSED, UNANSWERED, UNKNOWN

_TAKEN = ("connection_accepted", "accepted-connection-from")
"""What Elastic's own sensors say of a connection that a process took: Elastic Defend; Auditbeat."""
_BEGUN = ("connection_attempted", "connected-to")
_INWARD = ("ingress", "inbound", "incoming")
_NAMES = {"ipv6-icmp": "icmp6", "icmpv6": "icmp6", **PROTOCOLS}
_FROM_ZEEK = {
    **dict.fromkeys(("S1", "SF", "S2", "S3", "RSTO", "RSTR"), ACCEPTED),
    "REJ": REFUSED,
    **dict.fromkeys(("S0", "SH", "RSTOS0"), UNANSWERED),
}
"""Zeek's states, which Filebeat's module keeps; without the history they say less than conn.log does."""


def word(name: str, *words: str) -> pl.Expr:
    """Say whether a field, which may hold one word or a list of them, has one of some words."""
    return pl.col(name).str.contains(rf'(?i)(?:^|")(?:{"|".join(words)})(?:"|$)').fill_null(value=False)


def number(name: str) -> pl.Expr:
    """Read a whole number."""
    return pl.col(name).cast(pl.Int64, strict=False)


def connections(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read connections.

    Parameters
    ----------
    events
        `line`, `time_us`, `time`, `host`, and ECS fields as text.

    Returns
    -------
    tuple
        Rows, and the lines of events whose addresses are none or whose ports are impossible. An event without a
        destination tells of no connection.
    """
    found = read_ends(events, ("source.ip", "destination.ip"), ("source.port", "destination.port"))
    kept = found.filter("sound", pl.col("destination.ip").is_not_null()).with_columns(
        pl.coalesce("network.transport", "network.iana_number")
        .str.to_lowercase()
        .replace(_NAMES)
        .alias("protocol"),
        pl.coalesce(pl.col("event.action"), pl.col("event.type")).alias("action"),
    )
    return kept.hstack(_outcomes(kept)).select(_columns()), found.filter(~pl.col("sound"))["line"]


def _outcomes(events: pl.DataFrame) -> pl.DataFrame:
    """Say what became of each: by the packets that came back, by the sensor's word, by the firewall's."""
    tcp = pl.col("protocol") == "tcp"
    counted = pl.any_horizontal(pl.col(f"{end}.packets").is_not_null() for end in ("source", "destination"))
    back = pl.max_horizontal(number("destination.packets"), number("destination.bytes")).fill_null(0)
    by_count = by_counts(
        number("destination.packets"),
        number("destination.bytes"),
        tcp,
        pl.col("flow.final").fill_null("true") == "true",
    )
    firewall = _by_words(events)
    action = pl.col("event.action").str.to_lowercase()
    outcome = (
        pl.when(word("event.type", "denied")).then(
            pl.when(firewall.is_in([DENIED, REFUSED])).then(firewall).otherwise(pl.lit(DENIED))
        )
        .when(pl.col("zeek.connection.state").is_in(list(_FROM_ZEEK)) & tcp)
        .then(pl.col("zeek.connection.state").replace_strict(_FROM_ZEEK, default=UNKNOWN, return_dtype=pl.String))
        .when(action.is_in(_TAKEN)).then(pl.lit(ACCEPTED))
        .when(action.is_in(_BEGUN) & word("event.outcome", "failure")).then(pl.lit(UNANSWERED))
        .when(action.is_in(_BEGUN)).then(pl.lit(UNKNOWN))
        .when(counted & ~firewall.is_in([DENIED, REFUSED])).then(by_count)
        .when(word("event.type", "allowed") & (firewall == UNKNOWN)).then(pl.lit(ACCEPTED))
        .otherwise(firewall)
    )  # fmt: skip
    through = (pl.col("observer.type") == "firewall") | pl.col("observer.vendor").is_not_null()
    inward = pl.col("network.direction").str.to_lowercase().is_in(_INWARD)
    return events.select(
        outcome.alias("outcome"),
        pl.when(through & (back == 0)).then(pl.lit(value=True))
        .when(action.is_in(_TAKEN) | (~through & inward)).then(pl.lit(value=False))
        .alias("forwarded"),
    )  # fmt: skip


def _by_words(events: pl.DataFrame) -> pl.Series:
    """Ask what the recorder's word means; few combinations occur."""
    asked = events.select(
        pl.coalesce(pl.col("observer.vendor"), pl.lit("")).alias("DeviceVendor"),
        pl.coalesce(pl.col("observer.product"), pl.lit("")).alias("DeviceProduct"),
        pl.col("event.action").alias("DeviceAction"),
    )
    distinct = asked.unique(maintain_order=True)
    nothing = [pl.lit(None, dtype=pl.String).alias(name) for name in _UNSAID]
    verdict = judged(distinct.with_columns(*nothing, pl.lit(0, dtype=pl.Int64).alias("received")))
    known = pl.concat([distinct, verdict.select("outcome")], how="horizontal")
    return asked.join(known, on=asked.columns, how="left", nulls_equal=True, maintain_order="left")["outcome"]


_UNSAID = ("Reason", "DeviceEventClassID", "Activity", "Message")


def _columns() -> list[pl.Expr]:
    """Give the columns of the table."""
    return [
        *(pl.col(name) for name in ("line", "time_us", "time")),
        *(
            pl.col(f"{end}.{what}").alias(f"{end}_{what}")
            for end in ("source", "destination")
            for what in ("ip", "port")
        ),
        *(pl.col(name) for name in ("protocol", "outcome", "action", "forwarded")),
        number("source.packets").alias("packets_sent"),
        number("destination.packets").alias("packets_received"),
        number("source.bytes").alias("bytes_sent"),
        number("destination.bytes").alias("bytes_received"),
        pl.lit(1, dtype=pl.Int64).alias("event_count"),
        pl.coalesce("observer.name", "host").alias("sensor"),
        pl.coalesce(pl.col("observer.vendor"), pl.lit("Elastic")).alias("vendor"),
        pl.coalesce("observer.product", "agent.type").alias("product"),
        pl.coalesce("rule.name", "rule.id").alias("rule"),
    ]
