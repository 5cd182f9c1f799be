"""Packets as tshark and Wireshark write their fields, in whatever export, put together to connections as of a capture.

A field that comes several times in a packet, as in a tunnel or an ICMP error, holds all its values, with commas
between: the last is that of the innermost packet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from knockwatch.clock import Clock
from knockwatch.evidence import BLOCK_BYTES, Evidence
from knockwatch.sources import Batch, Reading
from knockwatch.sources._addresses import shortest
from knockwatch.sources._event_times import moments
from knockwatch.sources._flow_records import flag_bits
from knockwatch.sources._made_frames import ETHERNET, HEADER, frames
from knockwatch.sources._packets import REPLIES
from knockwatch.sources.pcap import SOURCE as CAPTURES

FIELDS: Mapping[str, tuple[str, ...]] = {
    "time": ("frame.time_epoch", "frame.time_utc", "frame.time"),
    "frame_length": ("frame.len",),
    "source": ("ip.src",),
    "destination": ("ip.dst",),
    "source_6": ("ipv6.src",),
    "destination_6": ("ipv6.dst",),
    "length": ("ip.len",),
    "length_6": ("ipv6.plen",),
    "ttl": ("ip.ttl",),
    "ttl_6": ("ipv6.hlim",),
    "ip_id": ("ip.id",),
    "tcp_source": ("tcp.srcport",),
    "tcp_destination": ("tcp.dstport",),
    "flags": ("tcp.flags",),
    "letters": ("tcp.flags.str",),
    "seq": ("tcp.seq_raw",),
    "ack": ("tcp.ack_raw",),
    "window": ("tcp.window_size_value",),
    "tcp_length": ("tcp.len",),
    "udp_source": ("udp.srcport",),
    "udp_destination": ("udp.dstport",),
    "udp_length": ("udp.length",),
    "icmp_type": ("icmp.type",),
    "icmp_code": ("icmp.code",),
    "icmp_ident": ("icmp.ident",),
    "icmp_type_6": ("icmpv6.type",),
    "icmp_code_6": ("icmpv6.code",),
    "icmp_ident_6": ("icmpv6.echo.identifier",),
    "payload": ("tcp.payload", "udp.payload", "data.data"),
}
"""Our names and Wireshark's (its display filter reference), of which the first that is there counts."""
NAMES = frozenset(name for names in FIELDS.values() for name in names)
_CODES = ("icmp_code", "icmp_code_6")
_NEEDS: Mapping[str, frozenset[str]] = {
    "packet_length": frozenset(("length", "length_6")),
    "bytes_sent": frozenset(("length", "length_6", "frame_length")),
    "bytes_received": frozenset(("length", "length_6", "frame_length")),
    "ttl": frozenset(("ttl", "ttl_6")),
    "ip_id": frozenset(("ip_id",)),
    "tcp_window": frozenset(("window",)),
    "tcp_seq": frozenset(("seq",)),
    "tcp_ack": frozenset(("ack",)),
    "icmp_code": frozenset(_CODES),
}
"""Columns of the table, and the fields of which one must be there."""
PACKETS = "packets"
"""Name under which batches carry packets' fields until they are put together."""

_UNREACHABLE, _UNREACHABLE_6 = 3, 1
_NUMBERS = (
    "frame_length", "length", "length_6", "ttl", "ttl_6", "tcp_source", "tcp_destination", "tcp_length", "udp_source",
    "udp_destination", "udp_length", "window", "seq", "ack", "ip_id", "icmp_ident", "icmp_ident_6",
)  # fmt: skip
_HEADERS_6 = 40
_TTL_MOST = 255
_PACKET = (
    "time_us", "kind", "source", "destination", "error", "error_code", "length", "payload_length", "ttl", "ip_id",
    "port", "to_port", "flags", "seq", "ack", "window", "icmp_type", "icmp_code", "icmp_ident", "payload",
)  # fmt: skip
"""What `_made_frames` takes."""
_UNTIMED_US = 0
"""What a packet without a time has in a capture."""


def known(names: Collection[str]) -> bool:
    """Say whether an export with these fields tells who sent what to whom."""
    ends = {"ip.src", "ip.dst"} <= set(names) or {"ipv6.src", "ipv6.dst"} <= set(names)
    flags = "tcp.flags" in names or "tcp.flags.str" in names
    tcp = {"tcp.srcport", "tcp.dstport"} <= set(names)
    udp = {"udp.srcport", "udp.dstport"} <= set(names)
    return ends and ((tcp and flags) or (udp and not tcp))


