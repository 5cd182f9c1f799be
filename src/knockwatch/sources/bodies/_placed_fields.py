"""Netfilter's fields by their place: most lines of a log have the same words in the same places as its first.

Polars' CSV reader, told that blanks divide fields, takes a fifth of the time that finding each key does. A line with
anything out of place is left to `netfilter.any_lines`, which reads the same; outcomes are not this module's business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

FLAGS = ("SYN", "ACK", "FIN", "RST", "PSH", "URG")
_ADDRESSED = ("SRC", "DST", "LEN", "TOS", "PREC", "TTL", "ID")
"""What stands, in this order, between the interfaces and the fragment flags of an IPv4 packet."""
_PORTED = ("PROTO", "SPT", "DPT", "WINDOW", "RES", "F0", "F1", "F2", "F3", "F4", "F5", "F6")
"""What follows of TCP, whose flags are bare words after RES; UDP has LEN in the place of WINDOW."""
_FEW = _PORTED[:7]
"""`_PORTED` of a packet with one flag: F1 is URGP then."""
_WORDS = tuple(place for place in _PORTED if place.startswith("F"))
_STAMP = re.compile(r"\[ {0,5}\d{1,10}\.\d{6}\]")
_STAMP_WORDS = 7
_WORDS_MOST = 400
"""Words of a line beyond which nobody looks for its fields."""


@dataclass(frozen=True)
class Layout:
    """Where the words of a line stand, counted from 0.

    Parameters
    ----------
    stamp
        How many words printk's stamp is, with which the message may begin: it is filled up with blanks.
    inside, source
        Places of ``IN=`` and ``SRC=``; the prefix ends before the first.
    """

    stamp: int
    inside: int
    source: int

    @classmethod
    def of(cls, line: str) -> Layout | None:
        """Find the places in one line; None where its fields are not those of a packet over IPv4."""
        words = line.split(" ", _WORDS_MOST)
        begin = _STAMP.match(" ".join(words[:_STAMP_WORDS]))
        stamp = len(begin[0].split(" ")) if begin else 0
        inside = next((at for at, word in enumerate(words) if word.startswith("IN=")), len(words))
        source = next((at for at, word in enumerate(words) if word.startswith("SRC=")), len(words))
        if inside < stamp or not inside + 1 < source < len(words):
            return None
        if "" in words[stamp:inside]:
            # Words do not tell how many blanks stand between them.
            return None
        return cls(stamp, inside, source)

    @property
    def prefix(self) -> list[str]:
        """Names of the places of the prefix's words."""
        return [f"P{at}" for at in range(self.inside - self.stamp)]

    def split(self, block: bytes) -> pl.DataFrame | None:
        """Split lines into words: ``S0`` … of the stamp, ``P0`` … of the prefix, the keys.

        Returns
        -------
        polars.DataFrame
            One row a line, values with their keys; None where some line is none, as an empty one.
        """
        found = _with_df(self._words(block, _FEW))
        if not found["F1"].fill_null("URGP=").str.starts_with("URGP=").all():
            found = _with_df(self._words(block, _PORTED))
        return found if found.height == block.count(b"\n") else None

    def _words(self, block: bytes, last: tuple[str, ...]) -> pl.DataFrame:
        """Split lines into words, the last of them as told: few lines have all, and each word costs."""
        names = [f"S{at}" for at in range(self.stamp)]
        names += [*self.prefix, "IN", "OUT", *(f"M{at}" for at in range(self.source - self.inside - 2))]
        names += [*_ADDRESSED, "DF", *last]
        wanted = [at for at, name in enumerate(names) if name not in {"TOS", "PREC"} and name[0] != "M"]
        return pl.read_csv(
            block,
            has_header=False,
            separator=" ",
            quote_char=None,
            schema=dict.fromkeys(names, pl.String()),
            columns=wanted,
            truncate_ragged_lines=True,
            missing_columns="insert",
            extra_columns="ignore",
        )

    def fields(self, found: pl.DataFrame) -> pl.DataFrame:
        """Read the words of lines.

        Returns
        -------
        polars.DataFrame
            Columns of the table `connections`, and `last_length` (UDP's own), `rule` and `fits`: whether all words
            of a line are in their places.
        """
        is_tcp = pl.col("PROTO") == "PROTO=TCP"
        is_udp = pl.col("PROTO") == "PROTO=UDP"
        clock = pl.lit(None, dtype=pl.Int64)
        stamped = pl.lit(value=True)
        if self.stamp:
            # A double holds microseconds exactly for longer than any machine runs.
            last = pl.col(f"S{self.stamp - 1}")
            stamped = pl.col("S0").str.starts_with("[") & last.str.ends_with("]")
            seconds = last.str.strip_prefix("[").str.strip_suffix("]").cast(pl.Float64, strict=False)
            clock = (seconds * 1_000_000).round().cast(pl.Int64)
        prefix = self.prefix
        rule = (
            pl.col(prefix[0]) if len(prefix) == 1 else pl.concat_str(prefix, separator=" ", ignore_nulls=True)
        )
        rows = found.select(
            clock.alias("clock_us"),
            _text("SRC").alias("source_ip"),
            _number("SPT", "SPT").alias("source_port"),
            _text("DST").alias("destination_ip"),
            _number("DPT", "DPT").alias("destination_port"),
            pl.when(is_tcp).then(pl.lit("tcp")).when(is_udp).then(pl.lit("udp")).alias("protocol"),
            pl.when(is_tcp).then(_flags(found)).alias("tcp_flags"),
            _number("LEN", "LEN").alias("packet_length"),
            pl.when(is_udp).then(_number("WINDOW", "LEN")).alias("last_length"),
            _number("TTL", "TTL").alias("ttl"),
            _number("ID", "ID").alias("ip_id"),
            pl.when(is_tcp).then(_number("WINDOW", "WINDOW")).alias("tcp_window"),
            pl.lit(value=False).alias("fragment"),
            ((pl.col("IN") != "IN=") & (pl.col("OUT") != "OUT=")).alias("forwarded"),
            (rule if prefix else pl.lit("")).alias("rule"),
            (
                pl.all_horizontal(stamped, *(pl.col(name).is_not_null() for name in prefix))
                & pl.col("IN").str.starts_with("IN=")
                & pl.col("OUT").str.starts_with("OUT=")
                & (pl.col("DF") == "DF")
                & (is_udp | pl.col("RES").str.starts_with("RES="))
            ).alias("fits"),
        )
        told = ["source_ip", "source_port", "destination_ip", "destination_port", "protocol", "packet_length"]
        told += ["ttl", "ip_id", *(["clock_us"] if self.stamp else [])]
        ports = (pl.col(name).is_between(0, 65535) for name in ("source_port", "destination_port"))
        sized = pl.coalesce("last_length", "tcp_window").is_not_null()
        return rows.with_columns(
            (
                pl.col("fits")
                & pl.all_horizontal(*(pl.col(name).is_not_null() for name in told), *ports, sized)
                & ~pl.col("rule").str.contains("IN=", literal=True)
            ).fill_null(value=False)
        )


