"""Folded packets to rows of the table `connections`: outcomes, names of flags, addresses as text."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from knockwatch.clock import plausible
from knockwatch.sources._network_headers import MAPPED, Truths
from knockwatch.sources._packets import ACK, ICMP, ICMP6, REPLIES, RST, SYN, TCP, UDP
from knockwatch.sources._payloads import Payloads
from knockwatch.tables import ACCEPTED, REFUSED, UNANSWERED, UNKNOWN

Columns = dict[str, npt.NDArray[Any]]

SUMS = ("packets_sent", "packets_received", "bytes_sent", "bytes_received")
_NAMES = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMP6: "icmp6"}
_FLAG_BITS = {"SYN": 0x02, "ACK": 0x10, "FIN": 0x01, "RST": 0x04, "PSH": 0x08, "URG": 0x20}
_TCP_NUMBERS = {"window": "tcp_window", "seq": "tcp_seq", "ack": "tcp_ack"}


def is_syn(both: Columns) -> Truths:
    """Say which packets ask for a TCP connection."""
    flags = both["flags"].astype(np.int64)
    asks: Truths = (both["protocol"] == TCP) & (flags & (SYN | ACK | RST) == SYN)
    return asks


def rows(folded: Columns) -> pl.DataFrame:
    """Turn connections into rows of the table `connections`, in the order of their first packets."""
    if not folded:
        return pl.DataFrame(schema={"line": pl.Int64()})
    order = np.argsort(folded["line"], kind="stable")
    columns = {name: column[order] for name, column in folded.items()}
    icmp = (columns["protocol"] == ICMP) | (columns["protocol"] == ICMP6)
    asked = np.isin(columns["icmp_type"], list(REPLIES.values()))
    begun = np.where(columns["protocol"] == TCP, is_syn(columns), ~icmp | asked)
    frame = pl.DataFrame({name: column for name, column in columns.items() if column.ndim == 1}).with_columns(
        pl.Series("icmp", icmp), pl.Series("begun", begun)
    )
    flags = pl.col("flags").replace_strict(
        list(range(64)), [_flags(bits) for bits in range(64)], default=None
    )
    time = plausible(pl.col("time_us"))
    return frame.select(
        "line",
        time.alias("time_us"),
        pl.when(time.is_not_null())
        .then(
            pl.concat_str(
                pl.col("time_us") // 1_000_000,
                pl.lit("."),
                (pl.col("time_us") % 1_000_000).cast(pl.String).str.zfill(6),
            )
        )
        .alias("time"),
        _address(columns, "source").alias("source_ip"),
        _address(columns, "destination").alias("destination_ip"),
        *(
            pl.when(~pl.col("icmp")).then(pl.col(name)).alias(name)
            for name in ("source_port", "destination_port")
        ),
        pl.col("protocol").replace_strict(_NAMES, return_dtype=pl.String),
        _outcome().alias("outcome"),
        pl.when(pl.col("protocol") == TCP).then(flags).alias("tcp_flags"),
        *(_known(name) for name in ("icmp_type", "icmp_code", "ip_id")),
        *SUMS,
        pl.col("length").alias("packet_length"),
        "payload_length",
        pl.when(pl.col("payload_head_length") > 0).then("payload_entropy").alias("payload_entropy"),
        pl.col("payload_alphabet").replace_strict(Payloads.ALPHABETS, default=None, return_dtype=pl.String),
        _heads(columns).alias("payload_head"),
        "ttl",
        *(_known(own).alias(name) for own, name in _TCP_NUMBERS.items()),
        pl.lit(1, dtype=pl.Int64).alias("event_count"),
    )


def _known(name: str) -> pl.Expr:
    """Give a number, null where it is -1."""
    return pl.when(pl.col(name) >= 0).then(pl.col(name)).alias(name)


def _flags(bits: int) -> str:
    """Write TCP flags."""
    return ",".join(name for name, bit in _FLAG_BITS.items() if bits & bit)


def _outcome() -> pl.Expr:
    """Say what became of connections.

    What answers a SYN with SYN and ACK is open, whatever comes then. Where the beginning was not captured, or only
    one side, and where the answer is neither yes nor no, the outcome is unknown.
    """
    return (
        pl.when(~pl.col("begun"))
        .then(pl.lit(UNKNOWN))
        .when("answered")
        .then(pl.lit(ACCEPTED))
        .when(pl.col("reset") | pl.col("unreachable"))
        .then(pl.lit(REFUSED))
        .when(pl.col("replied") | pl.col("acknowledged"))
        .then(pl.lit(UNKNOWN))
        .otherwise(pl.lit(UNANSWERED))
    )


def _heads(columns: Columns) -> pl.Series:
    """Write the first bytes of payloads in hexadecimal; null where there are none."""
    lengths = columns["payload_head_length"].tolist()
    rows = columns["payload_head"]
    return pl.Series(
        [rows[index, :length].tobytes().hex() if length else None for index, length in enumerate(lengths)],
        dtype=pl.String,
    )


def _address(columns: Columns, side: str) -> pl.Series:
    """Write addresses in their shortest form (RFC 5952)."""
    high, low = columns[f"{side}_high"].astype(np.uint64), columns[f"{side}_low"].astype(np.uint64)
    octets = [((low >> np.uint64(shift)) & np.uint64(255)).astype(np.int64) for shift in (24, 16, 8, 0)]
    text = pl.DataFrame({str(index): octet for index, octet in enumerate(octets)}).select(
        pl.concat_str(pl.all(), separator=".")
    )
    six = (high != 0) | (low >> np.uint64(32) != np.uint64(MAPPED >> 32))
    series = text.to_series()
    if not six.any():
        return series
    pairs, inverse = np.unique(np.stack([high[six], low[six]], axis=1), axis=0, return_inverse=True)
    written = pl.Series(
        [str(IPv6Address(int(top) << 64 | int(bottom))) for top, bottom in pairs], dtype=pl.String
    )
    return series.scatter(np.flatnonzero(six), written.gather(inverse.reshape(-1)))
