"""What the rows of osquery's tables mean: processes, sockets, listeners, rules and log-ins, told by their columns.

A query may have any name and choose its columns, so a table is known by those that no other has.
"""

from __future__ import annotations

import polars as pl

from knockwatch.sources._socket_ends import PROTOCOLS, read_ends
from knockwatch.sources._utmp_words import logged_in
from knockwatch.tables import ACCEPTED, UNANSWERED, UNKNOWN

COLUMNS = (
    *("pid", "path", "name", "cmdline", "parent", "uid", "username", "user", "time", "start_time"),
    *("pcmdline", "protocol", "family", "action", "syscall", "status", "state", "address", "port"),
    *("remote_address", "remote_port", "local_address", "local_port", "host", "tty", "type"),
    *("chain", "filter_name", "target", "src_ip", "src_mask", "dst_ip", "dst_mask", "src_port", "dst_port"),
)
"""Columns of the tables processes, process_events, socket_events, process_open_sockets, listening_ports, iptables,
last and logged_in_users (osquery specs/)."""
_SECONDS = r"^1\d{9}$"
"""A time of the event itself; tables fed by eBPF count from the boot."""
_OUTCOMES = {"ESTABLISHED": ACCEPTED, "CLOSE_WAIT": ACCEPTED, "FIN_WAIT1": ACCEPTED, "FIN_WAIT2": ACCEPTED}
_LOGGED_IN = ("7", "user", "user-process")
"""USER_PROCESS of utmp(5), by the tables' columns `type`."""

_HOST = "255.255.255.255"
_ANYWHERE = ["0.0.0.0"]  # noqa: S104
_ANY_PORT = ["0:65535", "0:0"]

Filled = dict[str, pl.DataFrame]


def tables(entries: pl.DataFrame) -> tuple[Filled, pl.DataFrame]:
    """Turn rows of osquery's tables into ours.

    Parameters
    ----------
    entries
        `line`, `time_us`, `time` and `host` of the result; `action` (added, removed, snapshot); `counter` (how often
        the query ran before); each of `COLUMNS` behind ``its``, as text.

    Returns
    -------
    tuple
        The tables, and the `line` of what is impossible. What was there when a query first ran, or in a snapshot, is
        no change: as in other evidence of a state, it has no time.
    """
    entries = entries.with_columns(
        pl.when(_its("time").str.contains(_SECONDS)).then(_its("time").cast(pl.Int64, strict=False) * 1_000_000)
        .alias("own_us"),
        ((pl.col("action") == "snapshot") | (pl.col("counter") == "0")).fill_null(value=False).alias("state"),
        _its("protocol").replace_strict(PROTOCOLS, default=None, return_dtype=pl.String).alias("protocol"),
    )  # fmt: skip
    kept = entries.filter(pl.col("action") != "removed")
    connections, odd = _connections(kept)
    listeners, impossible = _listeners(entries)
    rules = _rules(entries)
    filled = {
        "processes": _processes(kept),
        "connections": connections,
        "changes": pl.concat([listeners, rules], how="diagonal_relaxed"),
        "messages": _log_ins(kept),
    }
    return filled, pl.concat([odd, impossible])


def _its(name: str) -> pl.Expr:
    """Read one of a row's own columns; osquery writes an empty text where there is nothing."""
    value = pl.col(f"its {name}")
    return pl.when(value != "").then(value)


def _number(name: str) -> pl.Expr:
    """Read a number; -1 stands for none."""
    value = _its(name).cast(pl.Int64, strict=False)
    return pl.when(value >= 0).then(value)


def _when() -> list[pl.Expr]:
    """Say when something happened: by the event itself, else when the query saw it."""
    return [
        pl.coalesce("own_us", "time_us").alias("time_us"),
        pl.when(pl.col("own_us").is_not_null()).then("its time").otherwise("time").alias("time"),
    ]


def _processes(entries: pl.DataFrame) -> pl.DataFrame:
    """Read processes and process_events; a process that ran before began when it says."""
    began = pl.when(_its("start_time").str.contains(_SECONDS)).then(_number("start_time") * 1_000_000)
    present = {name: pl.col(f"its {name}").is_not_null() for name in COLUMNS}
    told = _its("pid").is_not_null() & pl.coalesce(_its("path"), _its("name"), _its("cmdline")).is_not_null()
    mine = pl.any_horizontal(present[name] for name in ("name", "cmdline", "parent"))
    other = pl.any_horizontal(
        present[name] for name in ("remote_port", "local_port", "port", "tty", "family", "address")
    )
    return entries.filter(told & mine & ~other).select(
        "line",
        pl.coalesce("own_us", began, "time_us").alias("time_us"),
        pl.when(pl.col("own_us").is_not_null()).then("its time")
        .when(began.is_not_null()).then("its start_time")
        .otherwise("time").alias("time"),
        "host",
        pl.coalesce(_its("username"), _its("user"), _its("uid")).alias("user"),
        pl.coalesce(_its("path"), _its("name")).alias("image"),
        _its("cmdline").alias("command_line"),
        _number("pid").alias("pid"),
        _number("parent").alias("parent_pid"),
        _its("pcmdline").alias("parent_command_line"),
    )  # fmt: skip


