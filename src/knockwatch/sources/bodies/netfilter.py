"""Netfilter's log lines: iptables LOG, nftables log, UFW, and whatever else prints the kernel's packet body.

The body is the kernel's (net/netfilter/nf_log_syslog.c); the prefix before ``IN=`` is free text, and only it
says what became of the packet.
"""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib.resources import files

import numpy as np
import polars as pl

from knockwatch.config import NetfilterSettings
from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._addresses import shortest
from knockwatch.sources._pairs import Pairs, nullable
from knockwatch.sources.bodies._placed_fields import Layout, flags_of
from knockwatch.tables import ACCEPTED, DENIED, REFUSED, UNKNOWN

_LAYOUTS_MOST = 4
"""Prefixes have few different numbers of words, and packets with and without a MAC address make two more layouts."""
_STAMP_BLANKS = 5
"""printk pads the seconds of its time stamp to five places: ``[    5.123456]``."""
PROTOCOLS = {"icmpv6": "icmp6", "1": "icmp", "6": "tcp", "17": "udp", "58": "icmp6"}
_WORD = re.compile(r"[A-Za-z]+")
_UNIFI = re.compile(r"-([ADR])(?:-\d+)?\]")
"""``[WAN_LOCAL-D-2147483647]`` of UniFi, ``[WAN_LOCAL-default-D]`` of EdgeOS and VyOS. RET is no outcome: the rule's
description says it."""
_UNIFI_PROGRAM = r"-[ADR]-\d+$"
"""UniFi 10 names the rule in place of the program; RFC 5424 takes its brackets for structured data."""
_UNIFI_OUTCOMES = {"A": ACCEPTED, "D": DENIED, "R": REFUSED}
_UDP_HEADER, _ICMP_HEADER, _IPV4_HEADER, _IPV6_HEADER = 8, 8, 20, 40

PLAIN = (
    (pl.col("outcome") != UNKNOWN)
    & ~pl.col("rule").str.contains("(?i)knock")
    & pl.all_horizontal(pl.col("source_ip", "destination_ip").is_not_null())
)
"""Selects rows whose lines say nothing that they do not: a prefix that speaks of knocking is the firewall's own word
for an opening, which detections read."""
WRITTEN_BY = (
    pl.lit("Linux").alias("vendor"),
    pl.lit("netfilter").alias("product"),
    pl.lit(1, dtype=pl.Int64).alias("event_count"),
    pl.lit(1, dtype=pl.Int64).alias("packets_sent"),
)
"""What holds of every row: who wrote it, and that it is one packet."""


class Netfilter:
    """Reader of netfilter lines."""

    format = Format(
        "netfilter",
        "netfilter log lines: iptables, nftables, UFW",
        ("connections",),
        "verified",
        "Linux net/netfilter/nf_log_syslog.c; ufw(8); own lab",
    )

    def belongs(self) -> pl.Expr:
        """Select messages with the body's first field and one of the next."""
        message = pl.col("message")
        return message.str.contains("IN=", literal=True) & (
            message.str.contains(" OUT=", literal=True) | message.str.contains(" SRC=", literal=True)
        )

    def read(self, messages: pl.DataFrame, reading: Reading) -> Batch:
        """Read each body; a line cut before its ports or with impossible ones is a misfit."""
        messages = _with_rule(messages)
        rows = self._rows(messages, reading)
        port = pl.col("destination_port")
        ports_fit = port.is_between(0, 65535) & pl.col("source_port").is_between(0, 65535)
        portless = ~pl.col("protocol").is_in(["tcp", "udp"]) | pl.col("fragment")
        sound = (
            pl.col("source_ip").is_not_null()
            & pl.col("destination_ip").is_not_null()
            & pl.col("protocol").is_not_null()
            & pl.when(portless).then(statement=True).otherwise(ports_fit.fill_null(value=False))
        )
        fits = rows.select(sound).to_series()
        bad = messages.filter(~fits).select("line", pl.col("message").alias("text"))
        if bad.height:
            rows = rows.filter(fits)
        return Batch(
            messages.height,
            {"connections": rows.drop("fragment")},
            bad,
            redundant=rows.filter(PLAIN)["line"],
        )

    def _rows(self, messages: pl.DataFrame, reading: Reading) -> pl.DataFrame:
        """Read the fields of each body, sound or not, with `fragment` beside them, in order of line."""
        usual = usual_lines(messages)
        others = messages if usual is None else messages.join(usual.select("line"), on="line", how="anti")
        parts = [] if usual is None else [usual]
        if others.height or not parts:
            parts.append(any_lines(others))
        rows = parts[0] if len(parts) == 1 else pl.concat(parts, how="diagonal_relaxed").sort("line")
        return self.finished(rows, reading)

    def finished(self, rows: pl.DataFrame, reading: Reading) -> pl.DataFrame:
        """Add what follows from the fields: valid addresses, the payload's length, the outcome."""
        return rows.with_columns(
            shortest(rows["source_ip"]),
            shortest(rows["destination_ip"]),
            payload_length(),
            *outcome_of(rows["rule"], reading.settings.netfilter),
            *WRITTEN_BY,
        ).drop("last_length")


