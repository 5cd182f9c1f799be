"""Syslog text in every shape: RFC 3164 with or without a year, ISO times, RFC 5424, with or without ``<PRI>``.

Lines may name no program. What the messages carry (netfilter, CEF, …) is read by `bodies`.
"""

from __future__ import annotations

import re

import polars as pl

from knockwatch._compiled import worthwhile
from knockwatch.evidence import Block
from knockwatch.sources import Batch, Format, Head, LineSource, Reading, misfits, share
from knockwatch.sources.bodies import decode

# fmt: off
FACILITIES = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
]
"""Names of RFC 5424 section 6.2.1's numbers, as Sentinel's Syslog table spells them."""
SEVERITIES = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]
# fmt: on

_RFC3164 = r"[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d"
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_LINE = re.compile(rf"^(?:<\d{{1,3}}>)?(?:1 {_ISO} \S+ \S+ \S+ \S+ |{_RFC3164} \S|{_ISO} \S)")
_TAG = r"^([A-Za-z0-9_./()@+-]+)(?:\[(\d+)\])?:(?: |$)"
_RFC5424_FIELDS = ("host", "program", "pid", "msgid", "tail")
_AFTER_DATA = r'^(?:\[(?:[^\]\\"]|\\.|"(?:[^"\\]|\\.)*")*\])+(?: |$)(?:\x{feff})?(.*)$'

_HOSTLESS = r"^(?:%[A-Z]|\d,\d{4}/|date=\d)"
"""How Cisco's, Palo Alto's and Fortinet's messages begin, before which those devices may leave the host out."""

_TIME_WIDTH = len("Nov  2 11:23:34")
_KERNEL = "kernel: "
KIND_5424, KIND_ISO, KIND_3164 = "rfc5424", "iso", "rfc3164"


class Syslog(LineSource):
    """Reader of syslog text."""

    format = Format(
        "syslog",
        "syslog text: RFC 3164, RFC 5424, ISO times",
        ("messages", "connections", "CommonSecurityLog"),
        "verified",
        "RFC 3164 section 4.1, RFC 5424 section 6, rsyslog's file formats",
    )

    def confidence(self, head: Head) -> float:
        """Share of lines with a syslog header; never certain, since others' lines may begin alike."""
        return 0.8 * share(head.lines, _LINE.match)

    def block(self, block: Block, reading: Reading) -> Batch:
        """Read one block; where nobody wants the messages, a large firewall's lines are read the short way."""
        if not (reading.lean and worthwhile(reading.evidence.size)):
            return super().block(block, reading)
        from knockwatch.sources import _firewall_blocks

        taken = _firewall_blocks.take(block, reading)
        if taken is None:
            return super().block(block, reading)
        rows, left = taken
        plain = super().block
        return left.beside(Batch(rows.height, {"connections": rows}), lambda block: plain(block, reading))

    def parse(self, lines: pl.DataFrame, reading: Reading) -> Batch:
        """Split headers from messages, then read what the messages carry."""
        messages = envelope(lines, reading)
        batch = decode(messages, reading)
        if messages.height < lines.height:
            unread = lines.join(messages.select("line"), on="line", how="anti")
            rest = misfits(unread, pl.lit(value=False))
            batch.misfits = rest if batch.misfits is None else pl.concat([batch.misfits, rest])
        return batch


