"""Suricata's events about one flow put together, and what became of it. How events are written is not here."""

from __future__ import annotations

import polars as pl

from knockwatch.tables import ACCEPTED, DENIED, REFUSED, UNANSWERED, UNKNOWN

OPEN_FLOWS = 262_144
"""Flows with an alert or a drop whose end is awaited; of more than these, the oldest are judged without it."""

_SYN, _RST, _ACK = 0x02, 0x04, 0x10
_RANKS = {"flow": 0, "netflow": 1, "drop": 2, "alert": 3}
"""Which event says most about a flow."""
_ECHO_REQUESTS = (8, 128)
_SCHEMA = pl.Schema(
    {
        "line": pl.Int64,
        "time_us": pl.Int64,
        "time": pl.String,
        "source_ip": pl.String,
        "source_port": pl.Int64,
        "destination_ip": pl.String,
        "destination_port": pl.Int64,
        "protocol": pl.String,
        "icmp_type": pl.Int64,
        "icmp_code": pl.Int64,
        "packets_received": pl.Int64,
        "bytes_received": pl.Int64,
        "packet_length": pl.Int64,
        "ttl": pl.Int64,
        "ip_id": pl.Int64,
        "packets_sent": pl.Int64,
        "bytes_sent": pl.Int64,
        "flags_sent": pl.Int64,
        "flags_received": pl.Int64,
        "kind": pl.String,
        "state": pl.String,
        "denied": pl.Boolean,
        "rule": pl.String,
        "action": pl.String,
        "sensor": pl.String,
        "flow_id": pl.String,
    }
)


class FlowEvents:
    """Events of flows whose end has not been told.

    A flow's own event comes last, when it is over; with it the alerts and drops before it are told. Netflow's two
    events, one for each way, come with it or, where flows are not logged, in its place.
    """

    def __init__(self) -> None:
        self._waiting = _SCHEMA.to_frame().with_columns(pl.lit(0, dtype=pl.Int64).alias("turn"))
        self._told = pl.Series("flow_id", [], dtype=pl.String)
        self._turn = 0

    def take(self, events: pl.DataFrame) -> pl.DataFrame:
        """Take in some events, in order; give the flows of which no more is expected."""
        self._turn += 1
        named = pl.col("flow_id").is_not_null()
        flows = events.filter(named & (pl.col("kind") == "flow"))
        others = events.filter(named & (pl.col("kind") != "flow")).with_columns(
            pl.lit(self._turn, dtype=pl.Int64).alias("turn")
        )
        # Netflow's event may stand in the block behind the one that ends with its flow's.
        others = others.filter(~pl.col("flow_id").is_in(self._told.implode()))
        self._told = flows["flow_id"].unique()
        folded = _fold(pl.concat([self._waiting, others]))
        ended = pl.col("flow_id").is_in(self._told.implode())
        before = folded.filter(ended)
        left = folded.filter(~ended).sort("line")
        over = (pl.col("kind") == "netflow") & (pl.col("turn") < self._turn)
        told = left.filter(over)
        left = left.filter(~over)
        spare = max(0, left.height - OPEN_FLOWS)
        self._waiting = left[spare:]
        return pl.concat(
            [
                _completed(flows, before),
                events.filter(~named),
                told.drop("turn"),
                left[:spare].drop("turn"),
            ]
        ).sort("line")

    def rest(self) -> pl.DataFrame:
        """Give the flows that are left."""
        return self._waiting.drop("turn").sort("line")


def _fold(events: pl.DataFrame) -> pl.DataFrame:
    """Put events of one flow together; the telling one stands for it, and netflow's way back completes it."""
    if not events["flow_id"].is_duplicated().any():
        return events
    rank = pl.col("kind").replace_strict(_RANKS, return_dtype=pl.Int64)
    same = [pl.col(name) == pl.col(name).first() for name in ("source_ip", "source_port")]
    returning = (pl.col("kind") == "netflow") & ~pl.all_horizontal(*same).fill_null(value=True)
    answers = {
        "packets_received": "packets_sent",
        "bytes_received": "bytes_sent",
        "flags_received": "flags_sent",
    }
    told = ["flow_id", "denied", "rule", "action", "turn", *answers]
    return (
        events.sort(rank, "line")
        .group_by("flow_id", maintain_order=True)
        .agg(
            pl.exclude(*told).first(),
            pl.col("denied").any(),
            pl.col("rule").drop_nulls().first(),
            pl.col("action").sort_by("denied", descending=True, maintain_order=True).drop_nulls().first(),
            pl.col("turn").max(),
            *(
                pl.coalesce(pl.col(way_back).filter(returning).max(), pl.col(own).max()).alias(own)
                for own, way_back in answers.items()
            ),
        )
        .select(events.columns)
    )