def payload_length() -> pl.Expr:
    """Tell the payload's length: UDP prints its own length, ICMP's follows from the packet's, TCP's is unknown."""
    udp, icmp = pl.col("protocol") == "udp", pl.col("protocol").is_in(["icmp", "icmp6"])
    headers = (
        pl.when(pl.col("destination_ip").str.contains(":", literal=True))
        .then(_IPV6_HEADER + _ICMP_HEADER)
        .otherwise(_IPV4_HEADER + _ICMP_HEADER)
    )
    return (
        pl.when(udp)
        .then(pl.col("last_length") - _UDP_HEADER)
        .when(icmp)
        .then(pl.col("packet_length") - headers)
        .clip(lower_bound=0)
        .alias("payload_length")
    )


def _with_rule(messages: pl.DataFrame) -> pl.DataFrame:
    """Put the rule that UniFi names in place of the program back where its prefix was."""
    named = messages["program"].str.contains(_UNIFI_PROGRAM).fill_null(value=False)
    if not named.any():
        return messages
    restored = pl.concat_str(pl.lit("["), "program", pl.lit("] "), "message")
    return messages.with_columns(pl.when(named).then(restored).otherwise("message").alias("message"))


def usual_lines(messages: pl.DataFrame) -> pl.DataFrame | None:
    """Read the lines whose fields stand in the same places as those of one of the first (see `_placed_fields`).

    Returns
    -------
    polars.DataFrame
        The rows that it could read, with some columns of `any_lines`; None where there are none.
    """
    left, read = messages, []
    for _ in range(_LAYOUTS_MOST):
        layout = Layout.of(str(left["message"].first() or "")) if left.height else None
        split = layout.split(_joined(left["message"])) if layout else None
        if layout is None or split is None or split.height != left.height:
            break
        rows = left.select("line", "time_us", "time", pl.col("host").alias("sensor")).hstack(
            layout.fields(split)
        )
        read.append(rows.filter("fits").drop("fits"))
        left = left.filter(~rows["fits"])
        if read[-1].is_empty():
            break
    found = pl.concat(read) if read else None
    return None if found is None or found.is_empty() else found


def _joined(messages: pl.Series) -> bytes:
    """Write messages as lines."""
    return bytes(messages.str.join("\n").item(), "utf-8") + b"\n"


def any_lines(messages: pl.DataFrame) -> pl.DataFrame:
    """Read the fields in whatever order they stand."""
    pairs = Pairs(messages["message"])
    # An ICMP error quotes the packet it is about in brackets; that packet is not the one logged.
    pairs.stop_before("SRC")
    # The kernel writes more after the ports: a number at the very end may have lost digits.
    cut = messages["message"].str.contains(r"(?:DPT|SPT)=\d*$")
    protocol = pairs.word("PROTO", ("TCP", "UDP", "ICMP")).str.to_lowercase().replace(PROTOCOLS)
    stamp, prefix = _stamp_and_prefix(pairs)
    tcp = protocol == "tcp"
    return pl.DataFrame(
        {
            "line": messages["line"],
            "time_us": messages["time_us"],
            "time": messages["time"],
            "clock_us": stamp,
            "source_ip": pairs.text("SRC"),
            "source_port": _only(~cut, pairs.integer("SPT")),
            "destination_ip": pairs.text("DST"),
            "destination_port": _only(~cut, pairs.integer("DPT")),
            "protocol": protocol,
            "tcp_flags": _only(tcp, _flags(pairs)),
            "icmp_type": pairs.integer("TYPE"),
            "icmp_code": pairs.integer("CODE"),
            "packet_length": pairs.integer("LEN"),
            "last_length": _only(protocol == "udp", pairs.integer("LEN", last=True)),
            "ttl": _either(pairs.integer("TTL"), pairs.integer("HOPLIMIT")),
            "ip_id": pairs.integer("ID"),
            "tcp_window": pairs.integer("WINDOW"),
            "tcp_seq": _only(tcp, pairs.integer("SEQ")),
            "tcp_ack": _only(tcp, pairs.integer("ACK")),
            "forwarded": pairs.filled("IN", boundary=False) & pairs.filled("OUT"),
            "sensor": messages["host"],
            "rule": prefix,
            "fragment": messages["message"].str.contains(" FRAG:", literal=True),
        }
    )


