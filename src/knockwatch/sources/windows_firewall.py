"""Windows Firewall's log, pfirewall.log: fields divided by blanks, named by a ``#Fields:`` line, in local time.

The file names no host. XP's and Server 2003's words (OPEN, CLOSE) are read, too.
"""

from __future__ import annotations

import re

import polars as pl

from knockwatch.sources import Batch, Format, Head, LineSource, Reading, share
from knockwatch.sources.bodies._firewall_lines import (
    ICMP_HEADER,
    IPV4_HEADER,
    UDP_HEADER,
    connections,
    letters,
)

# fmt: off
_USUAL = [
    "date", "time", "action", "protocol", "src-ip", "dst-ip", "src-port", "dst-port", "size", "tcpflags", "tcpsyn",
    "tcpack", "tcpwin", "icmptype", "icmpcode", "info", "path", "pid",
]
# fmt: on
"""The fields in the order of every version since XP; the older ones end earlier."""
_FIELDS = "#Fields:"
_SOFTWARE = re.compile(r"#Software: Microsoft (?:Windows|Internet Connection) Firewall")
_LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (?:ALLOW|DROP|OPEN|OPEN-INBOUND|CLOSE|INFO-EVENTS-LOST) \S+ \S+ \S+ \S+ \S+ "
    r"(?:\d+|-) "
)
_LOST = "INFO-EVENTS-LOST"
_OUTWARD = ("SEND", "FORWARD")
_OUTCOMES = {"DROP": "denied", "ALLOW": "accepted", "OPEN": "accepted", "OPEN-INBOUND": "accepted"}
"""What the words say; CLOSE tells the end of a connection that has a line already."""


class WindowsFirewall(LineSource):
    """Reader of pfirewall.log."""

    format = Format(
        "windows-firewall",
        "Windows Firewall log, pfirewall.log",
        ("connections",),
        "documented",
        "learn.microsoft.com, Interpreting the Windows Firewall Log; azure-docs azure-stack-edge-gpu-troubleshoot",
    )

    def confidence(self, head: Head) -> float:
        """Share of lines that are the log's, headers aside; its own name for itself is enough where there is none."""
        lines = head.lines
        records = [line for line in lines if not line.startswith("#")]
        if not records:
            return 0.95 * any(map(_SOFTWARE.match, lines))
        return 0.95 * share(records, _LINE.match)

    def parse(self, lines: pl.DataFrame, reading: Reading) -> Batch:
        """Read each record by the order of fields that the file's own header gives."""
        text = pl.col("text")
        records = lines.filter((text.str.strip_chars() != "") & ~text.str.starts_with("#"))
        names = _fields(Head(reading.evidence.head()))
        pieces = records.select(
            text.str.replace_all(r"\s+", " ").str.split_exact(" ", len(names) - 1).struct.rename_fields(names)
        ).unnest("text")
        missing = [pl.lit(None, dtype=pl.String).alias(name) for name in _USUAL if name not in names]
        # A dash stands where there is nothing to say.
        values = pieces.with_columns(missing).select(
            pl.when(pl.col(name) != "-").then(pl.col(name)) for name in _USUAL
        )
        lost = values["action"].eq_missing(_LOST)
        _tell_lost(values.filter(lost)["info"], reading)
        records, values = records.filter(~lost), values.filter(~lost)
        times = values.select(pl.concat_str("date", "time", separator=" ")).to_series()
        messages = records.select(
            "line",
            reading.clock.strptime(times, ["%Y-%m-%d %H:%M:%S"]).alias("time_us"),
            times.alias("time"),
            pl.lit(None, dtype=pl.String).alias("host"),
            text.alias("message"),
        )
        batch = connections(messages, _found(values, messages["time_us"]), "Microsoft", "Windows Firewall")
        batch.records, batch.redundant = lines.height, None
        return batch


def _fields(head: Head) -> list[str]:
    """Find the names of the fields; a file that was cut at its start has the usual ones."""
    named = next((line for line in head.lines if line.startswith(_FIELDS)), "")
    names = list(dict.fromkeys(named.removeprefix(_FIELDS).lower().split()))
    return names or _USUAL


def _tell_lost(counts: pl.Series, reading: Reading) -> None:
    """Say that the firewall lost records."""
    if len(counts):
        number = counts.cast(pl.Int64, strict=False).fill_null(1).sum()
        reading.evidence.problems.append(
            f"Windows Firewall says that it lost {number} events: some are missing"
        )


def _found(values: pl.DataFrame, times: pl.Series) -> pl.DataFrame:
    """Bring the values to what the table calls them."""

    def number(name: str) -> pl.Expr:
        return pl.col(name).cast(pl.Int64, strict=False)

    protocol = pl.col("protocol").str.to_lowercase()
    tcp, dropped = protocol == "tcp", pl.col("action") == "DROP"
    fourth = pl.col("src-ip").str.contains(".", literal=True)
    header = pl.when(protocol == "udp").then(UDP_HEADER).when(protocol == "icmp").then(ICMP_HEADER)
    # An allowed connection has no packet: its size is 0 or missing.
    size = pl.when(number("size") > 0).then(number("size"))
    known = pl.col("action").is_in([*_OUTCOMES, "CLOSE"])
    return values.select(
        pl.col("src-ip").alias("source_ip"),
        pl.col("dst-ip").alias("destination_ip"),
        number("src-port").alias("source_port"),
        number("dst-port").alias("destination_port"),
        "protocol",
        "action",
        pl.col("action")
        .replace_strict(_OUTCOMES, default="unknown", return_dtype=pl.String)
        .alias("outcome"),
        pl.when(tcp).then(pl.lit(letters(values["tcpflags"]))).alias("tcp_flags"),
        *(
            pl.when(tcp & dropped & size.is_not_null()).then(number(field)).alias(name)
            for field, name in (("tcpsyn", "tcp_seq"), ("tcpack", "tcp_ack"), ("tcpwin", "tcp_window"))
        ),
        number("icmptype").alias("icmp_type"),
        number("icmpcode").alias("icmp_code"),
        size.alias("packet_length"),
        pl.when(fourth).then(size - IPV4_HEADER - header).clip(lower_bound=0).alias("payload_length"),
        # What the host sends is for another one: that it may leave is no answer.
        (pl.col("path").is_in(_OUTWARD) | (pl.col("action") == "OPEN"))
        .fill_null(value=False)
        .alias("forwarded"),
        (pl.lit(times).is_not_null() & known.fill_null(value=False)).alias("whole"),
    )


SOURCE = WindowsFirewall()