def envelope(lines: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Read syslog headers.

    Parameters
    ----------
    lines
        `line` and `text`.

    Returns
    -------
    polars.DataFrame
        Columns of the table `messages`, in order of `line`; lines without a syslog header or with an impossible
        time are left out.
    """
    if (kernel := _all_kernel(lines, reading)) is not None:
        return kernel
    text = pl.col("text")
    if lines.select(text.str.starts_with("<").any()).item():
        priority = text.str.extract(r"^<(\d{1,3})>", 1).cast(pl.Int32)
        lines = lines.with_columns(
            priority.alias("priority"),
            text.str.replace(r"^<\d{1,3}>", "").alias("text"),
        )
    else:
        lines = lines.with_columns(pl.lit(None, dtype=pl.Int32).alias("priority"))
    lines = lines.with_columns(
        pl.when(text.str.contains(r"^1 \d{4}-"))
        .then(pl.lit(KIND_5424))
        .when(text.str.contains(rf"^{_ISO} "))
        .then(pl.lit(KIND_ISO))
        .when(text.str.contains(rf"^{_RFC3164} "))
        .then(pl.lit(KIND_3164))
        .alias("kind")
    )
    readers = {KIND_5424: _rfc5424, KIND_ISO: _iso, KIND_3164: _rfc3164}
    parts = [
        readers[str(kind)](part, reading)
        for (kind,), part in lines.partition_by("kind", as_dict=True).items()
        if kind is not None
    ]
    if not parts:
        return _EMPTY.clone()
    messages = pl.concat(parts) if len(parts) > 1 else parts[0]
    messages = messages.filter(pl.col("time_us").is_not_null())
    if len(parts) > 1:
        messages = messages.sort("line")
    if messages["priority"].null_count() == messages.height:
        facility = severity = pl.lit(None, dtype=pl.String)
    else:
        facility = _named(pl.col("priority") // 8, FACILITIES)
        severity = _named(pl.col("priority") % 8, SEVERITIES)
    return messages.select(
        "line",
        "time_us",
        "time",
        "host",
        facility.alias("facility"),
        severity.alias("severity"),
        _program().alias("program"),
        "pid",
        "message",
    )


def _all_kernel(lines: pl.DataFrame, reading: Reading) -> pl.DataFrame | None:
    """Read a block in which every line is RFC 3164 and the kernel's, as a firewall's log is; None where one is not."""
    text, rest, at = pl.col("text"), pl.col("rest"), pl.col("at")
    read = (
        lines.with_columns(
            text.str.head(_TIME_WIDTH).alias("time"), text.str.slice(_TIME_WIDTH + 1).alias("rest")
        )
        .with_columns(rest.str.find(" ", literal=True).alias("at"))
        .with_columns(rest.str.head(at).alias("host"), rest.str.slice(at + 1).alias("after"))
    )
    if not read.select(pl.col("after").str.starts_with(_KERNEL).fill_null(value=False).all()).item():
        return None
    times = reading.clock.syslog(read["time"])
    if times.null_count():
        return None
    return read.select(
        "line",
        times.alias("time_us"),
        "time",
        "host",
        pl.lit(None, dtype=pl.String).alias("facility"),
        pl.lit(None, dtype=pl.String).alias("severity"),
        pl.lit("kernel").alias("program"),
        pl.lit(None, dtype=pl.Int64).alias("pid"),
        pl.col("after").str.slice(len(_KERNEL)).alias("message"),
    )


def _named(number: pl.Expr, names: list[str]) -> pl.Expr:
    """Turn a number into its name."""
    return number.replace_strict(list(range(len(names))), names, default=None, return_dtype=pl.String)


def _program() -> pl.Expr:
    """Give the program; a netfilter line that names none came from the kernel, nobody else writes such."""
    nameless = pl.col("program").is_null() & pl.col("message").str.contains(r"\bIN=.* SRC=")
    return pl.when(nameless).then(pl.lit("kernel")).otherwise(pl.col("program"))


def _rfc3164(lines: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Read ``Nov  2 11:23:34 host program[pid]: message``."""
    lines = lines.with_columns(
        pl.when(pl.col("text").str.contains(r"^.{6} \d{4} "))
        .then(pl.lit(20))
        .otherwise(pl.lit(15))
        .alias("width")
    )
    lines = lines.with_columns(pl.col("text").str.head(pl.col("width")).alias("time"))
    times = reading.clock.syslog(lines["time"])
    return _host_and_tag(
        lines.with_columns(
            times.alias("time_us"), pl.col("text").str.slice(pl.col("width") + 1).alias("rest")
        )
    )


def _iso(lines: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Read ``2026-11-22T11:23:34.201111+00:00 host program[pid]: message``."""
    lines = lines.with_columns(pl.col("text").str.extract(rf"^({_ISO}) ", 1).alias("time"))
    times = reading.clock.iso(lines["time"])
    return _host_and_tag(
        lines.with_columns(
            times.alias("time_us"),
            pl.col("text").str.slice(pl.col("time").str.len_chars() + 1).alias("rest"),
        )
    )


def _rfc5424(lines: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Read ``1 time host program pid msgid [structured data] message``.

    Firewalls say all they have to say in the structured data: where no message follows, that is the message.
    """
    lines = lines.with_columns(
        pl.col("text").str.extract(rf"^1 ({_ISO}) ", 1).alias("time"),
        pl.col("text")
        .str.replace(r"^1 \S+ ", "")
        .str.splitn(" ", len(_RFC5424_FIELDS))
        .struct.rename_fields(list(_RFC5424_FIELDS))
        .alias("parts"),
    ).unnest("parts")
    tail = pl.col("tail").fill_null("-")
    # Nearly always there is no structured data, or nothing else; only the rest needs the expression.
    only_data = tail.str.ends_with("]") & ~tail.str.contains("] ", literal=True)
    said = (
        pl.when(tail.str.starts_with("- "))
        .then(tail.str.slice(2).str.strip_prefix("\ufeff"))
        .when(~only_data & (tail != "-"))
        .then(tail.str.extract(_AFTER_DATA, 1))
    )

    def part(name: str) -> pl.Expr:
        return pl.when(pl.col(name) != "-").then(name).alias(name)

    return lines.with_columns(reading.clock.iso(lines["time"]).alias("time_us"), said.alias("said")).select(
        *("line", "priority", "time_us", "time"),
        part("host"),
        part("program"),
        pl.col("pid").cast(pl.Int64, strict=False),
        pl.when(pl.col("said") != "")
        .then("said")
        .when(tail.str.starts_with("-"))
        .then(pl.lit(""))
        .otherwise(pl.concat_str(part("msgid"), tail, separator=" ", ignore_nulls=True))
        .alias("message"),
    )


def _host_and_tag(lines: pl.DataFrame) -> pl.DataFrame:
    """Read ``host program[pid]: message`` from `rest`; the program may be missing."""
    rest, after = pl.col("rest"), pl.col("after")
    named = ~rest.str.contains(_HOSTLESS)
    lines = lines.with_columns(rest.str.find(" ", literal=True).alias("at")).with_columns(
        # The header's bytes are ASCII in all but broken logs, so bytes count as characters here.
        pl.when(named).then(rest.str.head(pl.col("at"))).alias("host"),
        pl.when(named).then(rest.str.slice(pl.col("at") + 1)).otherwise(rest).alias("after"),
    )
    if lines.select(after.str.starts_with(_KERNEL).all()).item():
        tagged = lines.with_columns(
            pl.lit("kernel").alias("program"),
            pl.lit(None, dtype=pl.Int64).alias("pid"),
            after.str.slice(len(_KERNEL)).alias("message"),
        )
    else:
        program = after.str.extract(_TAG, 1)
        tagged = lines.with_columns(
            program.alias("program"),
            after.str.extract(_TAG, 2).cast(pl.Int64, strict=False).alias("pid"),
            pl.when(program.is_null()).then(after).otherwise(after.str.replace(_TAG, "")).alias("message"),
        )
    return tagged.select("line", "priority", "time_us", "time", "host", "program", "pid", "message")


_EMPTY = pl.DataFrame(
    schema={
        "line": pl.Int64,
        "time_us": pl.Int64,
        "time": pl.String,
        "host": pl.String,
        "facility": pl.String,
        "severity": pl.String,
        "program": pl.String,
        "pid": pl.Int64,
        "message": pl.String,
    }
)

SOURCE = Syslog()
