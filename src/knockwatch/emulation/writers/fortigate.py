"""FortiGate's own traffic log: pairs ``key=value`` ("FortiOS Log Message Reference", "Traffic", log ids 13 and 20)."""

from __future__ import annotations

import polars as pl

from knockwatch.emulation.writers._text import LineWriter, of_protocol, said


def _lines(rows: pl.DataFrame) -> pl.Series:
    """Write the lines."""
    time, accepted = pl.col("time"), pl.col("accepted")
    service = said(pl.col("protocol"), "/", pl.col("destination_port"))
    source_port = said(" srcport=", pl.col("source_port"))
    destination_port = said(" dstport=", pl.col("destination_port"))
    line = said(
        time.dt.strftime("date=%Y-%m-%d time=%H:%M:%S "),
        'devname="',
        pl.col("sensor"),
        '" devid="FG100FTK00000001" logid="0000000013" type="traffic" subtype="forward" level="notice" ',
        'vd="root" eventtime=',
        (pl.col("time_us") * 1000).cast(pl.String),
        ' tz="+0000" srcip=',
        pl.col("source"),
        of_protocol(source_port, source_port, said(" identifier=", pl.col("number"))),
        ' srcintf="wan1" srcintfrole="wan" dstip=',
        pl.col("destination"),
        of_protocol(destination_port, destination_port, pl.lit("")),
        ' dstintf="dmz" dstintfrole="dmz" sessionid=',
        pl.col("number"),
        " proto=",
        pl.col("proto"),
        pl.when(accepted)
        .then(pl.lit(' action="close" policyid=4'))
        .otherwise(pl.lit(' action="deny" policyid=0')),
        ' policytype="policy" service="',
        of_protocol(service, service, pl.lit("PING")),
        '" trandisp="noop" duration=0 sentbyte=',
        pl.when(accepted).then("sent").otherwise(0),
        " rcvdbyte=",
        pl.col("received"),
        " sentpkt=",
        pl.when(accepted).then(pl.col("sent") // 500 + 3).otherwise(0),
        " rcvdpkt=",
        pl.when(accepted).then(pl.col("received") // 1400 + 2).otherwise(0),
        ' appcat="unscanned"',
    )
    return rows.select(line).to_series()


WRITER = LineWriter("fortigate", "FortiGate traffic log, key=value", ".log", "bare-messages", _lines)
