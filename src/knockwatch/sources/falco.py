"""Alerts of Falco as JSON: programs started, connections, listeners and packet sockets that its rules tell of.

An alert has the fields that its rule's output names, and no others; which rules there are is up to the site.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._audit_records import packet_socket
from knockwatch.sources._event_times import moments
from knockwatch.sources._json_records import JsonRecords, nested
from knockwatch.sources._socket_ends import read_ends
from knockwatch.tables import ACCEPTED, REFUSED, UNANSWERED, UNKNOWN

_FIELDS = (
    *("evt.type", "evt.res", "evt.args", "evt.hostname"),
    *("user.name", "user.uid", "proc.name", "proc.exepath", "proc.cmdline", "proc.pid"),
    *("proc.pname", "proc.pexepath", "proc.pcmdline", "proc.ppid"),
    *(
        "fd.name",
        "fd.l4proto",
        "fd.cip",
        "fd.cport",
        "fd.sip",
        "fd.sport",
        "fd.lip",
        "fd.lport",
        "fd.rip",
        "fd.rport",
    ),
)
"""Fields of the classes evt, user, proc and fd (falco.org, reference/rules/supported-fields)."""
_STARTS = ("execve", "execveat")
_TAKES = ("accept", "accept4")
_TALKS = ("connect", *_TAKES, "sendto", "sendmsg", "recvfrom", "recvmsg")
_LISTENS = ("bind", "listen")
_END = r"\[?([0-9A-Fa-f:.]*[0-9A-Fa-f:])\]?:(\d+)"
_TUPLE = rf"^{_END}->{_END}$"
"""A connected socket's name: client, server; a listening one's has one end."""
_OUTCOMES = {
    "SUCCESS": ACCEPTED, "ECONNREFUSED": REFUSED, "ETIMEDOUT": UNANSWERED, "EHOSTUNREACH": UNANSWERED,
}  # fmt: skip
"""What a connect(2) came to, by `evt.res`: of TCP."""
_SOCKET = r"domain=(\d+)\S* type=(\d+)"


class Falco(JsonRecords):
    """Reader of Falco's alerts."""

    format = Format(
        "falco",
        "Falco alerts, JSON: processes, connections, listeners, packet sockets",
        ("processes", "connections", "changes"),
        "documented",
        "falcosecurity/falco-website content/en/docs/concepts/outputs/formatting.md, "
        "reference/rules/supported-fields; falcosecurity/rules rules/falco_rules.yaml",
    )
    keys = ("time", "hostname", "rule", "priority", "output_fields")

    def belongs(self, record: Mapping[str, Any]) -> bool:
        """Tell by the keys that every alert has."""
        return all(key in record for key in ("rule", "priority", "time", "output_fields"))

    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        """Read the fields of each alert, then what they tell of."""
        dated = records.with_columns(moments(records["time"], reading.clock).alias("time_us"))
        fields = nested(dated.select("line", pl.col("output_fields").alias("text")), _FIELDS)
        alerts = dated.filter(pl.col("time_us").is_not_null(), pl.col("rule").is_not_null()).join(
            fields, on="line", maintain_order="left"
        )
        alerts = alerts.with_columns(pl.coalesce("hostname", "evt.hostname").alias("host"))
        connections, odd = _connections(alerts.filter(pl.col("evt.type").is_in(_TALKS)))
        listeners, impossible = _listeners(alerts.filter(pl.col("evt.type").is_in(_LISTENS)))
        changes = pl.concat([listeners, _packet_sockets(alerts)], how="diagonal_relaxed")
        alien = dated.filter(pl.col("time_us").is_null() | pl.col("rule").is_null())["line"]
        lines = pl.concat([alien, odd, impossible]).unique()
        return Batch(
            records.height,
            {"processes": _processes(alerts), "connections": connections, "changes": changes},
            pl.DataFrame(
                {"line": lines, "text": [None] * len(lines)}, schema={"line": pl.Int64, "text": pl.String}
            ),
        )


def _said(name: str) -> pl.Expr:
    """Read a field; Falco writes ``<NA>`` where it does not know."""
    return pl.when(~pl.col(name).is_in(["<NA>", ""])).then(pl.col(name))


def _number(name: str) -> pl.Expr:
    """Read a number."""
    return _said(name).cast(pl.Int64, strict=False)