def _connections(entries: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read socket_events and process_open_sockets.

    An event says who began. Of an open socket the higher port did: ports that are lent lie above those of services.
    """
    mine = entries.filter(_its("remote_address").is_not_null() & (_its("remote_port") != "0"))
    called = pl.coalesce(_its("action"), _its("syscall")).str.extract(r"^(connect|accept|bind)", 1)
    texts = {
        name: _its(name).alias(name)
        for name in ("local_address", "local_port", "remote_address", "remote_port")
    }
    written = mine.with_columns(*texts.values(), called.alias("call")).filter(
        pl.col("call").fill_null("") != "bind"
    )
    ends = read_ends(written, ("local_address", "remote_address"), ("local_port", "remote_port"))
    accepted = pl.col("call") == "accept"
    lower = pl.col("local_port").fill_null(65536) < pl.col("remote_port").fill_null(65536)
    incoming = pl.when(pl.col("call").is_not_null()).then(accepted).otherwise(lower).fill_null(value=False)
    outcome = (
        pl.when(accepted | ((pl.col("call") == "connect") & (_its("status") == "succeeded")))
        .then(pl.lit(ACCEPTED))
        .when(_its("state") == "SYN_SENT")
        .then(pl.lit(UNANSWERED))
        .otherwise(_its("state").replace_strict(_OUTCOMES, default=UNKNOWN, return_dtype=pl.String))
        .fill_null(UNKNOWN)
    )

    def end(what: str, *, source: bool) -> pl.Expr:
        remote, local = pl.col(f"remote_{what}"), pl.col(f"local_{what}")
        return pl.when(incoming if source else ~incoming).then(remote).otherwise(local)

    read = ends.filter("sound").select(
        "line",
        *_when(),
        end("address", source=True).alias("source_ip"),
        end("port", source=True).alias("source_port"),
        end("address", source=False).alias("destination_ip"),
        end("port", source=False).alias("destination_port"),
        pl.coalesce("protocol", pl.when(accepted).then(pl.lit("tcp"))).alias("protocol"),
        outcome.alias("outcome"),
        pl.coalesce(_its("status"), _its("state")).alias("action"),
        pl.col("host").alias("sensor"),
        pl.lit("osquery").alias("product"),
    )
    return read, ends.filter(~pl.col("sound")).select("line")


def _listeners(entries: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read listening_ports, and bind(2) of socket_events; sockets of other families than IP have no protocol."""
    bound = pl.coalesce(_its("action"), _its("syscall")) == "bind"
    listening = (
        pl.col("its port").is_not_null()
        & pl.col("its remote_port").is_null()
        & pl.col("protocol").is_not_null()
    )
    mine = entries.filter((bound | listening).fill_null(value=False)).with_columns(
        pl.coalesce(_its("local_address"), _its("address")).alias("address"),
        pl.coalesce(_its("local_port"), _its("port")).alias("port"),
    )
    ends = read_ends(mine, ("address",), ("port",), listening=True)
    kind = (
        pl.when(pl.col("action") == "removed")
        .then(pl.lit("listener-closed"))
        .otherwise(pl.lit("listener-opened"))
    )
    read = ends.filter(pl.col("sound") & pl.col("port").is_not_null()).select(
        "line",
        pl.when(~pl.col("state") | pl.col("own_us").is_not_null()).then(pl.coalesce("own_us", "time_us"))
        .alias("time_us"),
        "time",
        "host",
        kind.alias("kind"),
        pl.coalesce(_its("path"), _its("name")).alias("actor"),
        _number("pid").alias("pid"),
        pl.col("address").alias("destination_ip"),
        "protocol",
        "port",
    )  # fmt: skip
    return read, ends.filter(~pl.col("sound")).select("line")


def _rules(entries: pl.DataFrame) -> pl.DataFrame:
    """Read iptables; a rule's text is put together of its columns, without what matches anything."""
    kind = pl.when(pl.col("action") == "removed").then(pl.lit("rule-removed")).otherwise(pl.lit("rule-added"))
    options = {
        "-t ": _its("filter_name"),
        "-A ": _its("chain"),
        "-p ": pl.col("protocol"),
        "-s ": _network("src"),
        "--sport ": _ports("src_port"),
        "-d ": _network("dst"),
        "--dport ": _ports("dst_port"),
        "-j ": _its("target"),
    }
    texts = [pl.concat_str(pl.lit(option), value) for option, value in options.items()]
    single, network = _ports("dst_port"), _network("src")
    return entries.filter(pl.col("its chain").is_not_null() & pl.col("its target").is_not_null()).select(
        "line",
        pl.when(~pl.col("state")).then("time_us").alias("time_us"),
        "time",
        "host",
        kind.alias("kind"),
        pl.concat_str(pl.lit("iptables"), *texts, separator=" ", ignore_nulls=True).alias("rule_text"),
        pl.when(~network.str.contains("/", literal=True)).then(network).alias("source_ip"),
        "protocol",
        single.cast(pl.Int64, strict=False).alias("port"),
    )


def _network(end: str) -> pl.Expr:
    """Write an address with its mask, unless that is of one host."""
    address, mask = _its(f"{end}_ip"), _its(f"{end}_mask").fill_null(_HOST)
    masked = pl.when(mask == _HOST).then(address).otherwise(pl.concat_str(address, pl.lit("/"), mask))
    return pl.when(~address.is_in(_ANYWHERE)).then(masked)


def _ports(name: str) -> pl.Expr:
    """Write ports, which osquery gives as a range even of one."""
    ports = _its(name)
    one = ports.str.extract(r"^(\d+)", 1)
    return pl.when(~ports.is_in(_ANY_PORT)).then(pl.when(ports == one + ":" + one).then(one).otherwise(ports))


def _log_ins(entries: pl.DataFrame) -> pl.DataFrame:
    """Read last and logged_in_users, in the words of `_utmp_words`."""
    mine = entries.filter(_its("type").is_in(_LOGGED_IN) & pl.col("its tty").is_not_null())
    return mine.select(
        "line",
        *_when(),
        "host",
        pl.lit("last").alias("program"),
        _number("pid").alias("pid"),
        logged_in(pl.coalesce(_its("username"), _its("user")), _its("tty"), _its("host")).alias("message"),
    )
