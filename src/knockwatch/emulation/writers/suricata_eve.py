"""Suricata's eve.json: the flow events of a sensor beside the servers."""

from __future__ import annotations

import polars as pl

from knockwatch.emulation.writers._text import LineWriter, of_protocol, said


def _lines(rows: pl.DataFrame) -> pl.Series:
    """Write the lines."""
    accepted = pl.col("accepted")
    begin = pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S%.6f+0000")
    ports = said(',"src_port":', pl.col("source_port"), ',"dest_port":', pl.col("destination_port"))
    asked = of_protocol(pl.lit(74), pl.lit(43), pl.lit(98))
    packets = pl.when(accepted).then(pl.col("sent") // 500 + 3).otherwise(1)
    answers = pl.when(accepted).then(pl.col("received") // 1400 + 2).otherwise(0)
    flags = (
        pl.when(accepted)
        .then(
            pl.lit(
                ',"tcp":{"tcp_flags":"1b","tcp_flags_ts":"1b","tcp_flags_tc":"1b","syn":true,"fin":true,"psh":true,"ack":true,"state":"closed"}}'
            )
        )
        .otherwise(
            pl.lit(
                ',"tcp":{"tcp_flags":"02","tcp_flags_ts":"02","tcp_flags_tc":"00","syn":true,"state":"syn_sent"}}'
            )
        )
    )
    line = said(
        '{"timestamp":"',
        begin,
        '","flow_id":',
        pl.col("time_us") * 64 + pl.col("source_port") % 64,
        ',"event_type":"flow","src_ip":"',
        pl.col("source"),
        '","dest_ip":"',
        pl.col("destination"),
        '"',
        of_protocol(ports, ports, pl.lit(',"icmp_type":8,"icmp_code":0')),
        ',"proto":"',
        pl.col("protocol").str.to_uppercase(),
        '","flow":{"pkts_toserver":',
        packets,
        ',"pkts_toclient":',
        answers,
        ',"bytes_toserver":',
        pl.when(accepted).then(pl.col("sent") + 66 * packets).otherwise(asked),
        ',"bytes_toclient":',
        pl.col("received") + 66 * answers,
        ',"start":"',
        begin,
        '","end":"',
        begin,
        '","age":0,"state":"',
        pl.when(~accepted)
        .then(pl.lit("new"))
        .otherwise(of_protocol(pl.lit("closed"), pl.lit("established"), pl.lit("new"))),
        '","reason":"timeout","alerted":false}',
        of_protocol(flags, pl.lit("}"), pl.lit("}")),
    )
    return rows.select(line).to_series()


WRITER = LineWriter("suricata-eve", "Suricata eve.json, flow events", ".json", "suricata-eve", _lines)
