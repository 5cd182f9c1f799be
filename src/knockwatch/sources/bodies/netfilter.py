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
from knockwatch.tables import ACCEPTED, DENIED, REFUSED, UNKNOWN

_STAMP_BLANKS = 5
"""printk pads the seconds of its time stamp to five places: ``[    5.123456]``."""
FLAGS = ("SYN", "ACK", "FIN", "RST", "PSH", "URG")
PROTOCOLS = {"icmpv6": "icmp6", "1": "icmp", "6": "tcp", "17": "udp", "58": "icmp6"}
_ADDRESSED = ("SRC", "DST", "LEN", "TOS", "PREC", "TTL", "ID")
"""What stands, in this order, between the interfaces and the fragment flags of an IPv4 packet."""
_PORTED = ("PROTO", "SPT", "DPT", "WINDOW")
"""What follows of TCP; UDP has LEN in the last place."""
_STAMP = r"(?-u)^\[ *[0-9]{1,10}\.[0-9]{6}\]"
_WORD = re.compile(r"[A-Za-z]+")
_UNIFI = re.compile(r"-([ADR])(?:-\d+)?\]")
"""``[WAN_LOCAL-D-2147483647]`` of UniFi, ``[WAN_LOCAL-default-D]`` of EdgeOS and VyOS. RET is no outcome: the rule's
description says it."""
_UNIFI_PROGRAM = r"-[ADR]-\d+$"
"""UniFi 10 names the rule in place of the program; RFC 5424 takes its brackets for structured data."""
_UNIFI_OUTCOMES = {"A": ACCEPTED, "D": DENIED, "R": REFUSED}
_UDP_HEADER, _ICMP_HEADER, _IPV4_HEADER, _IPV6_HEADER = 8, 8, 20, 40


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
        # A prefix that speaks of knocking is the firewall's own word for an opening, which detections read.
        plain = (pl.col("outcome") != UNKNOWN) & ~pl.col("rule").str.contains("(?i)knock")
        return Batch(
            messages.height,
            {"connections": rows.drop("fragment")},
            bad,
            redundant=rows.filter(plain)["line"],
        )

    def _rows(self, messages: pl.DataFrame, reading: Reading) -> pl.DataFrame:
        """Read the fields of each body, sound or not, with `fragment` beside them, in order of line."""
        usual = usual_lines(messages)
        others = messages if usual is None else messages.join(usual.select("line"), on="line", how="anti")
        parts = [] if usual is None else [usual]
        if others.height or not parts:
            parts.append(any_lines(others))
        rows = parts[0] if len(parts) == 1 else pl.concat(parts).sort("line")
        udp, icmp = pl.col("protocol") == "udp", pl.col("protocol").is_in(["icmp", "icmp6"])
        headers = (
            pl.when(pl.col("destination_ip").str.contains(":", literal=True))
            .then(_IPV6_HEADER + _ICMP_HEADER)
            .otherwise(_IPV4_HEADER + _ICMP_HEADER)
        )
        # UDP prints its own length, ICMP's follows from the packet's, TCP's is unknown.
        payload = (
            pl.when(udp)
            .then(pl.col("last_length") - _UDP_HEADER)
            .when(icmp)
            .then(pl.col("packet_length") - headers)
            .clip(lower_bound=0)
        )
        return rows.with_columns(
            shortest(rows["source_ip"]),
            shortest(rows["destination_ip"]),
            payload.alias("payload_length"),
            *outcome_of(rows["rule"], reading.settings.netfilter),
            pl.lit("Linux").alias("vendor"),
            pl.lit("netfilter").alias("product"),
            pl.lit(1, dtype=pl.Int64).alias("event_count"),
            pl.lit(1, dtype=pl.Int64).alias("packets_sent"),
        ).drop("last_length")


