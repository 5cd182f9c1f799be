"""Events of the Open Cybersecurity Schema Framework (OCSF) to rows, whether they stand in JSON or in columns.

Read are the classes Network Activity (4001) and its kin RDP and SSH Activity, Process Activity (1007) and
Authentication (3002). Of what Amazon's Security Lake writes of VPC flows, both directions are put together as of the
flow logs themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from knockwatch.sources import Batch, Reading
from knockwatch.sources._answer_counts import by_counts
from knockwatch.sources._aws_flow_logs import FIELDS, parse
from knockwatch.sources._event_times import moments
from knockwatch.sources._flow_conversations import FLOWS
from knockwatch.sources._flow_records import ACK, SYN
from knockwatch.sources._log_in_records import LOG_IN, log_in_messages
from knockwatch.sources._socket_ends import PROTOCOLS, read_ends
from knockwatch.tables import ACCEPTED, DENIED, REFUSED, UNANSWERED, UNKNOWN

TITLE = "OCSF (Amazon Security Lake and others)"
FILLS = ("connections", "processes", "changes", "messages")
REFERENCE = "schema.ocsf.io, classes 4001, 1007 and 3002; ocsf/examples"
NEEDED = ("class_uid", "time", "metadata")

_PROCESS = ("pid", "name", "cmd_line", "file.path", "file.name")
KEYS: Sequence[str] = (
    *("class_uid", "activity_id", "activity_name", "time", "start_time", "end_time", "status_id"),
    *("disposition_id", "disposition", "action_id", "action"),
    *(f"metadata.product.{name}" for name in ("name", "vendor_name")),
    *(f"{end}_endpoint.{what}" for end in ("src", "dst") for what in ("ip", "port", "interface_uid")),
    *(f"connection_info.{name}" for name in ("protocol_num", "protocol_name", "direction_id", "tcp_flags")),
    *(f"traffic.{count}{way}" for count in ("packets", "bytes") for way in ("", "_in", "_out")),
    *("device.hostname", "device.name", "firewall_rule.name", "policy.name"),
    *(f"{who}.{name}" for who in ("process", "process.parent_process", "actor.process") for name in _PROCESS),
    *("process.user.name", "actor.user.name", "user.name", "user.domain"),
    *("logon_type_id", "service.name", "logon_process.name"),
)
_NETWORK = ("4001", "4005", "4007")
_OPEN, _FAIL, _REFUSE, _LISTEN = "1", "4", "5", "7"
_LAUNCH = _LOG_ON = "1"
_DISPOSITIONS: Mapping[str, str] = {
    "1": ACCEPTED, "2": DENIED, "6": DENIED, "21": DENIED, "25": REFUSED,
    "allowed": ACCEPTED, "blocked": DENIED, "dropped": DENIED, "reset": DENIED, "rejected": REFUSED,
}  # fmt: skip
"""What a control did (disposition_id, or its caption)."""
_ACTIONS: Mapping[str, str] = {"1": ACCEPTED, "2": DENIED, "allowed": ACCEPTED, "denied": DENIED}
"""The same in action_id, since schema 1.1."""
_CAPTIONS: Mapping[str, Mapping[str, str]] = {
    "disposition_id": {"1": "Allowed", "2": "Blocked", "6": "Dropped", "21": "Reset", "25": "Rejected"},
    "action_id": {"1": "Allowed", "2": "Denied"},
    "activity_id": {
        "1": "Open", "2": "Close", "3": "Reset", "4": "Fail", "5": "Refuse", "6": "Traffic", "7": "Listen",
    },
}  # fmt: skip
"""The schema's own words, which records may leave out."""
_FLOW_LOGS = "amazon vpc"
_VPC: Mapping[str, str] = {
    "sensor": "dst_endpoint.interface_uid",
    "srcaddr": "src_endpoint.ip",
    "dstaddr": "dst_endpoint.ip",
    "source_port": "src_endpoint.port",
    "destination_port": "dst_endpoint.port",
    "protocol": "connection_info.protocol_num",
    "packets_sent": "traffic.packets",
    "bytes_sent": "traffic.bytes",
    "flags": "connection_info.tcp_flags",
}
"""Names of the flow log's fields to where Security Lake puts them."""


