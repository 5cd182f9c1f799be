"""Records of the Linux audit system inside messages: the kernel's own, and those of auoms, Microsoft's collector.

Auditd's syslog plugin and rsyslog forward the kernel's records as they are. Auoms puts those of one event together
(``type=AUOMS_EXECVE``, ``type=AUOMS_SYSCALL``), with names beside numbers (``syscall=execve syscall_r=59``). Parents
and actors are named as far as one block of messages tells.
"""

from __future__ import annotations

import polars as pl

from knockwatch.clock import plausible
from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._audit_history import SCALARS, History
from knockwatch.sources._audit_log import FOUND, event_name, parsed
from knockwatch.sources._pairs import Pairs

_OF_KERNEL = r"^(?:node=\S+ )?type=[A-Z]\S* msg=audit\("
_OF_AUOMS = r"^type=[A-Z]\S* audit\("
_AUOMS_HEADER = r"^type=(?P<type>[A-Z]\S*) audit\((?P<time>(?P<s>\d+)\.(?P<ms>\d{3})):(?P<serial>\d+)\):"
_COMMAND = r" cmdline=(.*?)(?: redactors=.*| containerid=.*)?$"
_TITLE = r" proctitle=(.*?)(?: redactors=.*| containerid=.*)?$"
_OF_CALLS = ("AUOMS_EXECVE", "AUOMS_SYSCALL")
_ESCAPED_SEPARATOR = "#035"
"""How rsyslog writes the control character that auditd puts before what it adds (``$EscapeControlCharacters``)."""


class Audit:
    """Reader of audit records inside messages."""

    format = Format(
        "audit-messages",
        "Linux audit records inside messages: audisp-syslog, auoms",
        ("processes", "changes"),
        "verified",
        "audisp-syslog(8); microsoft/OMS-Auditd-Plugin SyslogEventWriter.cpp, Interpret.cpp; OTRF/Security-Datasets, "
        "log4shell auoms",
    )

    def belongs(self) -> pl.Expr:
        """Select by the record's header."""
        message = pl.col("message")
        return (message.str.starts_with("type=") | message.str.starts_with("node=")) & message.str.contains(
            f"{_OF_KERNEL}|{_OF_AUOMS}"
        )

    def read(self, messages: pl.DataFrame, reading: Reading) -> Batch:
        """Gather the records to events, and read those."""
        del reading
        lines = messages.select("line", pl.col("message").alias("text"), pl.col("host").alias("computer"))
        of_auoms = pl.col("text").str.contains(_OF_AUOMS)
        restored = pl.col("text").str.replace_all(_ESCAPED_SEPARATOR, "\x1d", literal=True)
        found, bad = parsed(lines.filter(~of_auoms).with_columns(restored))
        collected, odd = _collected(lines.filter(of_auoms))
        return Batch(messages.height, History().rows(pl.concat([found, collected])), pl.concat([bad, odd]))


def _collected(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take the events that auoms put together apart into records again; and give what cannot be read."""
    fields = lines.with_columns(pl.col("text").str.extract_groups(_AUOMS_HEADER).alias("f")).unnest("f")
    second, part = pl.col("s").cast(pl.Int64, strict=False), pl.col("ms").cast(pl.Int64, strict=False)
    fields = fields.with_columns(
        plausible(second * 1_000_000 + part * 1_000).alias("time_us"), pl.col("computer").alias("host")
    ).with_columns(event_name())
    bad = fields.filter(pl.col("time_us").is_null()).select("line", "text")
    sound = fields.filter(pl.col("time_us").is_not_null())
    pairs = Pairs(sound["text"])
    values = {name: pairs.text(name) for name in SCALARS}
    # Where auoms has a name for a number, the number stands beside it.
    values |= {
        "SYSCALL": values["syscall"],
        "syscall": pairs.text("syscall_r"),
        "UID": pairs.text("user"),
        "saddr": pairs.text("saddr_r").fill_null(values["saddr"]),
        "proctitle": _hexed(sound["text"].str.extract(_TITLE, 1)),
    }
    sound = sound.with_columns(values[name].alias(name) for name in SCALARS)
    executed = sound.filter(pl.col("type") == "AUOMS_EXECVE")
    command = executed["text"].str.extract(_COMMAND, 1).str.replace(r'^"(.*)"$', "$1")
    arguments = executed.with_columns(("): a0=" + _hexed(command)).alias("text"))
    of_call = sound.filter(pl.col("type").is_in(_OF_CALLS))
    return pl.concat(
        [
            _records(of_call, "SYSCALL"),
            _records(arguments.filter(pl.col("text").is_not_null()), "EXECVE"),
            _records(of_call.filter(pl.col("saddr").is_not_null()), "SOCKADDR"),
            _records(of_call.filter(pl.col("proctitle").is_not_null()), "PROCTITLE"),
            _records(sound.filter(pl.col("type") == "NETFILTER_CFG"), "NETFILTER_CFG"),
        ]
    ), bad


def _hexed(texts: pl.Series) -> pl.Series:
    """Write texts in hexadecimal, as the kernel does where they hold blanks."""
    return texts.cast(pl.Binary).bin.encode("hex")


def _records(events: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Make one record of each event."""
    return events.with_columns(pl.lit(kind).alias("type")).select(*FOUND)


BODY = Audit()
