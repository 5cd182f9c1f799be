"""Addresses, ports and protocol out of Cisco ASA's and FTD's message texts, where no column holds them.

What the message says of the outcome is `_vendor_words`' business. The texts are those of "Cisco Secure Firewall ASA
Series Syslog Messages" (106001 to 106100, 302013 to 302021, 710002 to 710005) and "Cisco Secure Firewall Threat
Defense Syslog Messages" (430002, 430003).
"""

from __future__ import annotations

import polars as pl

from knockwatch.sources._addresses import shortest

_ENDS = (
    r"\b(?:src|from|for) (\S+?)(?:/(\d+))?(?: ?\([^)]*\))*"
    r" (?:dst|to) (\S+?)(?:/(\d+))?\.?(?:[ ,(]|$)"
)
"""``src outside:192.0.2.1/5 dst inside:…``, ``from 192.0.2.1/5 to …``, ``for outside:… (…) to inside:…``."""
_ACCESS_LIST = r"\baccess-list \S+ \S+ (\S+) (\S+)/(\S+?)\((\d+)\).*? ?-> ?(\S+)/(\S+?)\((\d+)\)"
_ICMP_ENDS = {"s": r"\bfaddr ([^/\s]+)", "d": r"\bladdr ([^/\s]+)"}
"""302020 and 302021 name the foreign and the local end of a ping."""
_FLAGS = r"\bflags ((?:[A-Z]{3} ?)+)"
_FLAG_ORDER = ("SYN", "ACK", "FIN", "RST", "PSH", "URG")
_SERVICES_BELOW = 1024
_PROTOCOL = r"(?i)\b(tcp|udp|icmp6|icmpv6|icmp|sctp|gre|esp)\b"
_DURATION = r"\bduration (\d+):(\d\d):(\d\d) bytes (\d+)"


def from_messages(messages: pl.Series) -> pl.DataFrame:
    """Read Cisco's message texts.

    Parameters
    ----------
    messages
        Texts, with or without their ``%ASA-4-106023:``.

    Returns
    -------
    polars.DataFrame
        `source_ip`, `source_port`, `destination_ip`, `destination_port`, `protocol`, `icmp_type`, `icmp_code`,
        `tcp_flags`, `rule`, `duration_us`, `bytes`; null where a text does not say.
    """
    frame = pl.DataFrame({"m": messages}).with_columns(
        pl.col("m").str.extract_groups(_ENDS).struct.rename_fields(["s", "sp", "d", "dp"]).alias("ends"),
        pl.col("m").str.extract(_ACCESS_LIST, 3).alias("list_s"),
    )
    text = pl.col("m")

    def end(name: str, group: int, key: str) -> pl.Expr:
        """Find one end: FTD names it, an access list points with an arrow, the rest say from and to."""
        return pl.coalesce(
            text.str.extract(rf"\b{key}: ?([^,\s]+)", 1),
            text.str.extract(_ICMP_ENDS[name], 1) if name in _ICMP_ENDS else None,
            text.str.extract(_ACCESS_LIST, group),
            pl.when(pl.col("list_s").is_null()).then(pl.col("ends").struct.field(name)),
        )

    found = frame.select(
        end("s", 3, "SrcIP").alias("source_ip"),
        end("sp", 4, "SrcPort").cast(pl.Int64, strict=False).alias("source_port"),
        end("d", 6, "DstIP").alias("destination_ip"),
        end("dp", 7, "DstPort").cast(pl.Int64, strict=False).alias("destination_port"),
        pl.coalesce(text.str.extract(r"\bProtocol: ?(\w+)", 1), text.str.extract(_PROTOCOL, 1))
        .str.to_lowercase()
        .alias("protocol"),
        text.str.extract(r"\btype (\d+),? code \d+", 1).cast(pl.Int64, strict=False).alias("icmp_type"),
        text.str.extract(r"\btype \d+,? code (\d+)", 1).cast(pl.Int64, strict=False).alias("icmp_code"),
        _flags(text).alias("tcp_flags"),
        pl.coalesce(
            text.str.extract(r'\baccess-group "?([^" ]+)', 1),
            text.str.extract(r"\baccess-list (\S+)", 1),
            text.str.extract(r"\bAccessControlRuleName: ?([^,]+)", 1),
        ).alias("rule"),
        _duration(text).alias("duration_us"),
        text.str.extract(_DURATION, 4).cast(pl.Int64, strict=False).alias("bytes"),
        _turned(text).alias("turned"),
    ).with_columns(_address("source_ip"), _address("destination_ip"))
    return _right_way_round(
        found.with_columns(shortest(found["source_ip"]), shortest(found["destination_ip"]))
    )


def _address(name: str) -> pl.Expr:
    """Take the interface's name off an address: it stands before a colon, as IPv6's first group does."""
    bare = pl.col(name).str.strip_chars("()")
    is_address = bare.str.contains(r"^[0-9A-Fa-f:.]+$") & ~bare.str.contains(r"^[^:]*:\d+\.\d+\.\d+\.\d+$")
    return pl.when(is_address).then(bare).otherwise(bare.str.replace(r"^[^:]*:", "")).alias(name)


def _flags(text: pl.Expr) -> pl.Expr:
    """Read TCP flags into the order of the table."""
    found = text.str.extract(_FLAGS, 1)
    named = pl.concat_str(
        [pl.when(found.str.contains(flag, literal=True)).then(pl.lit(flag)) for flag in _FLAG_ORDER],
        separator=",",
        ignore_nulls=True,
    )
    return pl.when(found.is_not_null()).then(named)


def _duration(text: pl.Expr) -> pl.Expr:
    """Read how long a session lasted, in microseconds."""
    hours, minutes, seconds = (
        text.str.extract(_DURATION, group).cast(pl.Int64, strict=False) for group in (1, 2, 3)
    )
    return ((hours * 60 + minutes) * 60 + seconds) * 1_000_000


def _turned(text: pl.Expr) -> pl.Expr:
    """Tell whether the first address is the one that was contacted: ASA puts the outer end first."""
    ports = text.str.extract_groups(_ENDS)
    first = ports.struct.field("2").cast(pl.Int64, strict=False)
    second = ports.struct.field("4").cast(pl.Int64, strict=False)
    # A teardown does not say who began: the end with the service's port was contacted.
    undirected = text.str.contains(r"\bTeardown ") & (first < _SERVICES_BELOW) & (second >= _SERVICES_BELOW)
    return (text.str.contains(r"\bBuilt outbound ") | undirected).fill_null(value=False)


def _right_way_round(found: pl.DataFrame) -> pl.DataFrame:
    """Put the end that began first."""
    turned = pl.col("turned")
    pairs = [("source_ip", "destination_ip"), ("source_port", "destination_port")]
    swapped = [
        pl.when(turned).then(other).otherwise(one).alias(one)
        for pair in pairs
        for one, other in (pair, pair[::-1])
    ]
    return found.with_columns(swapped).drop("turned")
