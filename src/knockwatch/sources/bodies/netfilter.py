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
_WORD = re.compile(r"[A-Za-z]+")
_UNIFI = re.compile(r"-([ADR])-\d+\]")
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
        rows = self._rows(messages, reading)
        port = pl.col("destination_port")
        ports_fit = port.is_between(0, 65535) & pl.col("source_port").is_between(0, 65535)
        # The kernel writes more after the ports: a number at the very end may have lost digits.
        cut = pl.Series("cut", messages["message"].str.contains(r"(?:DPT|SPT)=\d*$"))
        portless = ~pl.col("protocol").is_in(["tcp", "udp"]) | pl.col("fragment")
        sound = (
            pl.col("source_ip").is_not_null()
            & pl.col("destination_ip").is_not_null()
            & pl.col("protocol").is_not_null()
            & ~pl.lit(cut)
            & pl.when(portless).then(statement=True).otherwise(ports_fit.fill_null(value=False))
        )
        fits = rows.select(sound).to_series()
        bad = messages.filter(~fits).select("line", pl.col("message").alias("text"))
        if bad.height:
            rows = rows.filter(fits)
        return Batch(messages.height, {"connections": rows.drop("fragment")}, bad)

    def _rows(self, messages: pl.DataFrame, reading: Reading) -> pl.DataFrame:
        """Read the fields of each body, sound or not, with `fragment` beside them."""
        pairs = Pairs(messages["message"])
        # An ICMP error quotes the packet it is about in brackets; that packet is not the one logged.
        pairs.stop_before("SRC")
        protocol = pairs.word("PROTO", ("TCP", "UDP", "ICMP")).str.to_lowercase().replace(PROTOCOLS)
        destination = shortest(pairs.text("DST"))
        stamp, prefix = _stamp_and_prefix(pairs)
        length = pairs.integer("LEN")
        tcp = protocol == "tcp"
        return pl.DataFrame(
            {
                "line": messages["line"],
                "time_us": messages["time_us"],
                "time": messages["time"],
                "clock_us": stamp,
                "source_ip": shortest(pairs.text("SRC")),
                "source_port": pairs.integer("SPT"),
                "destination_ip": destination,
                "destination_port": pairs.integer("DPT"),
                "protocol": protocol,
                "tcp_flags": _only(tcp, _flags(pairs)),
                "icmp_type": pairs.integer("TYPE"),
                "icmp_code": pairs.integer("CODE"),
                "packet_length": length,
                "payload_length": _payload(protocol, destination, length, pairs.integer("LEN", last=True)),
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
        ).with_columns(
            *outcome_of(prefix, reading.settings.netfilter),
            pl.lit("Linux").alias("vendor"),
            pl.lit("netfilter").alias("product"),
            pl.lit(1, dtype=pl.Int64).alias("event_count"),
            pl.lit(1, dtype=pl.Int64).alias("packets_sent"),
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
    """Read the TCP flags, bare words before ``URGP=``, into the order of `FLAGS`."""
    before = np.maximum(pairs.at("WINDOW"), pairs.at("RES"))
    begins = np.where(before >= 0, pairs.blank(before), -1)
    urgent = pairs.at("URGP")
    bare = pairs.cut(begins, np.where(urgent >= 0, urgent - len("URGP="), pairs.ends()))
    # Few combinations occur, so each is read once.
    distinct = bare.drop_nulls().unique()
    written = [
        ",".join(flag for flag in FLAGS if flag in set(combination.split())) for combination in distinct
    ]
    return bare.replace_strict(distinct, written, default=None, return_dtype=pl.String)


def _payload(protocol: pl.Series, destination: pl.Series, length: pl.Series, last: pl.Series) -> pl.Series:
    """Work out the payload: UDP prints its own length, ICMP's follows from the packet's, TCP's is unknown."""
    icmp_headers = (
        pl.when(pl.col("destination").str.contains(":", literal=True))
        .then(_IPV6_HEADER + _ICMP_HEADER)
        .otherwise(_IPV4_HEADER + _ICMP_HEADER)
    )
    return (
        pl.DataFrame({"protocol": protocol, "destination": destination, "length": length, "last": last})
        .select(
            pl.when(pl.col("protocol") == "udp")
            .then(pl.col("last") - _UDP_HEADER)
            .when(pl.col("protocol").is_in(["icmp", "icmp6"]))
            .then(pl.col("length") - icmp_headers)
            .clip(lower_bound=0)
            .alias("payload_length")
        )
        .to_series()
    )


def _only(mask: pl.Series, values: pl.Series) -> pl.Series:
    """Keep values where a mask holds, null elsewhere."""
    return pl.DataFrame({"m": mask, "v": values}).select(pl.when("m").then("v")).to_series()


def _either(first: pl.Series, second: pl.Series) -> pl.Series:
    """Take the first value, else the second."""
    return pl.DataFrame({"a": first, "b": second}).select(pl.coalesce("a", "b")).to_series()


BODY = Netfilter()
