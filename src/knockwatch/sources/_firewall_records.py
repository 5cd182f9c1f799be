"""From what firewalls write of a session to rows of the table `connections`: what all of them have in common.

How one of them spells it is its body's business, what its words mean `_vendor_words`', and how times are spelled
`_event_times`'.
"""

from __future__ import annotations

import polars as pl

from knockwatch.clock import SECOND_US
from knockwatch.sources import Batch
from knockwatch.sources._addresses import shortest
from knockwatch.sources._vendor_words import RESETS_BYTES, judged
from knockwatch.tables import ACCEPTED, UNANSWERED, UNKNOWN

RECORD: dict[str, pl.DataType] = {
    **{
        name: pl.String()
        for name in (
            *("source_ip", "source_port", "destination_ip", "destination_port", "protocol"),
            *("vendor", "product", "DeviceAction", "Reason", "DeviceEventClassID", "Activity", "Message"),
            *("time", "sensor", "rule", "tcp_flags"),
        )
    },
    **{
        name: pl.Int64()
        for name in (
            *("time_us", "lasted_us", "icmp_type", "icmp_code", "event_count"),
            *("packets_sent", "packets_received", "bytes_sent", "bytes_received"),
        )
    },
    **{name: pl.Boolean() for name in ("zoned", "through", "ended", "answered")},
}
"""What a body may say of a session, all but the line and the ends in its own words:

- `vendor`, `product` and the columns of CommonSecurityLog in which vendors' words stand;
- `time_us` and `time`, the device's own time of the record, and whether it named its zone (`zoned`);
- `lasted_us`, how long before that the session began;
- `through`, whether it went to another host than the firewall; `ended`, whether the session was over, so that counts
  of nothing mean that nothing came; `answered`, where the record shows an answer in another way than by counts.
"""

_WORDS = ("vendor", "product", "DeviceAction", "Reason", "DeviceEventClassID", "Activity", "Message")
_ABSENT = ("", "-", "n/a", "na", "null", "none", "unknown", "any")
"""Words that writers put where they have nothing to say."""
_PROTOCOLS = {
    "1": "icmp", "6": "tcp", "17": "udp", "58": "icmp6", "ipv6-icmp": "icmp6", "icmpv6": "icmp6",
    "icmp-v6": "icmp6", "icmp for ipv6": "icmp6", "ipv6icmp": "icmp6",
}  # fmt: skip
_PORT_MAX = 65535
_QUARTER_US = 900 * SECOND_US
"""Zones differ by quarters of an hour."""
_ZONE_MOST_US = 14 * 3600 * SECOND_US
_DELAY_MOST_US = 300 * SECOND_US


def read_records(records: pl.DataFrame, messages: pl.DataFrame) -> Batch:
    """Make connections of firewall records.

    Parameters
    ----------
    records
        `line`, and columns of `RECORD`.
    messages
        The messages they were read from, with at least their `line`, `time_us`, `time`, `host` and `message`; those
        without a record tell of no connection.

    Returns
    -------
    Batch
        The connections. A record is a misfit whose ports are none, whose addresses are none, or that names no
        source.
    """
    frame = records.select(
        "line",
        *(
            (pl.col(name).cast(dtype, strict=False) if name in records.columns else pl.lit(None, dtype=dtype))
            .alias(name)
            for name, dtype in RECORD.items()
        ),
    ).join(
        messages.select(
            "line", pl.col("time_us").alias("carried_us"), pl.col("time").alias("carried"), "host"
        ),
        on="line",
        how="left",
        maintain_order="left",
    )  # fmt: skip
    ends = _ends(frame)
    frame = frame.with_columns(ends.drop("sound"))
    frame = frame.filter(ends["sound"])
    frame = frame.with_columns(*_outcomes(frame).get_columns(), *_times())
    rows = frame.select(*_connection())
    lost = records["line"].filter(~ends["sound"])
    return Batch(
        messages.height,
        {"connections": rows},
        messages.filter(pl.col("line").is_in(lost.implode())).select("line", pl.col("message").alias("text")),
        redundant=rows.filter(pl.col("outcome") != UNKNOWN)["line"],
    )


