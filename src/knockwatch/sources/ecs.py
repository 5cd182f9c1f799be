"""Elastic's common schema (ECS) as JSON: Filebeat, Packetbeat, Auditbeat and Elastic Defend.

Events are lines, an array, or hits of a search, which have them under `_source`. What is read are connections, programs
started, log-ins, and lines of logs. Winlogbeat's events are `windows_json`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._ecs_connections import connections, number, word
from knockwatch.sources._event_times import moments
from knockwatch.sources._json_records import JsonRecords, Spelling, sample, value_at
from knockwatch.sources._log_in_records import LOG_IN, log_in_messages
from knockwatch.sources._socket_ends import read_ends
from knockwatch.sources.bodies import decode
from knockwatch.sources.syslog import envelope

_FIELDS = (
    *("@timestamp", "message"),
    *(f"event.{name}" for name in ("category", "type", "action", "outcome", "dataset", "start", "original")),
    *(f"{end}.{what}" for end in ("source", "destination") for what in ("ip", "port", "bytes", "packets")),
    *(f"network.{name}" for name in ("transport", "iana_number", "direction")),
    *(f"observer.{name}" for name in ("name", "type", "vendor", "product")),
    *(f"host.{name}" for name in ("name", "hostname")),
    *(f"user.{name}" for name in ("name", "id", "domain")),
    *("agent.type", "agent.hostname", "rule.name", "rule.id", "input.type", "flow.final"),
    *("log.syslog.appname", "zeek.connection.state", "process.ppid"),
    *(
        f"process.{who}{name}"
        for who in ("", "parent.")
        for name in ("pid", "name", "executable", "command_line", "args")
    ),
)
_HIT = "_source"
_ENVELOPES = r"^(?:<\d{1,3}>)?(?:1 \d{4}-|\d{4}-\d\d-\d\dT\S+ \S|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )"
"""How lines begin that Filebeat took from a file as they were: with a header of syslog."""
_STARTS = (
    "executed",
    "exec",
    "start",
    "process_started",
    "process-started",
    r"Process Create \(rule: ProcessCreate\)",
)
_PASSED = ("fork", "end", "existing_process", "process_stopped")
"""What is no start of a program: a fork runs the same one on."""


class _Events(JsonRecords):
    """Reader of events that stand in their records in one way."""

    format = Format(
        "ecs",
        "Elastic Common Schema, JSON: Filebeat, Packetbeat, Auditbeat, Elastic Defend, search hits",
        ("connections", "processes", "messages"),
        "documented",
        "elastic/ecs; elastic/beats packetbeat/_meta/sample_outputs/flow.json, auditbeat/module/auditd/_meta",
    )

    def __init__(self, prefix: str = "", spelling: Spelling = "both") -> None:
        self._prefix = prefix
        self.spelling = spelling
        self.keys = tuple(prefix + name for name in _FIELDS)

    def belongs(self, record: Mapping[str, Any]) -> bool:
        """Tell events by their time and their classification."""
        inner = record.get(_HIT)
        event = inner if isinstance(inner, Mapping) else record
        classified = any(
            value_at(event, f"event.{name}") is not None for name in ("category", "dataset", "kind")
        )
        return (
            "@timestamp" in event
            and (classified or value_at(event, "ecs.version") is not None)
            and "winlog" not in event
            and "winlog.event_id" not in event
        )

    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        """Read events of each kind; those of others are passed over."""
        said = records.select("line", *(pl.col(self._prefix + name).alias(name) for name in _FIELDS))
        events = _events(said, reading)
        alien = said.filter(pl.col("@timestamp").is_null() | events["time_us"].is_null())["line"]
        dated = events.filter(pl.col("time_us").is_not_null())
        network = pl.col("destination.ip").is_not_null() & ~word("event.category", "authentication")
        started = word("event.category", "process") & word("event.type", "start") | word(
            "event.action", *_STARTS
        )
        found, odd = connections(dated.filter(network))
        rest = dated.filter(~network)
        logged = rest.filter(_is_line())
        batch = _lines(logged, reading)
        log_ins, strange = _log_ins(rest.filter(~_is_line() & word("event.category", "authentication")))
        parts = {
            "connections": found,
            "processes": _processes(rest.filter(started & ~word("event.action", *_PASSED) & ~_is_line())),
            "messages": log_ins,
        }
        for name, part in parts.items():
            own = batch.tables.get(name)
            batch.tables[name] = part if own is None else pl.concat([own, part], how="diagonal_relaxed")
        bad = [alien, odd, strange, *([] if batch.misfits is None else [batch.misfits["line"]])]
        lines = pl.concat(bad).unique().to_frame("line")
        return Batch(records.height, batch.tables, lines.with_columns(text=pl.lit(None, dtype=pl.String)))


class Ecs:
    """Reader of events: bare, or as hits of a search."""

    format = _Events.format

    def confidence(self, head: Head) -> float:
        """Share of the first records that are events, a little less than certain."""
        return _Events().confidence(head)

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read the records as the first ones have their events."""
        first = sample(Head(reading.evidence.head()))
        if any(isinstance(record.get(_HIT), Mapping) for record in first):
            yield from _Events(f"{_HIT}.", "nested").read(reading)
            return
        dotted = any("." in name for record in first for name in record)
        yield from _Events("", "both" if dotted else "nested").read(reading)