def read_events(records: pl.DataFrame, reading: Reading) -> Batch:
    """Make rows of events.

    Parameters
    ----------
    records
        `line`, and `KEYS` as text.

    Returns
    -------
    Batch
        Rows, and of VPC flows records to be folded. Misfits are records without a class or a time, and such whose
        addresses or ports are none; events of other classes are passed over.
    """
    time = pl.coalesce(pl.when(pl.col("class_uid").is_in(_NETWORK)).then("start_time"), "time")
    timed = records.with_columns(time.alias("time"))
    events = timed.with_columns(
        moments(timed["time"], reading.clock).alias("time_us"),
        pl.coalesce(_said("device.hostname"), _said("device.name")).alias("host"),
    )
    alien = events.filter(pl.col("time_us").is_null() | pl.col("class_uid").is_null())["line"]
    sound = events.filter(pl.col("time_us").is_not_null())
    network = pl.col("class_uid").is_in(_NETWORK)
    flow = network & (pl.col("metadata.product.name").str.to_lowercase() == _FLOW_LOGS).fill_null(value=False)
    listening = network & (pl.col("activity_id") == _LISTEN).fill_null(value=False)
    connections, odd = _connections(sound.filter(network & ~flow & ~listening))
    listeners, impossible = _listeners(sound.filter(listening))
    log_ins, strange = _log_ins(sound.filter(pl.col("class_uid") == "3002", pl.col("activity_id") == _LOG_ON))
    flows = _flows(sound.filter(flow), reading)
    assert flows.misfits is not None
    lines = pl.concat([alien, odd, impossible, strange, flows.misfits["line"]]).unique().to_frame("line")
    return Batch(
        records.height,
        {
            "connections": connections,
            "changes": listeners,
            "messages": log_ins,
            "processes": _processes(
                sound.filter(pl.col("class_uid") == "1007", pl.col("activity_id") == _LAUNCH)
            ),
            FLOWS: flows.tables[FLOWS],
        },
        lines.with_columns(text=pl.lit(None, dtype=pl.String)),
    )


def _said(name: str) -> pl.Expr:
    """Keep a text that says something; sensors on Windows write a dash for nothing."""
    return pl.when(~pl.col(name).is_in(["", "-"])).then(pl.col(name))


def _number(name: str) -> pl.Expr:
    """Read a whole number."""
    return pl.col(name).cast(pl.Int64, strict=False)


def _decided() -> pl.Expr:
    """Say what a control decided; null where none did."""
    words: tuple[tuple[str, Mapping[str, str]], ...] = (
        ("disposition_id", _DISPOSITIONS),
        ("disposition", _DISPOSITIONS),
        ("action_id", _ACTIONS),
        ("action", _ACTIONS),
    )
    return pl.coalesce(
        pl.col(name).str.to_lowercase().replace_strict(known, default=None, return_dtype=pl.String)
        for name, known in words
    )


def _outcome() -> pl.Expr:
    """Say what became of a connection: by the control that stopped it, by what came back, by the activity."""
    activity, tcp = pl.col("activity_id"), pl.col("protocol") == "tcp"
    counts = (_number("traffic.packets_in"), _number("traffic.bytes_in"))
    counted = pl.any_horizontal(pl.col(f"traffic.{name}_in").is_not_null() for name in ("packets", "bytes"))
    decided = _decided()
    return (
        pl.when(decided.is_in([DENIED, REFUSED])).then(decided)
        .when(activity == _REFUSE).then(pl.lit(REFUSED))
        .when(activity == _FAIL).then(pl.lit(UNANSWERED))
        .when(counted).then(by_counts(*counts, tcp, over=activity != _OPEN))
        .when((activity == _OPEN) & (pl.col("status_id") == "2")).then(pl.lit(UNANSWERED))
        .when((activity == _OPEN) & tcp.fill_null(value=True)).then(pl.lit(ACCEPTED))
        .otherwise(decided)
        .fill_null(UNKNOWN)
    )  # fmt: skip


def _action() -> pl.Expr:
    """Give the word for what was done, of the control if there was one."""
    captions = {
        name: pl.col(name).replace_strict(known, default=None, return_dtype=pl.String)
        for name, known in _CAPTIONS.items()
    }
    return pl.coalesce(
        *(_said("disposition"), captions["disposition_id"], _said("action"), captions["action_id"]),
        *(_said("activity_name"), captions["activity_id"]),
    )