def _completed(flows: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Give flows what alerts and drops said of them before."""
    if before.is_empty():
        return flows
    said = before.select("flow_id", "denied", "rule", "action")
    return (
        flows.join(said, on="flow_id", how="left", suffix=" before", maintain_order="left")
        .with_columns(
            pl.col("denied") | pl.col("denied before").fill_null(value=False),
            *(
                pl.coalesce(pl.when("denied before").then(f"{name} before"), name, f"{name} before").alias(
                    name
                )
                for name in ("rule", "action")
            ),
        )
        .select(flows.columns)
    )


def judged(flows: pl.DataFrame) -> pl.DataFrame:
    """Turn flows into rows of the table `connections`."""
    tcp = pl.col("protocol") == "tcp"
    ported = pl.col("protocol").is_in(["tcp", "udp"])
    asked = (pl.col("flags_sent") & _SYN) > 0
    of_drop = pl.when(pl.col("kind") == "drop")
    flags = (
        of_drop.then(
            pl.when(asked & ((pl.col("flags_sent") & _ACK) > 0))
            .then(pl.lit("SYN,ACK"))
            .when(asked)
            .then(pl.lit("SYN"))
            .otherwise(pl.lit("ACK"))
        )
        .when(asked)
        .then(pl.lit("SYN"))
        .when(pl.col("flags_sent") > 0)
        .then(pl.lit("ACK"))
    )
    return flows.select(
        "line", "time_us", "time", "source_ip", "destination_ip", "protocol",
        *(pl.when(ported).then(name).alias(name) for name in ("source_port", "destination_port")),
        _outcome().alias("outcome"),
        pl.coalesce("action", "state").alias("action"),
        pl.when(tcp).then(flags).alias("tcp_flags"),
        "icmp_type", "icmp_code", "packets_sent", "packets_received", "bytes_sent", "bytes_received", "packet_length",
        "ttl", "ip_id", "sensor", "rule",
        pl.lit(1, dtype=pl.Int64).alias("event_count"),
        pl.lit("OISF").alias("vendor"),
        pl.lit("Suricata").alias("product"),
    )  # fmt: skip


def _outcome() -> pl.Expr:
    """Say what became of flows.

    Flags are those of all packets one way, so that a SYN answered by SYN and ACK is open whatever comes then. An
    alert alone is a moment of a flow whose end is not known. An ICMP error counts as the flow's packet: of UDP it
    cannot be told from an answer.
    """
    sent, back = pl.col("flags_sent"), pl.col("flags_received").fill_null(0)
    received = pl.col("packets_received")
    whole = pl.col("kind").is_in(["flow", "netflow"])
    silent = (received == 0) | (received.is_null() & (pl.col("kind") == "netflow"))
    icmp = pl.col("protocol").is_in(["icmp", "icmp6"])
    tcp = (
        pl.when(sent.is_null() & (pl.col("state") == "established"))
        .then(pl.lit(ACCEPTED))
        .when(sent.is_null() & silent)
        .then(pl.lit(UNANSWERED))
        .when(((sent & _SYN) == 0) | sent.is_null())
        .then(pl.lit(UNKNOWN))
        .when((back & (_SYN | _ACK)) == (_SYN | _ACK))
        .then(pl.lit(ACCEPTED))
        .when((back & _RST) > 0)
        .then(pl.lit(REFUSED))
        .when(silent)
        .then(pl.lit(UNANSWERED))
        .otherwise(pl.lit(UNKNOWN))
    )
    told = pl.when(silent).then(pl.lit(UNANSWERED)).when(received > 0).then(pl.lit(ACCEPTED))
    return (
        pl.when("denied")
        .then(pl.lit(DENIED))
        .when(~whole)
        .then(pl.lit(UNKNOWN))
        .when(pl.col("protocol") == "tcp")
        .then(tcp)
        .when((pl.col("protocol") == "udp") | (icmp & pl.col("icmp_type").is_in(_ECHO_REQUESTS)))
        .then(told.otherwise(pl.lit(UNKNOWN)))
        .otherwise(pl.lit(UNKNOWN))
    )
