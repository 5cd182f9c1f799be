"""Events of Tetragon as JSON: programs started, connections made and taken, listeners.

Which kernel functions are watched is up to the site's tracing policies; those that tell of connections are known by
name. Events of older versions (``process_connect``, ``process_listen``) are read too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._event_times import moments
from knockwatch.sources._json_records import JsonRecords
from knockwatch.sources._socket_ends import read_ends
from knockwatch.tables import ACCEPTED, DENIED, UNKNOWN

_EVENTS = (
    "process_exec",
    "process_kprobe",
    "process_lsm",
    "process_connect",
    "process_accept",
    "process_listen",
)
_OTHERS = (
    "process_exit", "process_close", "process_tracepoint", "process_uprobe", "process_usdt", "process_loader",
    "process_throttle", "rate_limit_info",
)  # fmt: skip
"""Events that tell of nothing that is read here."""
_PROCESS = ("pid", "uid", "binary", "arguments")
_OWN = ("source_ip", "source_port", "destination_ip", "destination_port", "protocol", "ip", "port")
"""What the events of older versions say themselves."""
_CALLED = ("function_name", "args", "return", "action")
_BEGINS = (
    "tcp_connect",
    "tcp_v4_connect",
    "tcp_v6_connect",
    "security_socket_connect",
    "socket_connect",
    "udp_sendmsg",
)
_TAKES = ("inet_csk_accept", "tcp_create_openreq_child")
_LISTENS = ("inet_csk_listen_start", "inet_listen")
_BINDS = ("security_socket_bind", "socket_bind")
_KINDS = {
    **dict.fromkeys(_BEGINS, "connect"),
    **dict.fromkeys(_TAKES, "accept"),
    **dict.fromkeys((*_LISTENS, *_BINDS), "listen"),
}
"""Kernel functions (net/ipv4, security/security.c), whatever prefix a policy gives them."""
_REFUSED = ("KPROBE_ACTION_OVERRIDE", "KPROBE_ACTION_NOTIFYENFORCER")
_PROTOCOLS = {"IPPROTO_TCP": "tcp", "IPPROTO_UDP": "udp", "TCP": "tcp", "UDP": "udp"}


class Tetragon(JsonRecords):
    """Reader of Tetragon's events."""

    format = Format(
        "tetragon",
        "Tetragon JSON: process_exec, process_kprobe and process_lsm of connections and listeners",
        ("processes", "connections", "changes"),
        "documented",
        "cilium/tetragon docs/content/en/docs/concepts/events.md, api/v1/tetragon/tetragon.proto (KprobeSock), "
        "docs/security-observability-with-ebpf/03_chapter/00_four_golden_signals",
    )
    keys = (
        "time",
        "node_name",
        *_OTHERS,
        *(f"{event}.{who}.{key}" for event in _EVENTS for who in ("process", "parent") for key in _PROCESS),
        *(f"{event}.{key}" for event in ("process_kprobe", "process_lsm") for key in _CALLED),
        *(
            f"{event}.{key}"
            for event in ("process_connect", "process_accept", "process_listen")
            for key in _OWN
        ),
    )

    def belongs(self, record: Mapping[str, Any]) -> bool:
        """Tell by the event that every record holds under its kind."""
        return "node_name" in record and any(key in record for key in (*_EVENTS, *_OTHERS))

    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        """Read the events of the kinds that matter."""
        dated = records.with_columns(moments(records["time"], reading.clock).alias("time_us"))
        events = _flat(dated)
        kinds = [*_OTHERS, *(key for key in self.keys if ".process." in key)]
        of_none = pl.all_horizontal(pl.col(key).is_null() for key in kinds)
        alien = dated.filter(pl.col("time_us").is_null() | of_none)["line"]
        sockets = events.filter(pl.col("does").is_in(["connect", "accept"]))
        connections, odd = _connections(sockets)
        listeners, impossible = _listeners(events.filter(pl.col("does") == "listen"))
        lines = pl.concat([alien, odd, impossible]).unique()
        return Batch(
            records.height,
            {
                "processes": _processes(events.filter(pl.col("does") == "exec")),
                "connections": connections,
                "changes": listeners,
            },
            pl.DataFrame(
                {"line": lines, "text": [None] * len(lines)}, schema={"line": pl.Int64, "text": pl.String}
            ),
        )


