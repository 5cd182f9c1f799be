"""Records of flow logs, whoever wrote them, in one shape: what one record says, before records are put together."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from knockwatch.clock import Clock
from knockwatch.sources._addresses import shortest
from knockwatch.sources._event_times import moments

ALLOWED = "allowed"
"""What a filter says that let packets pass: no answer by itself. Beside it `said` may be `denied` or `refused`."""
FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
FLAG_NAMES: Mapping[str, int] = {"SYN": SYN, "ACK": ACK, "FIN": FIN, "RST": RST, "PSH": PSH, "URG": URG}
"""TCP flags in the order of the column `tcp_flags`."""
FLAG_LETTERS: Mapping[str, int] = {"F": FIN, "S": SYN, "R": RST, "P": PSH, "A": ACK, "U": URG}
"""TCP flags as nfdump and argus write them; E and C (RFC 3168) say nothing of an answer."""

_TEXT, _WHOLE, _TRUTH = pl.String(), pl.Int64(), pl.Boolean()
FLOW: Mapping[str, pl.DataType] = {
    "line": _WHOLE,
    "time_us": _WHOLE,
    "end_us": _WHOLE,
    "time": _TEXT,
    "source_ip": _TEXT,
    "source_port": _WHOLE,
    "destination_ip": _TEXT,
    "destination_port": _WHOLE,
    "protocol": _TEXT,
    "flags": _WHOLE,
    "reply_flags": _WHOLE,
    "replied": _TRUTH,
    "packets_sent": _WHOLE,
    "packets_received": _WHOLE,
    "bytes_sent": _WHOLE,
    "bytes_received": _WHOLE,
    "payload_length": _WHOLE,
    "icmp_type": _WHOLE,
    "icmp_code": _WHOLE,
    "said": _TEXT,
    "action": _TEXT,
    "rule": _TEXT,
    "sensor": _TEXT,
    "directed": _TRUTH,
}
"""One record: from whom to whom, and, where the format has both directions in one, what came back (`replied`, counts
received, `reply_flags`). Flags are the sum of all packets' (null: not told). `said` is a filter's own word on it.
`directed`: the format says that the source began it."""

_PROTOCOLS = {
    "1": "icmp", "2": "igmp", "6": "tcp", "17": "udp", "47": "gre", "50": "esp", "51": "ah", "58": "icmp6",
    "132": "sctp", "icmpv6": "icmp6", "ipv6-icmp": "icmp6",
}  # fmt: skip
"""Protocols by number (IANA) and by the names that writers have for them."""
_PORTED = ("tcp", "udp")
_PORTLESS = ("icmp", "icmp6")
_DONE = ("line", "text", "last", "time", "time_us", "end_us")


def flows(found: pl.DataFrame, clock: Clock) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read texts as records of flows.

    Parameters
    ----------
    found
        `line`, `text` (of the whole record, may be null), columns of `FLOW` as text or in their own type, and,
        where the format has it, `last`: the time of the last packet. Columns may be missing; blanks do not count.
    clock
        How to read times.

    Returns
    -------
    tuple
        `FLOW`, and `line` and `text` of records whose addresses or ports are none or that name no protocol.
    """
    texts = [name for name, dtype in found.schema.items() if dtype == pl.String and name != "text"]
    found = found.with_columns(pl.col(texts).str.strip_chars().replace("", None))
    read = found.select(
        "line",
        *([pl.col("text")] if "text" in found.columns else [pl.lit(None, dtype=pl.String).alias("text")]),
        *_times(found, clock),
        *(
            _typed(found, name, dtype).alias(name)
            for name, dtype in FLOW.items()
            if name not in (*_DONE, "source_ip", "destination_ip", "protocol")
        ),
        *(shortest(found[name]) for name in ("source_ip", "destination_ip")),
        _protocol().alias("protocol"),
    )
    portless = pl.col("protocol").is_in(_PORTLESS)
    read = read.with_columns(
        pl.when(~portless).then(pl.col(name)).alias(name) for name in ("source_port", "destination_port")
    )
    sound = read.select(_sound().fill_null(value=False)).to_series()
    return read.filter(sound).select(*FLOW), read.filter(~sound).select("line", "text")


def whole(name: str) -> pl.Expr:
    """Read a whole number, which JSON writers may have made a decimal one."""
    return pl.col(name).str.extract(r"^\+?(\d{1,18})(?:\.0*)?$", 1).cast(pl.Int64)


def flag_bits(text: pl.Expr) -> pl.Expr:
    """Read TCP flags written as letters (``...AP.SF``, ``FSPA``); null where the text is."""
    bits = (
        pl.when(text.str.contains(letter, literal=True)).then(bit).otherwise(0)
        for letter, bit in FLAG_LETTERS.items()
    )
    return pl.when(text.is_not_null()).then(pl.sum_horizontal(bits)).cast(pl.Int64)


def _typed(found: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Expr:
    """Bring a column to its type."""
    if name not in found.columns:
        return pl.lit(None, dtype=dtype)
    if dtype == pl.Int64 and found.schema[name] == pl.String:
        return whole(name)
    return pl.col(name).cast(dtype)


def _times(found: pl.DataFrame, clock: Clock) -> list[pl.Series]:
    """Read when a flow began and ended; without an end it ended as it began."""
    nothing = pl.Series([None] * found.height, dtype=pl.String)
    time = found["time"] if "time" in found.columns else nothing
    begin = found["time_us"] if "time_us" in found.columns else moments(time, clock)
    if "end_us" in found.columns:
        end = found["end_us"]
    else:
        end = moments(found["last"] if "last" in found.columns else nothing, clock)
    last = pl.DataFrame({"b": begin, "e": end}).select(pl.max_horizontal("b", "e")).to_series()
    return [time.alias("time"), begin.alias("time_us"), last.alias("end_us")]


def _protocol() -> pl.Expr:
    """Name a protocol."""
    written = pl.col("protocol").str.to_lowercase().str.replace(r"\.0+$", "")
    return written.replace(_PROTOCOLS)


def _sound() -> pl.Expr:
    """Say whether a record makes sense."""
    ports = pl.all_horizontal(
        pl.col(name).is_between(0, 65535) for name in ("source_port", "destination_port")
    )
    return (
        pl.col("source_ip").is_not_null()
        & pl.col("destination_ip").is_not_null()
        & pl.col("protocol").is_not_null()
        & (ports | (~pl.col("protocol").is_in(_PORTED) & pl.col("destination_port").is_null()))
    )
