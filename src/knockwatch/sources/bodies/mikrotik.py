"""MikroTik RouterOS' firewall lines: ``drop-in input: in:ether1 out:(unknown 0), …, proto UDP, A:p->B:q, len 65``.

The line names the chain and a rule's free prefix, not its action: what became of the packet only the prefix says,
as netfilter's does.
"""

from __future__ import annotations

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources.bodies._firewall_lines import (
    ICMP_HEADER,
    IPV4_HEADER,
    UDP_HEADER,
    connections,
    letters,
)
from knockwatch.sources.bodies.netfilter import outcome_of

_ADDRESS = r"\[[^\]]*\]|[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+|[0-9A-Fa-f:]+"
_LINE = (
    r"^(?P<before>.*?)\bin:(?P<entering>.*?) out:(?P<leaving>\([^)]*\)|[^,]*?),? .*?\bproto (?P<protocol>[^ ,]+)"
    rf"(?: \((?P<detail>[^)]*)\))?, (?P<source_ip>{_ADDRESS})(?::(?P<source_port>[0-9]+))?"
    rf"->(?P<destination_ip>{_ADDRESS})(?::(?P<destination_port>[0-9]+))?,(?P<rest>.*)$"
)
_TOPICS = r"^(?:(?P<clock>(?:[a-z]{3}/\d\d(?:/\d{4})? )?\d\d:\d\d:\d\d) )?(?:[a-z0-9!-]+(?:,[a-z0-9!-]+)+ )?"
"""A time of the router's own file, and topics, which remote logs and files carry: ``firewall,info``."""
_NOT_THROUGH = ("prerouting", "postrouting", "dstnat", "srcnat")
"""Chains that a packet passes before or after anyone knows whose it is."""


class MikroTik:
    """Reader of RouterOS' firewall lines."""

    format = Format(
        "mikrotik",
        "MikroTik RouterOS firewall lines",
        ("connections",),
        "verified",
        "help.mikrotik.com, Filter: action log, log-prefix; crowdsecurity/hub .tests/mikrotik-logs",
    )
    bare = r"^(?:(?:[a-z]{3}/\d\d(?:/\d{4})? )?\d\d:\d\d:\d\d )?firewall,[a-z]+ .*\bin:.+ out:.+\bproto "

    def belongs(self) -> pl.Expr:
        """Select messages that name both interfaces and a protocol the way RouterOS does."""
        message = pl.col("message")
        return (
            message.str.contains("in:", literal=True)
            & message.str.contains(" out:", literal=True)
            & message.str.contains(" proto ", literal=True)
            & message.str.contains("->", literal=True)
        )

    def read(self, messages: pl.DataFrame, reading: Reading) -> Batch:
        """Read each line; one that is cut before its length is a misfit."""
        clock = messages["message"].str.extract(_TOPICS, 1)
        # RouterOS writes ``jan/15``, with or without a year; a time without a day is none.
        spelled = (
            clock.str.replace(r"^([a-z]{3})/(\d\d)/?", "$1 $2 ").str.replace_all("  ", " ").str.to_titlecase()
        )
        fields = messages.select(pl.col("message").str.extract_groups(_LINE).struct.unnest(), "program")
        prefix = fields.select(_prefix()).to_series()
        outcome, action = outcome_of(prefix, reading.settings.netfilter)
        # Where a header is missing its place is taken by topics.
        messages = messages.with_columns(
            pl.when(~pl.col("host").str.contains(",")).then("host").alias("host")
        )
        found = _found(fields).with_columns(
            prefix.alias("rule"),
            outcome.alias("outcome"),
            action.alias("action"),
            reading.clock.syslog(spelled).alias("local_us"),
            clock.alias("own_text"),
        )
        return connections(messages, found, "MikroTik", "RouterOS")


def _prefix() -> pl.Expr:
    """Put the prefix and the chain together again: syslog takes a word before a colon for a program's name."""
    said = pl.col("before").str.replace(_TOPICS, "").str.strip_chars(" :")
    return (
        pl.when(pl.col("program").is_null() | (pl.col("program") == "firewall"))
        .then(said)
        .otherwise(pl.concat_str("program", said, separator=" ").str.strip_chars(" "))
    )


def _found(fields: pl.DataFrame) -> pl.DataFrame:
    """Bring the fields to what the table calls them."""
    length = pl.col("rest").str.extract(r"\blen (\d+)", 1).cast(pl.Int64, strict=False)
    # Of IPv6 the length leaves out headers that depend on the version.
    fourth = pl.col("source_ip").str.contains(".", literal=True)
    protocol = pl.col("protocol").str.to_lowercase()
    header = pl.when(protocol == "udp").then(UDP_HEADER).when(protocol == "icmp").then(ICMP_HEADER)
    entering, leaving = (_named(name) for name in ("entering", "leaving"))
    chain = pl.col("before").str.extract(r"(\S+):? *$", 1).str.strip_chars(":")
    undecided = (chain.is_in(_NOT_THROUGH) & ~(entering & leaving)).fill_null(value=False)
    return fields.select(
        pl.col("source_ip").str.strip_chars("[]"),
        pl.col("destination_ip").str.strip_chars("[]"),
        pl.col("source_port").cast(pl.Int64, strict=False),
        pl.col("destination_port").cast(pl.Int64, strict=False),
        "protocol",
        pl.when(protocol == "tcp").then(pl.lit(letters(fields["detail"]))).alias("tcp_flags"),
        *(
            pl.col("detail")
            .str.extract(rf"\b{part} (\d+)", 1)
            .cast(pl.Int64, strict=False)
            .alias(f"icmp_{part}")
            for part in ("type", "code")
        ),
        pl.when(fourth).then(length).alias("packet_length"),
        pl.when(fourth).then(length - IPV4_HEADER - header).clip(lower_bound=0).alias("payload_length"),
        pl.when(~undecided).then(entering & leaving).alias("forwarded"),
        pl.lit(1, dtype=pl.Int64).alias("packets_sent"),
        length.is_not_null().alias("whole"),
    )


def _named(interface: str) -> pl.Expr:
    """Tell whether an interface is there: ``(unknown 0)`` and ``(none)`` are none."""
    return ~pl.col(interface).str.starts_with("(")


BODY = MikroTik()