def _flat(records: pl.DataFrame) -> pl.DataFrame:
    """Give events of all kinds one set of columns: what each does, who does it, and between whom."""

    def any_of(key: str, events: tuple[str, ...] = _EVENTS) -> pl.Expr:
        return pl.coalesce(f"{event}.{key}" for event in events)

    called = any_of("function_name", ("process_kprobe", "process_lsm")).str.extract(
        r"^(?:__(?:x64|arm64)_)?(.*)$", 1
    )
    present = {event: pl.col(f"{event}.process.binary").is_not_null() for event in _EVENTS}
    does = (
        pl.when(present["process_exec"]).then(pl.lit("exec"))
        .when(present["process_connect"]).then(pl.lit("connect"))
        .when(present["process_accept"]).then(pl.lit("accept"))
        .when(present["process_listen"]).then(pl.lit("listen"))
        .otherwise(called.replace_strict(_KINDS, default=None, return_dtype=pl.String))
    )  # fmt: skip
    probes = ("process_kprobe", "process_lsm")
    old = ("process_connect", "process_accept", "process_listen")
    # What a call gives back is the new socket; its arguments tell of the one that was called.
    told = pl.coalesce(any_of("return", probes).str.replace(r"^(.*)$", "[$1]"), pl.lit("[]"))
    given = any_of("args", probes).fill_null("[]")

    def of_socket(*names: str) -> pl.Expr:
        paths = [path for name in names for path in (f"$[*].sock_arg.{name}", f"$[*].sockaddr_arg.{name}")]
        return pl.coalesce(*(text.str.json_path_match(path) for path in paths for text in (told, given)))

    return records.filter(pl.col("time_us").is_not_null()).select(
        "line",
        "time_us",
        "time",
        pl.col("node_name").alias("host"),
        does.alias("does"),
        *(any_of(f"{who}.{key}").alias(f"{who} {key}") for who in ("process", "parent") for key in _PROCESS),
        pl.coalesce(of_socket("saddr"), any_of("source_ip", old), any_of("ip", old)).alias("saddr"),
        pl.coalesce(of_socket("sport"), any_of("source_port", old), any_of("port", old)).alias("sport"),
        pl.coalesce(of_socket("daddr", "addr", "sin_addr"), any_of("destination_ip", old)).alias("daddr"),
        pl.coalesce(of_socket("dport", "port", "sin_port"), any_of("destination_port", old)).alias("dport"),
        pl.coalesce(of_socket("protocol"), any_of("protocol", old))
        .replace_strict(_PROTOCOLS, default=None, return_dtype=pl.String)
        .fill_null(pl.when(called.str.starts_with("tcp_")).then(pl.lit("tcp")))
        .alias("protocol"),
        any_of("action", probes).alias("action"),
    )


def _command(who: str) -> pl.Expr:
    """Write a command line: Tetragon keeps the program and its arguments apart."""
    return pl.concat_str(f"{who} binary", f"{who} arguments", separator=" ", ignore_nulls=True).replace(
        "", None
    )


def _processes(events: pl.DataFrame) -> pl.DataFrame:
    """Read programs started."""
    return events.select(
        "line",
        "time_us",
        "time",
        "host",
        pl.col("process uid").alias("user"),
        pl.col("process binary").alias("image"),
        _command("process").alias("command_line"),
        pl.col("process pid").cast(pl.Int64, strict=False).alias("pid"),
        pl.col("parent binary").alias("parent_image"),
        _command("parent").alias("parent_command_line"),
        pl.col("parent pid").cast(pl.Int64, strict=False).alias("parent_pid"),
    )


def _connections(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read connections; of a socket taken, the destination is the host itself.

    A call that connects has sent at most the first packet, so nobody knows yet what came of it.
    """
    found = read_ends(events, ("saddr", "daddr"), ("sport", "dport"))
    taken = pl.col("does") == "accept"
    outcome = (
        pl.when(taken).then(pl.lit(ACCEPTED))
        .when(pl.col("action").is_in(_REFUSED)).then(pl.lit(DENIED))
        .otherwise(pl.lit(UNKNOWN))
    )  # fmt: skip
    read = found.filter("sound", pl.col("daddr").is_not_null()).select(
        "line",
        "time_us",
        "time",
        pl.when(taken).then("daddr").otherwise("saddr").alias("source_ip"),
        pl.when(taken).then("dport").otherwise("sport").alias("source_port"),
        pl.when(taken).then("saddr").otherwise("daddr").alias("destination_ip"),
        pl.when(taken).then("sport").otherwise("dport").alias("destination_port"),
        pl.coalesce("protocol", pl.when(taken).then(pl.lit("tcp"))).alias("protocol"),
        outcome.alias("outcome"),
        pl.when(outcome == DENIED).then("action").alias("action"),
        pl.col("host").alias("sensor"),
        pl.lit("Cilium").alias("vendor"),
        pl.lit("Tetragon").alias("product"),
    )
    return read, found.filter(~pl.col("sound"))["line"]


def _listeners(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read listeners; bind(2) is given the address as an argument. Port 0 is a client's."""
    own = events.with_columns(
        pl.coalesce("saddr", "daddr").alias("address"), pl.coalesce("sport", "dport").alias("port")
    )
    found = read_ends(own, ("address",), ("port",), listening=True)
    read = found.filter("sound", pl.col("port").is_not_null()).select(
        "line",
        "time_us",
        "time",
        "host",
        pl.lit("listener-opened").alias("kind"),
        pl.col("process binary").alias("actor"),
        pl.col("parent binary").alias("actor_parent"),
        pl.col("process uid").alias("user"),
        pl.col("process pid").cast(pl.Int64, strict=False).alias("pid"),
        pl.col("address").alias("destination_ip"),
        "protocol",
        "port",
    )
    return read, found.filter(~pl.col("sound"))["line"]


SOURCE = Tetragon()
