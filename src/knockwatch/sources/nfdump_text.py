"""NetFlow and IPFIX as nfdump prints them to be read: -o line, long, extended."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from knockwatch.sources import Batch, Format, Head, LineSource, Reading, share
from knockwatch.sources._flow_conversations import FLOWS, folded
from knockwatch.sources._nfdump import VIEW, read

_HEADER = "Date first seen"
_COUNT = r"\d+(?:\.\d+)?(?: [KMGT])?"
_END = (
    r"(?:(?P<{0}_4>\d+(?:\.\d+){{3}}):(?P<{0}_port_4>\d+(?:\.\d+)?)"
    r"|(?P<{0}_6>[\da-fA-F:]*:[\da-fA-F:.]*?)\.(?P<{0}_port_6>\d+(?:\.\d+)?))"
)
"""An address and a port, or an ICMP type and code; of IPv6 a dot stands between."""
_FLOW = (
    r"^(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) +(?:(?P<hours>\d+):(?P<minutes>\d\d):)?(?P<seconds>\d+\.\d{3}) +"
    rf"(?P<protocol>\S+) +{_END.format('source')} +(?:->|<->) +{_END.format('destination')} +"
    r"(?:(?P<letters>[.CEUAPRSF]{6,8}|0x[0-9a-fA-F]+) +(?:\d+ +)?)?"
    rf"(?P<packets_sent>{_COUNT}) +(?P<bytes_sent>{_COUNT})(?: |$)"
)
_TRAILER = r"^(?:Date first seen|Summary: |Time window: |Total flows processed: |Sys: |Aggregated flows|Top )"
_SCALE = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


class NfdumpText(LineSource):
    """Reader of nfdump's tables."""

    format = Format(
        "nfdump-text",
        "NetFlow and IPFIX, nfdump -o line, long, extended",
        ("connections",),
        "verified",
        "nfdump(1), Output formats; phaag/nfdump, src/output/output_fmt.c; own lab (1.7.1)",
    )

    def confidence(self, head: Head) -> float:
        """Certain by the header, else the share of lines that are flows."""
        if any(line.startswith(_HEADER) for line in head.lines[:1]):
            return 1.0
        flows = pl.Series(head.lines, dtype=pl.String).str.contains(_FLOW)
        return 0.9 * share(head.lines, dict(zip(head.lines, flows, strict=True)).get)

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Fold both directions of a conversation into one row."""
        yield from folded(super().read(reading), VIEW, reading)

    def parse(self, lines: pl.DataFrame, reading: Reading) -> Batch:
        """Read lines as records of flows; headers and sums are none."""
        fields = lines.with_columns(pl.col("text").str.extract_groups(_FLOW).alias("f")).unnest("f")
        whole = fields.filter(pl.col("time").is_not_null())
        parts = ((pl.col("hours"), 3600), (pl.col("minutes"), 60), (pl.col("seconds"), 1))
        duration = pl.sum_horizontal(part.cast(pl.Float64) * seconds for part, seconds in parts)
        told = whole.select(
            *("line", "text", "time", "protocol", "letters"),
            *(
                pl.coalesce(f"{end}_{part}4", f"{end}_{part}6").alias(f"{end}_{name}")
                for end in ("source", "destination")
                for part, name in (("", "ip"), ("port_", "port"))
            ),
            duration.cast(pl.String).alias("duration"),
            *(_scaled(name).alias(name) for name in ("packets_sent", "bytes_sent")),
        )
        records, bad = read(told, reading.clock)
        other = fields.filter(pl.col("time").is_null()).select("line", "text")
        other = other.filter(
            ~pl.col("text").str.contains(_TRAILER) & (pl.col("text").str.strip_chars() != "")
        )
        return Batch(lines.height, {FLOWS: records}, pl.concat([bad, other]).sort("line"))


def _scaled(name: str) -> pl.Expr:
    """Read a count that may be rounded, as ``1.2 M``."""
    number = pl.col(name).str.extract(r"^([\d.]+)", 1).cast(pl.Float64, strict=False)
    scale = (
        pl.col(name).str.extract(r"([KMGT])$", 1).replace_strict(_SCALE, default=1.0, return_dtype=pl.Float64)
    )
    return (number * scale).round().cast(pl.Int64, strict=False).cast(pl.String)


SOURCE = NfdumpText()