def _with_df(found: pl.DataFrame) -> pl.DataFrame:
    """Move the words of packets that may be fragmented, which have no word DF, to where the others have them."""
    allowed = found["DF"].str.starts_with("PROTO=").fill_null(value=False)
    if not allowed.any():
        return found
    places = [place for place in _PORTED if place in found.columns]
    before = dict(zip(places, ["DF", *places], strict=False))
    return found.with_columns(
        pl.when(pl.lit(allowed)).then(pl.col(earlier)).otherwise(pl.col(place)).alias(place)
        for place, earlier in before.items()
    ).with_columns(pl.when(pl.lit(allowed)).then(pl.lit("DF")).otherwise("DF").alias("DF"))


def _text(key: str) -> pl.Expr:
    """Give the text of a key, null where another one stands in its place."""
    piece = pl.col(key)
    return pl.when(piece.str.starts_with(f"{key}=")).then(piece.str.slice(len(key) + 1))


def _number(place: str, key: str) -> pl.Expr:
    """Give the number of a key, null where another one stands in its place."""
    return pl.col(place).str.strip_prefix(f"{key}=").cast(pl.Int64, strict=False)


def _flags(found: pl.DataFrame) -> pl.Series:
    """Read TCP's flags, the bare words up to URGP; nearly always there is one."""
    if "F2" not in found.columns:
        return flags_of(found["F0"])
    return flags_of(found.select(pl.concat_str(_WORDS, separator=" ", ignore_nulls=True)).to_series())


def flags_of(bare: pl.Series) -> pl.Series:
    """Read the TCP flags among bare words; few combinations occur, so each is read once."""
    distinct = bare.drop_nulls().unique()
    written = [
        ",".join(flag for flag in FLAGS if flag in set(combination.split())) for combination in distinct
    ]
    return bare.replace_strict(distinct, written, default=None, return_dtype=pl.String)