def packets(found: pl.DataFrame, clock: Clock) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read fields.

    Parameters
    ----------
    found
        `line`, `text` (may be missing), and fields as text under the names of `FIELDS`; some may be missing.

    Returns
    -------
    tuple
        All packets, as `_made_frames` takes them, `kind` being null of frames that are neither TCP, UDP nor ICMP; and
        `line` and `text` of those whose addresses or ports are none.
    """
    read = _read(found, clock)
    tcp = pl.col("kind") == "tcp"
    port = pl.when(tcp).then("tcp_source").otherwise("udp_source")
    to_port = pl.when(tcp).then("tcp_destination").otherwise("udp_destination")
    ports = port.is_between(0, 65535) & to_port.is_between(0, 65535)
    portless = pl.col("kind").is_in(["icmp", "icmp6"])
    ends = pl.col("source").is_not_null() & pl.col("destination").is_not_null()
    sound = (ends & (portless | ports)).fill_null(value=False)
    whole = read.with_columns(
        port.alias("port"),
        to_port.alias("to_port"),
        (pl.col("kind").is_null() | sound).alias("sound"),
        _length().alias("length"),
        _payload_length().alias("payload_length"),
        pl.coalesce("ttl", "ttl_6").clip(0, _TTL_MOST).alias("ttl"),
        _payload().alias("payload"),
    )
    bad = whole.filter(~pl.col("sound")).select("line", "text")
    kind = pl.when("sound").then("kind").alias("kind")
    return whole.select("line", kind, *(name for name in _PACKET if name != "kind")), bad


def _read(found: pl.DataFrame, clock: Clock) -> pl.DataFrame:
    """Read each field, of those that come several times the last, and tell what each packet is."""
    absent = [name for name in (*FIELDS, "text") if name not in found.columns]
    found = found.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent)
    found = found.with_columns(pl.col(*FIELDS).str.strip_chars().replace("", None))
    lists = ("icmp_type", "icmp_type_6", *_CODES)
    several = [name for name in FIELDS if name not in ("time", *lists)]
    last = found.with_columns(
        *(pl.col(name).str.split(",").list.last() for name in several),
        moments(found["time"], clock).alias("time_us"),
        *(_numbers_in(name).alias(name) for name in lists),
    )
    read = last.with_columns(
        *(_number(name) for name in _NUMBERS),
        pl.coalesce(_number("flags"), flag_bits(pl.col("letters"))).alias("flags"),
        pl.coalesce("source", "source_6").alias("source"),
        pl.coalesce("destination", "destination_6").alias("destination"),
    )
    return read.with_columns(shortest(read["source"]), shortest(read["destination"]), *_kind())


def connections(batches: Iterable[Batch], names: Collection[str], reading: Reading) -> Iterator[Batch]:
    """Replace the packets of batches by rows of the table `connections`, as a capture's are.

    Parameters
    ----------
    names
        The fields that the export has, under Wireshark's names; what it has not is unknown in the rows.
    """
    told: list[Batch] = []
    lines = _Lines()

    def chunks() -> Iterator[bytes]:
        yield HEADER
        for batch in batches:
            found = batch.tables.pop(PACKETS, None)
            told.append(batch)
            if found is not None and found.height:
                lines.add(found["line"].to_numpy())
                yield frames(found)

    capture = _Capture(reading.evidence.number, reading.evidence.path, reading.evidence.name, made=chunks())
    for batch in CAPTURES.read(replace(reading, evidence=capture, executor=None)):
        rows = lines.of(_without_unknown(batch.tables["connections"], names))
        batch.misfits = None if batch.misfits is None else lines.of(batch.misfits)
        batch.tables, batch.records = {"connections": rows}, 0
        yield batch
        yield from told
        told.clear()
    yield from told


@dataclass
class _Capture(Evidence):
    """A capture that is made, not read."""

    made: Iterator[bytes] = field(default_factory=lambda: iter(()))

    def chunks(self, size: int = BLOCK_BYTES) -> Iterator[bytes]:
        """Give it piece by piece, as it is made."""
        del size
        return self.made


class _Lines:
    """Where the packets stand in their file, by their number; kept where the step between two is not one."""

    def __init__(self) -> None:
        self._count = 0
        self._numbers, self._lines = [0], [0]

    def add(self, lines: npt.NDArray[np.int64]) -> None:
        """Note the lines of the next packets."""
        numbers = np.arange(self._count, self._count + len(lines)) + 1
        steps = np.append(self._lines[-1] - self._numbers[-1], lines - numbers)
        for place in np.flatnonzero(np.diff(steps)).tolist():
            self._numbers.append(int(numbers[place]))
            self._lines.append(int(lines[place]))
        self._count += len(lines)

    def of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Give rows their lines in the place of their numbers."""
        numbers = rows["line"].to_numpy()
        known, lines = np.array(self._numbers), np.array(self._lines)
        place = np.searchsorted(known, numbers, side="right") - 1
        return rows.with_columns(pl.Series("line", lines[place] + numbers - known[place], dtype=pl.Int64))


