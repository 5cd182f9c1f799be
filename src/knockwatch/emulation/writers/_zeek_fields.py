"""What Zeek would say of a row, for both ways in which it writes its conn.log."""

from __future__ import annotations

import polars as pl

from knockwatch.emulation.writers._text import of_protocol

SECONDS = 1_000_000
_PING_BYTES = 56


def with_zeek(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `ts`, `uid`, `state`, `history`, `duration`, and bytes and packets each way as Zeek counts them."""
    accepted = pl.col("accepted")
    asked = of_protocol(pl.lit(60), pl.lit(29), pl.lit(28 + _PING_BYTES))
    packets = pl.when(accepted).then(pl.col("sent") // 500 + 3).otherwise(1)
    answers = pl.when(accepted).then(pl.col("received") // 1400 + 2).otherwise(0)
    payload = of_protocol(pl.lit(0), pl.lit(1), pl.lit(_PING_BYTES))
    seconds, micros = pl.col("time_us") // SECONDS, pl.col("time_us") % SECONDS
    ping = pl.col("protocol") == "icmp"
    state = pl.when(accepted).then(pl.lit("SF")).otherwise(pl.lit("S0"))
    return rows.with_columns(
        pl.concat_str(seconds, pl.lit("."), micros.cast(pl.String).str.zfill(6)).alias("ts"),
        pl.concat_str(pl.lit("C"), pl.col("time_us"), pl.lit("k"), pl.col("source_port")).alias("uid"),
        of_protocol(state, state, pl.lit("OTH")).alias("state"),
        of_protocol(
            pl.when(accepted).then(pl.lit("ShADadFf")).otherwise(pl.lit("S")),
            pl.when(accepted).then(pl.lit("Dd")).otherwise(pl.lit("D")),
            pl.lit(""),
        ).alias("history"),
        pl.when(accepted).then(pl.lit("0.250000")).otherwise(pl.lit("0.000000")).alias("duration"),
        pl.when(accepted).then("sent").otherwise(payload).alias("orig_bytes"),
        pl.col("received").alias("resp_bytes"),
        packets.alias("orig_pkts"),
        pl.when(accepted).then(pl.col("sent") + 52 * packets).otherwise(asked).alias("orig_ip_bytes"),
        answers.alias("resp_pkts"),
        (pl.col("received") + 52 * answers).alias("resp_ip_bytes"),
        pl.when(ping).then(8).otherwise("source_port").alias("orig_p"),
        pl.when(ping).then(0).otherwise("destination_port").alias("resp_p"),
    )
