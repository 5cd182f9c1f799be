"""Session logs of Juniper's SRX, structured or plain. Its other logs (screens, IDP, UTM) are not read.

The plain texts are those of "Junos OS System Log Messages Reference", chapter RT; the structured ones hold the same
fields as ``[junos@2636.… source-address="192.0.2.1" …]``. Later versions put a connection tag behind each pair of
ends and the type of each NAT rule before its name.
"""

from __future__ import annotations

import polars as pl

from knockwatch.clock import SECOND_US
from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._firewall_records import read_records
from knockwatch.sources._pairs import Pairs

_EVENT = r"(?:RT_FLOW|APPTRACK)_SESSION_(CREATE|CLOSE|DENY)"
_STRUCTURED = rf"{_EVENT}(?:_LS)? \[junos@"
_PLAIN = (
    r"\bsession (denied|created|closed) (?:([^/]+?): )?"
    r"([0-9A-Fa-f.:]+)/(\d+)->([0-9A-Fa-f.:]+)/(\d+)(?: 0x\w+)? (.*)$"
)
_ENDS = ("verb", "Reason", "source_ip", "source_port", "destination_ip", "destination_port", "rest")
_DENIED = r"(\d{1,3})\((\d+)\) (\S+) (\S+) (\S+)"
_POLICY = (
    r"->\S+(?: 0x\w+)? .*? (\d{1,3}) (\S+) (\S+) (\S+) \d+(?: (\d+)\((\d+)\) (\d+)\((\d+)\) (\d+))?(?: |$)"
)
_ALIKE = {
    "source_ip": "source-address", "source_port": "source-port", "destination_ip": "destination-address",
    "destination_port": "destination-port", "protocol": "protocol-id", "rule": "policy-name",
    "Reason": "reason", "zone": "destination-zone-name", "kind": "icmp-type", "packets_sent": "packets-from-client",
    "bytes_sent": "bytes-from-client", "packets_received": "packets-from-server",
    "bytes_received": "bytes-from-server", "lasted": "elapsed-time",
}  # fmt: skip
_COUNTS = ("packets_sent", "bytes_sent", "packets_received", "bytes_received", "lasted")
_VERBS = {"CREATE": "session created", "CLOSE": "session closed", "DENY": "session denied"}
_SELF = "junos-host"
"""The zone of the device itself."""


class JuniperSrx:
    """Reader of SRX session logs."""

    format = Format(
        "juniper-srx",
        "Juniper SRX session log: structured and plain",
        ("connections",),
        "documented",
        "Junos OS System Log Messages Reference, RT System Log Messages",
    )
    bare = r"^(?:RT_FLOW(?::| -) )?(?:RT_FLOW|APPTRACK)_SESSION_(?:CREATE|CLOSE|DENY)"

    def belongs(self) -> pl.Expr:
        """Select messages of a session, whose name syslog may have taken for the program."""
        message, program = pl.col("message"), pl.col("program").fill_null("")
        return (
            message.str.contains("RT_FLOW_SESSION_", literal=True)
            | message.str.contains("APPTRACK_SESSION_", literal=True)
            | (program.str.starts_with("RT_FLOW") & message.str.contains("session ", literal=True))
        )

    def read(self, messages: pl.DataFrame, reading: Reading) -> Batch:
        """Read sessions that began, ended or were denied; one cut before its policy is a misfit."""
        del reading
        message = pl.col("message")
        # A header without a host has the program in its place.
        messages = messages.with_columns(pl.when(pl.col("host") != "RT_FLOW:").then("host").alias("host"))
        structured = messages.filter(message.str.contains(_STRUCTURED))
        plain = messages.filter(
            ~message.str.contains(_STRUCTURED)
            & message.str.contains(r"\bsession (?:denied|created|closed) ")
        )  # fmt: skip
        records = pl.concat([_structured(structured), _plain(plain)]).sort("line")
        return read_records(_meanings(records), messages)


def _structured(messages: pl.DataFrame) -> pl.DataFrame:
    """Read structured data."""
    pairs = Pairs(messages["message"])
    pairs.skip_quoted()
    return pl.DataFrame(
        [
            messages["line"],
            messages["message"].str.extract(_EVENT, 1).replace(_VERBS).alias("DeviceAction"),
            *(pairs.quoted(key).alias(name) for name, key in _ALIKE.items()),
        ]
    )


def _plain(messages: pl.DataFrame) -> pl.DataFrame:
    """Read plain texts."""
    rest = pl.col("rest")
    frame = messages.select(
        "line",
        pl.col("message").str.extract_groups(_PLAIN).struct.rename_fields(list(_ENDS)).alias("ends"),
    ).unnest("ends")
    denied = pl.col("verb") == "denied"

    def part(in_denial: int | None, in_session: int | None) -> pl.Expr:
        """Take a group of one pattern or the other."""
        nothing = pl.lit(None, dtype=pl.String)
        one = nothing if in_denial is None else rest.str.extract(_DENIED, in_denial)
        other = nothing if in_session is None else rest.str.extract(_POLICY, in_session)
        return pl.when(denied).then(one).otherwise(other)

    return frame.select(
        "line",
        (pl.lit("session ") + pl.col("verb")).alias("DeviceAction"),
        *("source_ip", "source_port", "destination_ip", "destination_port"),
        part(1, 1).alias("protocol"),
        part(3, 2).alias("rule"),
        "Reason",
        part(5, 4).alias("zone"),
        part(2, None).alias("kind"),
        *(part(None, group).alias(name) for group, name in enumerate(_COUNTS, 5)),
    )


def _meanings(records: pl.DataFrame) -> pl.DataFrame:
    """Say what the fields mean."""
    icmp = pl.col("protocol").is_in(["1", "58"])
    return records.with_columns(
        pl.when(pl.col("protocol").is_not_null()).then("source_ip").alias("source_ip"),
        pl.lit("Juniper").alias("vendor"),
        pl.lit("SRX").alias("product"),
        pl.col("Reason").str.strip_chars(" "),
        pl.when(icmp).then(pl.col("kind").cast(pl.Int64, strict=False)).alias("icmp_type"),
        (pl.col("lasted").cast(pl.Int64, strict=False) * SECOND_US).alias("lasted_us"),
        (pl.col("zone") != _SELF).fill_null(value=True).alias("through"),
        (pl.col("DeviceAction") == "session closed").alias("ended"),
    )


BODY = JuniperSrx()
