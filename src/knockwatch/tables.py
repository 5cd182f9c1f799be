"""The four canonical tables: their columns, types and meanings, and nothing that fills them.

Every row keeps its evidence: `file` (the number of the file within one reading) and `line` (line, record or
frame, counted from 1). Times are whole microseconds UTC in `time_us`, beside the text they were read from in
`time`. Null means that the evidence does not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

DENIED = "denied"
REFUSED = "refused"
UNANSWERED = "unanswered"
ACCEPTED = "accepted"
UNKNOWN = "unknown"
OUTCOMES = (DENIED, REFUSED, UNANSWERED, ACCEPTED, UNKNOWN)
CONFIGURED = "door-configured"
"""Kind of a change that is no event but a state: a line of a configuration that makes a knock door."""
FINGERPRINT = 1 << 52
"""Lines from here on are none: rows of a lake's table have no number, so one made of their values tells them apart."""


@dataclass(frozen=True)
class Column:
    """One column of a table: its Polars type and what it means."""

    type: pl.DataType
    meaning: str


TEXT = pl.String()
INTEGER = pl.Int64()
SMALL = pl.Int32()
REAL = pl.Float64()
TRUTH = pl.Boolean()

_EVIDENCE = {
    "file": Column(SMALL, "number of the evidence file within this reading"),
    "line": Column(INTEGER, "line, record or frame in that file, from 1"),
    "exported": Column(
        TRUTH, "the row comes from an export of Microsoft's own table, where it stands verbatim"
    ),
}
_TIME = {
    "time_us": Column(INTEGER, "when, in microseconds since 1970-01-01 UTC"),
    "time": Column(TEXT, "the time as the evidence writes it"),
}

CONNECTIONS: Mapping[str, Column] = {
    **_TIME,
    "clock_us": Column(
        INTEGER, "the recorder's own monotonic clock in microseconds (kernel uptime): orders a burst"
    ),
    "source_ip": Column(TEXT, "address that began the connection, shortest form"),
    "source_port": Column(SMALL, "its port; null for ICMP"),
    "destination_ip": Column(TEXT, "address that was contacted, shortest form"),
    "destination_port": Column(SMALL, "its port; null for ICMP"),
    "protocol": Column(TEXT, "tcp, udp, icmp, icmp6 or the protocol's name or number in lower case"),
    "outcome": Column(TEXT, f"one of {', '.join(OUTCOMES)}"),
    "action": Column(TEXT, "the original word for the outcome"),
    "tcp_flags": Column(TEXT, "flags of the first packet, in the order SYN,ACK,FIN,RST,PSH,URG"),
    "icmp_type": Column(SMALL, "ICMP type"),
    "icmp_code": Column(SMALL, "ICMP code"),
    "packets_sent": Column(INTEGER, "packets from source to destination"),
    "packets_received": Column(INTEGER, "packets from destination to source"),
    "bytes_sent": Column(INTEGER, "bytes from source to destination"),
    "bytes_received": Column(INTEGER, "bytes from destination to source"),
    "packet_length": Column(SMALL, "length of the first IP packet in bytes"),
    "payload_length": Column(SMALL, "payload of the first packet in bytes"),
    "payload_entropy": Column(REAL, "Shannon entropy of that payload, bits per byte"),
    "payload_alphabet": Column(TEXT, "base64, hex, printable or binary"),
    "payload_head": Column(TEXT, "first 32 payload bytes in hexadecimal"),
    "ttl": Column(SMALL, "time to live or hop limit of the first packet"),
    "ip_id": Column(SMALL, "IP identification of the first packet"),
    "tcp_window": Column(SMALL, "TCP window of the first packet"),
    "tcp_seq": Column(INTEGER, "TCP sequence number of the first packet"),
    "tcp_ack": Column(INTEGER, "TCP acknowledgement number of the first packet"),
    "forwarded": Column(TRUTH, "the recorder passed it on to another host: its accept is no answer"),
    "event_count": Column(INTEGER, "how many events the recorder folded into this row"),
    "sensor": Column(TEXT, "name of the recorder"),
    "vendor": Column(TEXT, "its vendor"),
    "product": Column(TEXT, "its product"),
    "rule": Column(TEXT, "the rule or log prefix that made the record"),
    **_EVIDENCE,
}