def _events(said: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Add when, and on which host; a flow is dated by its beginning. Of lists of addresses the first counts."""
    text = pl.coalesce(pl.when(pl.col("destination.ip").is_not_null()).then("event.start"), "@timestamp")
    timed = said.with_columns(text.alias("time"))
    return timed.with_columns(
        moments(timed["time"], reading.clock).alias("time_us"),
        pl.coalesce("host.name", "host.hostname", "agent.hostname").alias("host"),
        *(
            pl.col(f"{end}.ip").str.replace(r'^\["?([^",\]]*).*$', "$1").alias(f"{end}.ip")
            for end in ("source", "destination")
        ),
    )


def _is_line() -> pl.Expr:
    """Say whether an event is a line of a log, in the words of whatever wrote it."""
    written = pl.col("input.type").is_not_null() | pl.col("event.dataset").str.starts_with("system.")
    return written.fill_null(value=False) & pl.coalesce("message", "event.original").is_not_null()


def _lines(events: pl.DataFrame, reading: Reading) -> Batch:
    """Read lines of logs and what they carry; those that were not taken apart have their header still."""
    program = pl.coalesce("log.syslog.appname", "process.name")
    named = events.with_columns(program.alias("program"), number("process.pid").alias("pid"))
    text = pl.coalesce("message", "event.original")
    apart = named.filter(pl.col("program").is_not_null()).select(
        *("line", "time_us", "time", "host", "program", "pid"),
        text.str.replace_all(r"[\r\n]+", " ").alias("message"),
    )
    whole = named.filter(pl.col("program").is_null() & text.str.contains(_ENVELOPES)).select(
        "line", text.alias("text")
    )
    messages = [apart, envelope(whole, reading)] if whole.height else [apart]
    return decode(pl.concat(messages, how="diagonal_relaxed"), reading)


def _log_ins(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read log-ins that fields alone tell of."""
    records = events.with_columns(
        pl.col("process.name").alias("program"),
        pl.lit(None, dtype=pl.String).alias("logon_type"),
        pl.col("source.ip").alias("address"),
        pl.col("source.port").alias("port"),
        pl.col("user.name").alias("account"),
        pl.col("user.domain").alias("domain"),
        pl.when(word("event.outcome", "success"))
        .then(pl.lit(value=True))
        .when(word("event.outcome", "failure"))
        .then(pl.lit(value=False))
        .alias("succeeded"),
    ).select("line", "time_us", "time", "host", *LOG_IN)
    found = read_ends(records, ("address",), ("port",))
    return log_in_messages(found.filter("sound")), found.filter(~pl.col("sound"))["line"]


def _command(who: str) -> pl.Expr:
    """Give a command line; some sensors keep arguments only, as a list."""
    arguments = pl.col(f"process.{who}args").str.json_decode(pl.List(pl.String)).list.join(" ")
    return pl.coalesce(f"process.{who}command_line", arguments)


def _processes(events: pl.DataFrame) -> pl.DataFrame:
    """Read programs started."""
    return events.select(
        *("line", "time_us", "time", "host"),
        pl.coalesce("user.name", "user.id").alias("user"),
        pl.coalesce("process.executable", "process.name").alias("image"),
        _command("").alias("command_line"),
        number("process.pid").alias("pid"),
        pl.coalesce("process.parent.executable", "process.parent.name").alias("parent_image"),
        _command("parent.").alias("parent_command_line"),
        pl.coalesce(number("process.parent.pid"), number("process.ppid")).alias("parent_pid"),
    )


SOURCE = Ecs()