def _number(name: str) -> pl.Expr:
    """Read a number, decimal or hexadecimal."""
    text = pl.col(name)
    sixteen = text.str.strip_prefix("0x").str.to_integer(base=16, strict=False)
    return (
        pl.when(text.str.starts_with("0x"))
        .then(sixteen)
        .otherwise(text.cast(pl.Int64, strict=False))
        .alias(name)
    )


def _numbers_in(name: str) -> pl.Expr:
    """Read all numbers of a field."""
    return pl.col(name).str.split(",").cast(pl.List(pl.Int64), strict=False)


def _kind() -> list[pl.Expr]:
    """Tell what each packet is; of an ICMP error, what the packet is that it is about."""
    first, last = (
        {name: getattr(pl.col(name).list, which)() for name in ("icmp_type", "icmp_type_6", *_CODES)}
        for which in ("first", "last")
    )
    error = (first["icmp_type"] == _UNREACHABLE).fill_null(value=False)
    error_6 = (first["icmp_type_6"] == _UNREACHABLE_6).fill_null(value=False)
    asked = [*REPLIES, *REPLIES.values()]
    icmp, icmp_6 = (last[name].is_in(asked).fill_null(value=False) for name in ("icmp_type", "icmp_type_6"))
    quoted = error | error_6 | (first["icmp_type"].is_null() & first["icmp_type_6"].is_null())
    return [
        pl.when(quoted & pl.col("tcp_source").is_not_null())
        .then(pl.lit("tcp"))
        .when(quoted & pl.col("udp_source").is_not_null())
        .then(pl.lit("udp"))
        .when(icmp)
        .then(pl.lit("icmp"))
        .when(icmp_6)
        .then(pl.lit("icmp6"))
        .alias("kind"),
        (error | error_6).alias("error"),
        pl.coalesce(first["icmp_code"], first["icmp_code_6"]).alias("error_code"),
        pl.coalesce(last["icmp_type"], last["icmp_type_6"]).alias("icmp_type"),
        pl.coalesce(last["icmp_code"], last["icmp_code_6"]).alias("icmp_code"),
        pl.coalesce("icmp_ident", "icmp_ident_6").alias("icmp_ident"),
    ]


def _length() -> pl.Expr:
    """Give the length of an IP packet; where only the frame's is told, as if the link were Ethernet."""
    six = pl.col("length_6") + _HEADERS_6
    own = pl.coalesce("length", six, pl.col("frame_length") - ETHERNET)
    return pl.when(~pl.col("error")).then(own)


def _payload_length() -> pl.Expr:
    """Give the length of the payload, as far as fields tell it."""
    kind = pl.col("kind")
    return pl.when(kind == "tcp").then("tcp_length").when(kind == "udp").then(pl.col("udp_length") - 8)


def _payload() -> pl.Expr:
    """Read a payload written in hexadecimal."""
    plain = pl.col("payload").str.replace_all(":", "", literal=True)
    return pl.when(~pl.col("error")).then(plain.str.decode("hex", strict=False))


def _without_unknown(rows: pl.DataFrame, names: Collection[str]) -> pl.DataFrame:
    """Leave open what the export does not tell, rather than 0."""
    told = {ours for ours, theirs in FIELDS.items() if set(theirs) & set(names)}
    drop = [column for column, needed in _NEEDS.items() if not needed & told]
    by_protocol = {
        "tcp": {"tcp_length"},
        "udp": {"udp_length"},
        "icmp": {"length"},
        "icmp6": {"length_6"},
    }
    blind = [name for name, needed in by_protocol.items() if not (needed | {"payload"}) & told]
    if rows.is_empty():
        return rows
    timed = pl.col("time_us") != _UNTIMED_US
    return rows.with_columns(
        pl.when(~pl.col("protocol").is_in(blind)).then("payload_length").alias("payload_length"),
        *(pl.when(timed).then(name).alias(name) for name in ("time_us", "time")),
    ).drop(drop, strict=False)