PROCESSES: Mapping[str, Column] = {
    **_TIME,
    "host": Column(TEXT, "name of the host"),
    "user": Column(TEXT, "account that started it"),
    "image": Column(TEXT, "path or name of the program"),
    "command_line": Column(TEXT, "full command line"),
    "pid": Column(INTEGER, "process id"),
    "parent_image": Column(TEXT, "path or name of the parent"),
    "parent_command_line": Column(TEXT, "command line of the parent"),
    "parent_pid": Column(INTEGER, "process id of the parent"),
    **_EVIDENCE,
}

MESSAGES: Mapping[str, Column] = {
    **_TIME,
    "host": Column(TEXT, "name of the host that wrote the message"),
    "facility": Column(TEXT, "syslog facility by its name"),
    "severity": Column(TEXT, "syslog severity by its name"),
    "program": Column(TEXT, "program, without its path's brackets or pid"),
    "pid": Column(INTEGER, "process id"),
    "message": Column(TEXT, "what it said"),
    **_EVIDENCE,
}

CHANGES: Mapping[str, Column] = {
    **_TIME,
    "host": Column(TEXT, "name of the host that changed"),
    "kind": Column(
        TEXT,
        "rule-added, rule-removed, listener-opened, listener-closed, socket-opened, filter-attached, "
        f"{CONFIGURED}, process-seen, file-seen; what a snapshot shows has no time",
    ),
    "actor": Column(TEXT, "process that made the change"),
    "actor_parent": Column(TEXT, "its parent"),
    "user": Column(TEXT, "account it ran as"),
    "pid": Column(INTEGER, "its process id"),
    "rule_text": Column(TEXT, "the rule, filter or command as written"),
    "source_ip": Column(TEXT, "address the change opens or closes for"),
    "destination_ip": Column(TEXT, "address it opens or closes on"),
    "protocol": Column(TEXT, "protocol it opens or closes"),
    "port": Column(SMALL, "port it opens or closes"),
    "name": Column(TEXT, "what the configuration calls a door"),
    "signal": Column(TEXT, "what a configured door waits for: sequence, icmp or spa"),
    "steps": Column(TEXT, "the steps of that signal, as tcp/7000, separated by blanks"),
    "order_known": Column(TRUTH, "whether the steps stand in their order"),
    "seconds": Column(INTEGER, "within how many seconds the next step, or the use of the door, must follow"),
    "source_bound": Column(TRUTH, "whether a configured door opens for the sender alone"),
    "ip_version": Column(SMALL, "4 or 6, where a configured door is one of IPv4 or IPv6 alone"),
    **_EVIDENCE,
}

CANONICAL: Mapping[str, Mapping[str, Column]] = {
    "connections": CONNECTIONS,
    "processes": PROCESSES,
    "messages": MESSAGES,
    "changes": CHANGES,
}


def schema(table: str) -> dict[str, pl.DataType]:
    """Give the Polars schema of a canonical table."""
    return {name: column.type for name, column in CANONICAL[table].items()}


def conform(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Bring a frame with some of a table's columns to all of them, in order and in type.

    A value that does not fit its type becomes null (port 70000 stays: it fits 32 bits, and whoever reads the
    port decides). A column the table does not have is an error of the source that made it.
    """
    columns = schema(table)
    if unknown := set(frame.columns) - set(columns):
        raise ValueError(f"{table} has no column {', '.join(sorted(unknown))}")
    return frame.select(
        pl.col(name).cast(dtype, strict=False)
        if name in frame.columns
        else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in columns.items()
    )
