"""Changes that Windows events tell of: rules of the firewall added or removed, and programs that begin to listen."""

from __future__ import annotations

import polars as pl

from knockwatch.sources._addresses import shortest
from knockwatch.sources._windows_fields import RULES_REMOVED
from knockwatch.sources._windows_values import PROTOCOLS, number, pairs, protocol

_PORT_MAX = 65535
_DYNAMIC_LEAST = 49152
"""Least port that Windows gives to a socket which asked for none (RFC 6335 section 6): nobody knocks for that."""
_ANY_PROTOCOL = "256"
_DIRECTIONS = {"1": "In", "2": "Out"}
_ACTIONS = {"1": "AllowBypass", "2": "Block", "3": "Allow"}
"""FW_DIRECTION and FW_RULE_ACTION of MS-FASP sections 2.2.32 and 2.2.33."""
_RULE_WORDS = {
    name: name
    for name in (
        *(
            "RuleName",
            "RuleId",
            "ProfileChanged",
            "Direction",
            "Action",
            "Protocol",
            "LocalPorts",
            "RemotePorts",
        ),
        *("LocalAddresses", "RemoteAddresses", "ApplicationPath", "ServiceName", "Active"),
    )
}
_ONE_ADDRESS = r"^([0-9A-Fa-f.:]+)(?:/(?:32|128|255\.255\.255\.255)|-([0-9A-Fa-f.:]+))?$"
_REGISTRY_RULES = r"(?i)\\FirewallPolicy\\(?:.+\\)?FirewallRules\\"
"""Where the firewall keeps its rules, as ``v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=22|…``."""
_SET, _DELETED = 13, 12


def listeners(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read what the filtering platform lets listen (5154) or bind (5158).

    A client binds as well, so that only a bind tells of a listener which is UDP's and at a port that somebody chose;
    one that is neither TCP's nor UDP's is a raw socket.
    """
    ported = pl.col("protocol").is_in(["tcp", "udp"])
    frame = frame.with_columns(
        protocol("Protocol").alias("protocol"),
        shortest(frame["SourceAddress"]).alias("address"),
        number("SourcePort").alias("port"),
    )
    fits = frame.select(
        pl.col("address").is_not_null()
        & pl.col("protocol").is_not_null()
        & (~ported | pl.col("port").is_between(0, _PORT_MAX).fill_null(value=False))
    ).to_series()
    listens = (pl.col("event_id") == 5154) | (
        (pl.col("protocol") == "udp") & pl.col("port").is_between(1, _DYNAMIC_LEAST - 1)
    )
    rows = frame.filter(fits).filter(listens | ~ported)
    return rows.select(
        *("line", "time_us", "time", "host"),
        pl.when(ported).then(pl.lit("listener-opened")).otherwise(pl.lit("socket-opened")).alias("kind"),
        pl.col("Application").alias("actor"),
        number("ProcessId").alias("pid"),
        pl.col("address").alias("destination_ip"),
        "protocol",
        pl.when(ported).then("port").alias("port"),
    ), fits


def rules(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read the firewall's own log (2004 to 2006 and their like) and the security log's 4946 to 4948, which say less.

    A rule that was modified is a new one from then on.
    """
    address = pl.col("RemoteAddresses")
    alone = address.str.extract(_ONE_ADDRESS, 1)
    until = address.str.extract(_ONE_ADDRESS, 2)
    frame = frame.with_columns(
        pl.col("Direction").replace(_DIRECTIONS),
        pl.col("Action").replace(_ACTIONS),
        pl.when(until.is_null() | (until == alone)).then(alone).alias("source_ip"),
        pl.when(pl.col("Protocol") != _ANY_PROTOCOL).then(protocol("Protocol")).alias("protocol"),
        pl.col("LocalPorts").cast(pl.Int64, strict=False).alias("port"),
    )
    rows = frame.select(
        *("line", "time_us", "time", "host"),
        pl.when(pl.col("event_id").is_in(RULES_REMOVED))
        .then(pl.lit("rule-removed"))
        .otherwise(pl.lit("rule-added"))
        .alias("kind"),
        pl.col("ModifyingApplication").alias("actor"),
        pl.coalesce("ModifyingUser", "SubjectUserName").alias("user"),
        pairs(None, _RULE_WORDS).alias("rule_text"),
        shortest(frame["source_ip"]).alias("source_ip"),
        "protocol",
        pl.when(pl.col("port").is_between(0, _PORT_MAX)).then("port").alias("port"),
    )
    fits = frame.select(pl.col("port").is_null() | pl.col("port").is_between(0, _PORT_MAX)).to_series()
    return rows.filter(fits), fits


def registry_rules(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read the firewall's rules that Sysmon saw in the registry, written (13) or deleted (12); pass over the rest."""
    gone = (pl.col("event_id") == _DELETED) & pl.col("EventType").str.starts_with("Delete")
    written = (pl.col("event_id") == _SET) & pl.col("Details").is_not_null()
    wanted = pl.col("TargetObject").str.contains(_REGISTRY_RULES) & (gone | written)
    mine = frame.filter(wanted)
    detail = pl.col("Details")
    one = r"\|{}=([^|]*)\|"
    addresses = detail.str.extract_all(r"\|R?A[46]=[^|]*")
    mine = mine.with_columns(
        pl.when(detail.str.count_matches(r"\|LPort=") == 1)
        .then(detail.str.extract(one.format("LPort"), 1).cast(pl.Int64, strict=False))
        .alias("port"),
        detail.str.extract(one.format("Protocol"), 1).replace(PROTOCOLS).alias("protocol"),
        pl.when(addresses.list.len() == 1)
        .then(detail.str.extract(r"\|RA[46]=([^|]*)\|", 1).str.extract(_ONE_ADDRESS, 1))
        .alias("source_ip"),
    )
    rows = mine.select(
        *("line", "time_us", "time", "host"),
        pl.when(pl.col("event_id") == _SET)
        .then(pl.lit("rule-added"))
        .otherwise(pl.lit("rule-removed"))
        .alias("kind"),
        pl.col("Image").alias("actor"),
        pl.col("User").alias("user"),
        number("ProcessId").alias("pid"),
        pl.coalesce("Details", "TargetObject").alias("rule_text"),
        shortest(mine["source_ip"]).alias("source_ip"),
        "protocol",
        "port",
    )
    sound = mine["port"].is_null() | mine["port"].is_between(0, _PORT_MAX)
    lost = mine["line"].filter(~sound)
    return rows.filter(sound), ~frame["line"].is_in(lost.implode())