def _with_rule(messages: pl.DataFrame) -> pl.DataFrame:
    """Put the rule that UniFi names in place of the program back where its prefix was."""
    named = messages["program"].str.contains(_UNIFI_PROGRAM).fill_null(value=False)
    if not named.any():
        return messages
    restored = pl.concat_str(pl.lit("["), "program", pl.lit("] "), "message")
    return messages.with_columns(pl.when(named).then(restored).otherwise("message").alias("message"))


def usual_lines(messages: pl.DataFrame) -> pl.DataFrame | None:
    """Read the lines whose fields stand in the order in which kernels write TCP and UDP over IPv4.

    Polars' CSV reader, told that blanks divide fields, takes a fifth of the time that finding each key does; a line
    with anything out of place is left to `any_lines`, which reads the same.

    Returns
    -------
    polars.DataFrame
        The rows that it could read, with the columns of `any_lines`; None where there are none.
    """
    message = pl.col("message")
    # Positions are bytes, slices are characters: where they differ no field is in its place.
    at = message.str.find(" SRC=", literal=True)
    parted = messages.select(
        "line",
        "time_us",
        "time",
        pl.col("host").alias("sensor"),
        message.str.head(at).alias("head"),
        message.str.slice(at + 1).fill_null("?").alias("body"),
    )
    fields = _fields(parted["body"])
    if fields is None:
        return None
    bare = parted["body"].str.slice(parted["body"].str.find(" RES=", literal=True) + 1).alias("bare")
    parted = parted.drop("body").hstack([bare, *fields]).with_columns(_heads(parted["head"]))
    is_tcp = pl.col("PROTO") == "TCP"
    tcp = is_tcp & pl.col("WINDOW").is_not_null() & pl.col("bare").str.starts_with("RES=")
    udp = (pl.col("PROTO") == "UDP") & pl.col("LAST").is_not_null()
    told = [pl.col(key).is_not_null() for key in ("SRC", "DST", "LEN", "TTL", "ID", "SPT", "DPT", "rule")]
    parted = parted.filter(pl.all_horizontal(*told, pl.col("DF") == "DF", tcp | udp))
    if parted.is_empty():
        return None
    flags = _flags_of(parted["bare"].fill_null(""))
    return parted.select(
        "line",
        "time_us",
        "time",
        "clock_us",
        pl.col("SRC").alias("source_ip"),
        pl.col("SPT").alias("source_port"),
        pl.col("DST").alias("destination_ip"),
        pl.col("DPT").alias("destination_port"),
        pl.when(is_tcp).then(pl.lit("tcp")).otherwise(pl.lit("udp")).alias("protocol"),
        pl.when(is_tcp).then(pl.lit(flags)).alias("tcp_flags"),
        *(pl.lit(None, dtype=pl.Int64).alias(name) for name in ("icmp_type", "icmp_code")),
        pl.col("LEN").alias("packet_length"),
        pl.when(~is_tcp).then("LAST").alias("last_length"),
        pl.col("TTL").alias("ttl"),
        pl.col("ID").alias("ip_id"),
        pl.when(is_tcp).then("WINDOW").alias("tcp_window"),
        *(pl.lit(None, dtype=pl.Int64).alias(name) for name in ("tcp_seq", "tcp_ack")),
        "forwarded",
        "sensor",
        "rule",
        pl.lit(value=False).alias("fragment"),
    )