def outcome_of(prefixes: pl.Series, settings: NetfilterSettings) -> list[pl.Series]:
    """Say what log prefixes mean.

    Parameters
    ----------
    prefixes
        Text before ``IN=``, without the kernel's time stamp.
    settings
        A site's own prefixes, which are asked first.

    Returns
    -------
    list of polars.Series
        `outcome`, and `action`: the original word it was told from, null where there is none.
    """
    distinct = prefixes.unique()
    read = [_outcome(prefix or "", settings) for prefix in distinct]
    known = pl.DataFrame(
        {
            "prefix": distinct,
            "outcome": [outcome for outcome, _ in read],
            "action": [word for _, word in read],
        },
        schema_overrides={"outcome": pl.String, "action": pl.String},
    )
    joined = pl.DataFrame({"prefix": prefixes}).join(
        known, on="prefix", how="left", nulls_equal=True, maintain_order="left"
    )
    return [joined["outcome"], joined["action"]]


def _outcome(prefix: str, settings: NetfilterSettings) -> tuple[str, str | None]:
    """Say what one prefix means: the site's word, UniFi's letter, else the last word that is known."""
    lowered = prefix.lower()
    for text, outcome in settings.prefixes.items():
        if text.lower() in lowered:
            return outcome, text
    if letter := _UNIFI.search(prefix):
        return _UNIFI_OUTCOMES[letter[1]], letter[1]
    for word in reversed(_WORD.findall(prefix)):
        if known := words().get(word.lower()):
            return known, word
    return UNKNOWN, None


@cache
def words() -> dict[str, str]:
    """Load the words that prefixes are made of, with the outcome each stands for."""
    text = (files("knockwatch.content") / "netfilter_words.csv").read_text("utf-8")
    return {row["word"]: row["outcome"] for row in csv.DictReader(text.splitlines())}


def _stamp_and_prefix(pairs: Pairs) -> tuple[pl.Series, pl.Series]:
    """Read printk's stamp, ``[ 2719.233649] ``, as microseconds since boot, and what stands up to ``IN=``."""
    begin = pairs.starts + 1
    seconds_at = begin + 1
    for _ in range(_STAMP_BLANKS):
        seconds_at = seconds_at + (pairs.bytes[seconds_at] == ord(" "))
    bracket = pairs.bytes[begin] == ord("[")
    seconds, point = pairs.number(np.where(bracket, seconds_at, -1))
    fraction, close = pairs.number(np.where(pairs.bytes[point] == ord("."), point + 1, -1))
    stamped = bracket & (close - point == 7) & (pairs.bytes[close] == ord("]"))
    first = np.where(stamped, close + 1, begin)
    first = first + (pairs.bytes[first] == ord(" "))
    # Shorewall's prefix touches the body: "Shorewall:net2fw:DROP:IN=eth0".
    body = pairs.at("IN", boundary=False)
    prefix = pairs.cut(np.where(body >= 0, first, -1), body - len("IN=")).fill_null("")
    return nullable(seconds * 1_000_000 + fraction, stamped), prefix.str.strip_chars(" ")


def _flags(pairs: Pairs) -> pl.Series:
    """Read the TCP flags, bare words after RES= or WINDOW=, into the order of `FLAGS`."""
    before = np.maximum(pairs.at("WINDOW"), pairs.at("RES"))
    begins = np.where(before >= 0, pairs.blank(before), -1)
    urgent = pairs.at("URGP", last=True)
    return flags_of(pairs.cut(begins, np.where(urgent >= 0, urgent, pairs.ends())))


def _only(mask: pl.Series, values: pl.Series) -> pl.Series:
    """Keep values where a mask holds, null elsewhere."""
    return pl.DataFrame({"m": mask, "v": values}).select(pl.when("m").then("v")).to_series()


def _either(first: pl.Series, second: pl.Series) -> pl.Series:
    """Take the first value, else the second."""
    return pl.DataFrame({"a": first, "b": second}).select(pl.coalesce("a", "b")).to_series()


BODY = Netfilter()