def _connections(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read connections. An accept of which no answer is on record is a control's, which may pass it on."""
    addresses = ("src_endpoint.ip", "dst_endpoint.ip")
    found = read_ends(events, addresses, ("src_endpoint.port", "dst_endpoint.port"))
    named = pl.coalesce(_said("connection_info.protocol_name"), "connection_info.protocol_num")
    read = found.filter("sound", pl.col("dst_endpoint.ip").is_not_null()).with_columns(
        named.str.to_lowercase()
        .replace({"ipv6-icmp": "icmp6", "icmpv6": "icmp6", **PROTOCOLS})
        .alias("protocol")
    )
    answered = pl.max_horizontal(_number("traffic.packets_in"), _number("traffic.bytes_in")).fill_null(0) > 0
    flags = _number("connection_info.tcp_flags")
    begins = pl.when((flags & SYN) == SYN).then(
        pl.when((flags & ACK) == ACK).then(pl.lit("SYN,ACK")).otherwise(pl.lit("SYN"))
    )
    rows = read.select(
        *("line", "time_us", "time"),
        *(
            pl.col(f"{theirs}_endpoint.{what}").alias(f"{ours}_{what}")
            for theirs, ours in (("src", "source"), ("dst", "destination"))
            for what in ("ip", "port")
        ),
        "protocol",
        _outcome().alias("outcome"),
        _action().alias("action"),
        begins.alias("tcp_flags"),
        pl.when((_decided() == ACCEPTED) & ~answered)
        .then(pl.lit(value=True))
        .when(_decided().is_null() & (pl.col("connection_info.direction_id") == "1"))
        .then(pl.lit(value=False))
        .alias("forwarded"),
        *(
            pl.coalesce(_number(f"traffic.{count}_{theirs}")).alias(f"{count}_{ours}")
            for count in ("packets", "bytes")
            for theirs, ours in (("out", "sent"), ("in", "received"))
        ),
        pl.lit(1, dtype=pl.Int64).alias("event_count"),
        pl.col("host").alias("sensor"),
        pl.col("metadata.product.vendor_name").alias("vendor"),
        pl.col("metadata.product.name").alias("product"),
        pl.coalesce("firewall_rule.name", "policy.name").alias("rule"),
    )
    return rows, found.filter(~pl.col("sound"))["line"]


def _listeners(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read listeners, whichever end they are given as."""
    own = events.with_columns(
        pl.coalesce(_said("dst_endpoint.ip"), "src_endpoint.ip").alias("address"),
        pl.coalesce("dst_endpoint.port", "src_endpoint.port").alias("port"),
    )
    found = read_ends(own, ("address",), ("port",), listening=True)
    protocol = pl.coalesce(_said("connection_info.protocol_name"), "connection_info.protocol_num")
    rows = found.filter("sound", pl.col("port").is_not_null()).select(
        *("line", "time_us", "time", "host"),
        pl.lit("listener-opened").alias("kind"),
        _image("actor.process").alias("actor"),
        pl.col("actor.user.name").alias("user"),
        _number("actor.process.pid").alias("pid"),
        pl.col("address").alias("destination_ip"),
        protocol.str.to_lowercase().replace(PROTOCOLS).alias("protocol"),
        "port",
    )
    return rows, found.filter(~pl.col("sound"))["line"]


def _image(who: str) -> pl.Expr:
    """Name a process' program."""
    return pl.coalesce(f"{who}.file.path", f"{who}.name", f"{who}.file.name")


def _processes(events: pl.DataFrame) -> pl.DataFrame:
    """Read programs started; the parent is named as such, else it is whoever acted."""

    def parent(what: str) -> pl.Expr:
        return pl.coalesce(f"process.parent_process.{what}", f"actor.process.{what}")

    return events.select(
        *("line", "time_us", "time", "host"),
        pl.coalesce(_said("process.user.name"), _said("actor.user.name")).alias("user"),
        _image("process").alias("image"),
        pl.col("process.cmd_line").str.strip_chars().alias("command_line"),
        _number("process.pid").alias("pid"),
        pl.coalesce(_image("process.parent_process"), _image("actor.process")).alias("parent_image"),
        parent("cmd_line").alias("parent_command_line"),
        parent("pid").cast(pl.Int64, strict=False).alias("parent_pid"),
    )


def _log_ins(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read log-ins."""
    records = events.select(
        *("line", "time_us", "time", "host"),
        pl.coalesce(
            "service.name", "logon_process.name", "actor.process.name", "metadata.product.name"
        ).alias("program"),
        pl.when(~pl.col("logon_type_id").is_in(["0", "99"])).then("logon_type_id").alias("logon_type"),
        _said("src_endpoint.ip").alias("address"),
        pl.col("src_endpoint.port").alias("port"),
        _said("user.name").alias("account"),
        _said("user.domain").alias("domain"),
        pl.when(pl.col("status_id") == "1")
        .then(pl.lit(value=True))
        .when(pl.col("status_id") == "2")
        .then(pl.lit(value=False))
        .alias("succeeded"),
    )
    found = read_ends(records, ("address",), ("port",))
    rows = log_in_messages(found.filter("sound").select("line", "time_us", "time", "host", *LOG_IN))
    return rows, found.filter(~pl.col("sound"))["line"]


def _flows(events: pl.DataFrame, reading: Reading) -> Batch:
    """Read what Security Lake made of VPC flow logs as what it was made from."""
    decided = _decided().replace_strict({ACCEPTED: "ACCEPT", DENIED: "REJECT"}, default=None)
    written = events.select(
        "line",
        *(pl.col(theirs).alias(ours) for ours, theirs in _VPC.items()),
        pl.col("time"),
        pl.col("end_time").alias("last"),
        decided.alias("action"),
        *(pl.lit(None, dtype=pl.String).alias(name) for name in ("pkt-srcaddr", "pkt-dstaddr", "status")),
    )
    assert set(written.columns) >= set(FIELDS.values())
    return parse(written, reading.clock)[0]
