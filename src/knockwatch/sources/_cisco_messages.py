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
_MARKS = (
    "SrcIP", "SrcPort", "DstIP", "DstPort", "Protocol:", "faddr", "access-list", "access-group", "type ", "flags",
    "AccessControlRuleName", "duration",
)  # fmt: skip
"""Words without which the expression that holds them finds nothing."""
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
        pl.col("m").str.extract_groups(_ENDS).struct.rename_fields(["s", "sp", "d", "dp"]).alias("ends")
    )
    text = pl.col("m")
    # An expression costs as much where it finds nothing: it is left out where its first word is nowhere.
    there = frame.select(text.str.contains(mark, literal=True).any().alias(mark) for mark in _MARKS).row(
        0, named=True
    )

    def said(mark: str, pattern: str, group: int = 1) -> pl.Expr:
        return text.str.extract(pattern, group) if there[mark] else pl.lit(None, dtype=pl.String)

    def end(name: str, group: int, key: str) -> pl.Expr:
        """Find one end: FTD names it, an access list points with an arrow, the rest say from and to."""
        in_list = said("access-list", _ACCESS_LIST, group)
        return pl.coalesce(
            said(key, rf"\b{key}: ?([^,\s]+)"),
            said("faddr", _ICMP_ENDS[name]) if name in _ICMP_ENDS else None,
            in_list,
            pl.when(said("access-list", _ACCESS_LIST, 3).is_null()).then(pl.col("ends").struct.field(name)),
        )

    def number(mark: str, pattern: str, group: int = 1) -> pl.Expr:
        return said(mark, pattern, group).cast(pl.Int64, strict=False)

    hours, minutes, seconds = (number("duration", _DURATION, group) for group in (1, 2, 3))
    found = frame.select(
        end("s", 3, "SrcIP").alias("source_ip"),
        end("sp", 4, "SrcPort").cast(pl.Int64, strict=False).alias("source_port"),
        end("d", 6, "DstIP").alias("destination_ip"),
        end("dp", 7, "DstPort").cast(pl.Int64, strict=False).alias("destination_port"),
        pl.coalesce(said("Protocol:", r"\bProtocol: ?(\w+)"), text.str.extract(_PROTOCOL, 1))
        .str.to_lowercase()
        .alias("protocol"),
        number("type ", r"\btype (\d+),? code \d+").alias("icmp_type"),
        number("type ", r"\btype \d+,? code (\d+)").alias("icmp_code"),
        _flags(said("flags", _FLAGS)).alias("tcp_flags"),
        pl.coalesce(
            said("access-group", r'\baccess-group "?([^" ]+)'),
            said("access-list", r"\baccess-list (\S+)"),
            said("AccessControlRuleName", r"\bAccessControlRuleName: ?([^,]+)"),
        ).alias("rule"),
        (((hours * 60 + minutes) * 60 + seconds) * 1_000_000).alias("duration_us"),
        number("duration", _DURATION, 4).alias("bytes"),
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


def _flags(found: pl.Expr) -> pl.Expr:
    """Bring TCP flags into the order of the table."""
    named = pl.concat_str(
        [pl.when(found.str.contains(flag, literal=True)).then(pl.lit(flag)) for flag in _FLAG_ORDER],
        separator=",",
        ignore_nulls=True,
    )
    return pl.when(found.is_not_null()).then(named)


def _turned(text: pl.Expr) -> pl.Expr:
    """Tell whether the first address is the one that was contacted: ASA puts the outer end first."""
    first, second = (pl.col("ends").struct.field(name).cast(pl.Int64, strict=False) for name in ("sp", "dp"))
    # A teardown does not say who began: the end with the service's port was contacted.
    undirected = (
        text.str.contains("Teardown ", literal=True) & (first < _SERVICES_BELOW) & (second >= _SERVICES_BELOW)
    )
    return (text.str.contains("Built outbound ", literal=True) | undirected).fill_null(value=False)


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
