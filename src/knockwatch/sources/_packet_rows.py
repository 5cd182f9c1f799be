"""Folded packets to rows of the table `connections`: outcomes, names of flags, addresses as text."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from knockwatch.clock import plausible
from knockwatch.sources._network_headers import MAPPED, Truths
from knockwatch.sources._open_connections import Columns
from knockwatch.sources._packets import ACK, ICMP, ICMP6, REPLIES, RST, SYN, TCP, UDP
from knockwatch.sources._payloads import Payloads
from knockwatch.sources._record_chains import Integers
from knockwatch.tables import ACCEPTED, DENIED, REFUSED, UNANSWERED, UNKNOWN

ANSWERED, RESET, UNREACHABLE, PROHIBITED, REPLIED, ACKNOWLEDGED = 1, 2, 4, 8, 16, 32
"""What was `seen` of a connection: bits of one number."""
SUMS = ("packets_sent", "packets_received", "bytes_sent", "bytes_received")
_NAMES = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMP6: "icmp6"}
_FLAG_BITS = {"SYN": 0x02, "ACK": 0x10, "FIN": 0x01, "RST": 0x04, "PSH": 0x08, "URG": 0x20}
_TCP_NUMBERS = {"window": "tcp_window", "seq": "tcp_seq", "ack": "tcp_ack"}


def is_syn(both: Columns) -> Truths:
    """Say which packets ask for a TCP connection."""
    asks: Truths = (both["protocol"] == TCP) & (both["flags"] & (SYN | ACK | RST) == SYN)
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

    What answers a SYN with SYN and ACK is open, whatever comes then. An end that resets, and a host or router that
    says that something cannot be reached, refuse; that it is prohibited, says a firewall. Where the beginning was
    not captured, or only one side, and where the answer is neither yes nor no, the outcome is unknown.
    """

    def seen(bits: int) -> pl.Expr:
        return pl.col("seen") & bits > 0

    return (
        pl.when(~pl.col("begun"))
        .then(pl.lit(UNKNOWN))
        .when(seen(ANSWERED))
        .then(pl.lit(ACCEPTED))
        .when(seen(RESET | UNREACHABLE))
        .then(pl.lit(REFUSED))
        .when(seen(PROHIBITED))
        .then(pl.lit(DENIED))
        .when(seen(REPLIED | ACKNOWLEDGED))
        .then(pl.lit(UNKNOWN))
        .otherwise(pl.lit(UNANSWERED))
    )


def _heads(columns: Columns) -> pl.Series:
    """Write the first bytes of payloads in hexadecimal; null where there are none."""
    lengths = columns["payload_head_length"]
    there = np.flatnonzero(lengths)
    written = hexadecimal(columns["payload_head"][there], lengths[there])
    return pl.Series([None], dtype=pl.String).new_from_index(0, len(lengths)).scatter(there, written)


def hexadecimal(rows: npt.NDArray[np.uint8], lengths: Integers) -> pl.Series:
    """Write the first bytes of rows in hexadecimal."""
    kept = np.flatnonzero(np.arange(rows.shape[1]) < lengths[:, None])
    octets = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(),
        len(rows),
        [None, pa.py_buffer(_ends(lengths)), pa.py_buffer(rows.ravel().take(kept))],
    )
    return pl.Series(octets, dtype=pl.Binary).bin.encode("hex")


def _address(columns: Columns, side: str) -> pl.Series:
    """Write addresses in their shortest form (RFC 5952)."""
    high, low = columns[f"{side}_high"], columns[f"{side}_low"]
    octets = low.astype(">u4").view(np.uint8).reshape(len(low), 4)
    dotted = np.array([f"{value}.".encode() for value in range(256)]).view(np.uint32)
    letters = dotted.take(octets).view(np.uint8).reshape(len(low), 16)
    letters[:, -4:] *= letters[:, -4:] != ord(".")
    widths = 2 + (octets > 9).view(np.uint8) + (octets > 99).view(np.uint8)
    series = _text(letters, widths[:, 0] + widths[:, 1] + widths[:, 2] + widths[:, 3] - np.uint8(1))
    six = np.flatnonzero((high != 0) | (low >> np.uint64(32) != MAPPED >> 32))
    if not len(six):
        return series
    pairs, inverse = np.unique(np.stack([high[six], low[six]], axis=1), axis=0, return_inverse=True)
    written = pl.Series(
        [str(IPv6Address(int(top) << 64 | int(bottom))) for top, bottom in pairs], dtype=pl.String
    )
    return series.scatter(six, written.gather(inverse.reshape(-1)))


def _text(letters: npt.NDArray[np.uint8], lengths: npt.NDArray[Any]) -> pl.Series:
    """Make texts of rows of ASCII letters; zeros are left out, and `lengths` says how many are no zeros."""
    flat = letters.ravel()
    buffers = pa.py_buffer(_ends(lengths)), pa.py_buffer(flat.take(np.flatnonzero(flat != 0)))
    return pl.Series(pa.LargeStringArray.from_buffers(len(letters), *buffers), dtype=pl.String)


def _ends(lengths: npt.NDArray[Any]) -> Integers:
    """Give where texts laid one behind the other begin, and where the last one ends."""
    ends = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=ends[1:])
    return ends