def _processes(alerts: pl.DataFrame) -> pl.DataFrame:
    """Read programs started; a rule that does not name its event tells of a program that ran."""
    mine = pl.col("evt.type").is_in(_STARTS) | (pl.col("evt.type").is_null() & pl.col("fd.name").is_null())
    return alerts.filter(mine & _said("proc.cmdline").is_not_null()).select(
        "line",
        "time_us",
        "time",
        "host",
        pl.coalesce(_said("user.name"), _said("user.uid")).alias("user"),
        pl.coalesce(_said("proc.exepath"), _said("proc.name")).alias("image"),
        _said("proc.cmdline").alias("command_line"),
        _number("proc.pid").alias("pid"),
        pl.coalesce(_said("proc.pexepath"), _said("proc.pname")).alias("parent_image"),
        _said("proc.pcmdline").alias("parent_command_line"),
        _number("proc.ppid").alias("parent_pid"),
    )


def _connections(alerts: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read connections: client and server as the fields have them, else as the socket's name has."""
    name = pl.col("fd.name")
    ends = ("fd.cip", "fd.cport", "fd.sip", "fd.sport")
    written = alerts.with_columns(
        pl.coalesce(_said(field), name.str.extract(_TUPLE, group)).alias(field)
        for group, field in enumerate(ends, 1)
    )
    found = read_ends(written, ("fd.cip", "fd.sip"), ("fd.cport", "fd.sport"))
    taken = pl.col("evt.type").is_in(_TAKES)
    protocol = pl.coalesce(_said("fd.l4proto"), pl.when(taken).then(pl.lit("tcp")))
    came_to = _said("evt.res").replace_strict(_OUTCOMES, default=UNKNOWN, return_dtype=pl.String)
    outcome = (
        pl.when(taken).then(pl.lit(ACCEPTED))
        .when((pl.col("evt.type") == "connect") & (protocol == "tcp")).then(came_to)
        .fill_null(UNKNOWN)
    )  # fmt: skip
    read = found.filter("sound", pl.col("fd.sip").is_not_null()).select(
        "line",
        "time_us",
        "time",
        pl.col("fd.cip").alias("source_ip"),
        pl.col("fd.cport").alias("source_port"),
        pl.col("fd.sip").alias("destination_ip"),
        pl.col("fd.sport").alias("destination_port"),
        protocol.alias("protocol"),
        outcome.alias("outcome"),
        _said("evt.res").alias("action"),
        pl.col("host").alias("sensor"),
        pl.lit("Falco").alias("product"),
        "rule",
    )
    return read, found.filter(~pl.col("sound"))["line"]


def _change(kind: str) -> list[pl.Expr]:
    """Give what the rows of all kinds of changes have."""
    return [
        *(pl.col(name) for name in ("line", "time_us", "time", "host")),
        pl.lit(kind).alias("kind"),
        pl.coalesce(_said("proc.exepath"), _said("proc.name"), _said("proc.cmdline")).alias("actor"),
        pl.coalesce(_said("proc.pexepath"), _said("proc.pname")).alias("actor_parent"),
        pl.coalesce(_said("user.name"), _said("user.uid")).alias("user"),
        _number("proc.pid").alias("pid"),
    ]


def _listeners(alerts: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read listeners."""
    name = pl.col("fd.name")
    written = alerts.with_columns(
        pl.coalesce(_said("fd.lip"), _said("fd.sip"), name.str.extract(rf"^{_END}", 1)).alias("address"),
        pl.coalesce(_said("fd.lport"), _said("fd.sport"), name.str.extract(rf"^{_END}", 2)).alias("port"),
    )
    found = read_ends(written, ("address",), ("port",), listening=True)
    read = found.filter("sound", pl.col("port").is_not_null()).select(
        *_change("listener-opened"),
        pl.col("address").alias("destination_ip"),
        _said("fd.l4proto").alias("protocol"),
        "port",
    )
    return read, found.filter(~pl.col("sound"))["line"]


def _packet_sockets(alerts: pl.DataFrame) -> pl.DataFrame:
    """Read sockets that yield whole packets, from the arguments of socket(2)."""
    asked = pl.col("evt.args").str.extract_groups(_SOCKET)
    told = alerts.with_columns(asked.alias("asked")).unnest("asked").drop_nulls(["1", "2"])
    texts = [
        packet_socket(int(family), int(kind)) if len(family) + len(kind) < 9 else None
        for family, kind in told.select("1", "2").iter_rows()
    ]
    return (
        told.with_columns(pl.Series("rule_text", texts, dtype=pl.String))
        .filter(pl.col("rule_text").is_not_null())
        .select(*_change("socket-opened"), "rule_text")
    )


SOURCE = Falco()