def _ends(frame: pl.DataFrame) -> pl.DataFrame:
    """Read addresses, ports and protocol; `sound` says whether they are such."""
    written = frame.select(
        *(_said(name) for name in ("source_ip", "destination_ip", "source_port", "destination_port")),
        pl.col("protocol").str.to_lowercase().replace(_PROTOCOLS),
    )
    icmp = pl.col("protocol").is_in(["icmp", "icmp6"]).fill_null(value=False)
    ports = {
        name: pl.when(~icmp).then(pl.col(name).cast(pl.Int64, strict=False)).alias(name)
        for name in ("source_port", "destination_port")
    }
    read = written.with_columns(
        shortest(written["source_ip"]), shortest(written["destination_ip"]), *ports.values()
    )
    lost = (written["destination_ip"].is_not_null() & read["destination_ip"].is_null()) | read[
        "source_ip"
    ].is_null()
    for name in ports:
        impossible = ~read[name].is_between(0, _PORT_MAX).fill_null(value=False)
        ported = ~read["protocol"].is_in(["icmp", "icmp6"]).fill_null(value=False)
        lost |= written[name].is_not_null() & impossible & ported
    return read.with_columns((~lost).alias("sound"))


def _said(name: str) -> pl.Expr:
    """Keep a text that says something."""
    return pl.when(~pl.col(name).str.to_lowercase().is_in(_ABSENT)).then(pl.col(name)).alias(name)


def _outcomes(frame: pl.DataFrame) -> pl.DataFrame:
    """Say what became of each session; few combinations of words occur, so each is judged once."""
    received = pl.max_horizontal("bytes_received", "packets_received")
    keyed = frame.select(
        *_WORDS, (pl.col("bytes_received") > RESETS_BYTES).fill_null(value=False).alias("much")
    )
    distinct = keyed.unique(maintain_order=True)
    verdict = judged(
        distinct.rename({"vendor": "DeviceVendor", "product": "DeviceProduct"}).with_columns(
            (pl.col("much").cast(pl.Int64) * (RESETS_BYTES + 1)).alias("received")
        )
    )
    known = pl.concat([distinct, verdict], how="horizontal")
    said = keyed.join(known, on=keyed.columns, how="left", nulls_equal=True, maintain_order="left")
    sent = pl.max_horizontal("bytes_sent", "packets_sent")
    counted = frame.select(
        ((received == 0) & (sent > 0) & pl.col("ended")).fill_null(value=False).alias("silence"),
        ((received > 0) | pl.col("answered")).fill_null(value=False).alias("answer"),
        "through",
    )
    return pl.concat([said.select("outcome", "action"), counted], how="horizontal").select(
        pl.when((pl.col("outcome") == ACCEPTED) & pl.col("silence"))
        .then(pl.lit(UNANSWERED))
        .otherwise("outcome")
        .alias("outcome"),
        "action",
        # An accept that is known to be answered counts, though the answer came from another host than the recorder.
        pl.when(~pl.col("through") | ~pl.col("answer")).then("through").alias("forwarded"),
    )


def _times() -> list[pl.Expr]:
    """Choose when each session began.

    The device's own time is the most original one. Where it names no zone, the messages that carried it tell by how
    many quarters of an hour it is off; single messages come late, so the median of each device's decides. A time in
    whole seconds gives way to a finer one within that second, since the order of a burst hangs on it.
    """
    apart = (pl.col("carried_us") - pl.col("time_us")).filter(~_zoned()).median().over("host")
    zone = (apart / _QUARTER_US).round() * _QUARTER_US
    is_zone = ((apart - zone).abs() <= _DELAY_MOST_US) & (zone.abs() <= _ZONE_MOST_US)
    offset = pl.when(~_zoned() & is_zone).then(zone.cast(pl.Int64)).otherwise(0)
    own = pl.col("time_us") + offset
    finer = (own % SECOND_US == 0) & (pl.col("carried_us") - own).is_between(1, SECOND_US - 1)
    moment = pl.coalesce(pl.when(finer).then("carried_us"), own, "carried_us")
    return [
        (moment - pl.col("lasted_us").fill_null(0).clip(lower_bound=0)).alias("time_us"),
        pl.coalesce(pl.when(pl.col("time_us").is_not_null()).then("time"), "carried").alias("time"),
    ]


def _zoned() -> pl.Expr:
    """Say whether a record's own time names its zone."""
    return pl.col("zoned").fill_null(value=False)


def _connection() -> list[pl.Expr]:
    """Give the columns of the table `connections`."""
    # Cisco writes a colon behind the host.
    host = pl.when(pl.col("host") != "").then(pl.col("host").str.strip_chars_end(":"))
    return [
        *(pl.col(name) for name in ("line", "time_us", "time", "source_ip", "source_port", "destination_ip")),
        *(pl.col(name) for name in ("destination_port", "protocol", "outcome", "action", "tcp_flags")),
        *(pl.col(name) for name in ("icmp_type", "icmp_code", "packets_sent", "packets_received")),
        *(pl.col(name) for name in ("bytes_sent", "bytes_received", "forwarded")),
        pl.col("event_count").fill_null(1).clip(lower_bound=1),
        pl.coalesce(_said("sensor"), host).alias("sensor"),
        *(pl.col(name) for name in ("vendor", "product", "rule")),
    ]