def _fields(bodies: pl.Series) -> list[pl.Series] | None:
    """Split what stands from ``SRC=`` on into `_ADDRESSED` and `_PORTED`, and `LAST`, UDP's second length.

    Returns
    -------
    list of polars.Series
        Values as text or number, null where another key stands in a place; None where lines are no lines.
    """
    places = [*_ADDRESSED, "DF", *_PORTED]
    split = pl.read_csv(
        bodies.str.join("\n").item().encode(),
        has_header=False,
        separator=" ",
        quote_char=None,
        schema=dict.fromkeys(places, pl.String()),
        truncate_ragged_lines=True,
        missing_columns="insert",
        extra_columns="ignore",
    )
    if split.height != bodies.len():
        return None
    # A packet that may be fragmented has no word DF, so what follows stands one place earlier.
    allowed = split["DF"].str.starts_with("PROTO=").fill_null(value=False)
    if allowed.any():
        before = dict(zip(_PORTED, ("DF", *_PORTED), strict=False))
        split = split.with_columns(
            pl.when(pl.lit(allowed)).then(pl.col(earlier)).otherwise(pl.col(place)).alias(place)
            for place, earlier in before.items()
        ).with_columns(pl.when(pl.lit(allowed)).then(pl.lit("DF")).otherwise("DF").alias("DF"))
    wanted = [key for key in (*_ADDRESSED, *_PORTED) if key not in {"TOS", "PREC"}]
    return split.select(
        "DF",
        *(_value(key, key).alias(key) for key in wanted),
        _value("WINDOW", "LEN").alias("LAST"),
    ).get_columns()


def _value(place: str, key: str) -> pl.Expr:
    """Give the value of the key that stands in one place, null where another one does; numbers as such."""
    piece = pl.col(place)
    if key not in {"SRC", "DST", "PROTO"}:
        return piece.str.strip_prefix(f"{key}=").cast(pl.Int64, strict=False)
    return pl.when(piece.str.starts_with(f"{key}=")).then(piece.str.strip_prefix(f"{key}="))


def _heads(heads: pl.Series) -> list[pl.Series]:
    """Read what stands before the addresses: printk's stamp, the prefix and the interfaces.

    Without the stamp few different ones occur, so each is read once.

    Returns
    -------
    list of polars.Series
        `clock_us`, `rule`, which is null where the interfaces are not where they should be, and `forwarded`.
    """
    stamped = heads.str.contains(_STAMP).fill_null(value=False)
    end = heads.str.find("]", literal=True)
    frame = pl.DataFrame({"head": heads, "stamped": stamped, "end": end}).select(
        # A double holds microseconds exactly for longer than any machine runs.
        (
            pl.when("stamped")
            .then(pl.col("head").str.slice(1, pl.col("end") - 1))
            .str.strip_chars_start(" ")
            .cast(pl.Float64, strict=False)
            * 1_000_000
        )
        .round()
        .cast(pl.Int64)
        .alias("clock_us"),
        pl.when("stamped").then(pl.col("head").str.slice(pl.col("end") + 1)).otherwise("head").alias("head"),
    )
    head = pl.col("head")
    known = (
        frame.select(head.unique().drop_nulls())
        .filter(head.str.contains(r"IN=\S* OUT="))
        .select(
            "head",
            head.str.head(head.str.find("IN=", literal=True)).str.strip_chars(" ").alias("rule"),
            (
                ~head.str.contains(" OUT= ", literal=True)
                & ~head.str.ends_with(" OUT=")
                & ~head.str.contains("IN= ", literal=True)
            ).alias("forwarded"),
        )
    )
    read = frame.join(known, on="head", how="left", maintain_order="left")
    return [read["clock_us"], read["rule"], read["forwarded"]]


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
    return _flags_of(pairs.cut(begins, np.where(urgent >= 0, urgent, pairs.ends())))


def _flags_of(bare: pl.Series) -> pl.Series:
    """Read the TCP flags among bare words; few combinations occur, so each is read once."""
    distinct = bare.drop_nulls().unique()
    written = [
        ",".join(flag for flag in FLAGS if flag in set(combination.split())) for combination in distinct
    ]
    return bare.replace_strict(distinct, written, default=None, return_dtype=pl.String)


def _only(mask: pl.Series, values: pl.Series) -> pl.Series:
    """Keep values where a mask holds, null elsewhere."""
    return pl.DataFrame({"m": mask, "v": values}).select(pl.when("m").then("v")).to_series()


def _either(first: pl.Series, second: pl.Series) -> pl.Series:
    """Take the first value, else the second."""
    return pl.DataFrame({"a": first, "b": second}).select(pl.coalesce("a", "b")).to_series()


BODY = Netfilter()
