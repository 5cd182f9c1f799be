"""What became of conversations that flow records tell of, and who began them."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from knockwatch.sources._flow_records import ACK, FIN, FLAG_NAMES, RST, SYN
from knockwatch.sources._packets import REPLIES
from knockwatch.tables import ACCEPTED, DENIED, REFUSED, UNANSWERED, UNKNOWN

_RST_BYTES, _SYN_BYTES, _SHORT_SYN_BYTES = 40, 60, 44
"""An IPv4 packet that only resets; one that asks for a connection, with as many options as systems send; with few."""
_SIX = 20
"""Bytes that IPv6's header is longer."""
_UDP_HEADERS = 28
"""Bytes of IPv4 and UDP headers, and as many of IPv4 and ICMP echo."""
_SYN_TRIES = 7
"""Linux sends a SYN that nobody answers seven times (tcp_syn_retries)."""
_WELL_KNOWN, _EPHEMERAL = 1024, 32768
"""Ports below are services (RFC 6335), ports from there on mostly a client's own (Linux's range)."""
_KIND = 1 << 16
"""Ranks of ports of one kind lie within so many."""
_PADDING = 6
"""Bytes by which Ethernet fills a frame that is too short: a reset of 54 bytes becomes 60."""

_DENIED, _REFUSED = 3, 2
"""How a filter's word weighs in `said`."""


@dataclass(frozen=True)
class View:
    """What a format of flow records shows.

    Parameters
    ----------
    vendor, product
        Who wrote it.
    overhead
        Bytes that are counted with each packet beside IP's.
    all_flags
        Whether TCP flags are told as they were sent; else ACK, PSH and URG are left out, but for the answer to a SYN
        (AWS).
    sampled
        Whether not seeing an answer says nothing.
    """

    vendor: str
    product: str
    overhead: int = 0
    all_flags: bool = True
    sampled: bool = False


def paired(conversations: pl.DataFrame) -> bool:
    """Say whether any of them shows both directions."""
    return bool((conversations["low_sent"] & conversations["high_sent"]).any())


def one_way(conversations: pl.DataFrame, view: View) -> bool:
    """Say whether any of them must have been answered although no answer is on record."""
    alone = conversations.filter(~(pl.col("low_sent") & pl.col("high_sent")))
    if not view.all_flags or alone.is_empty():
        return False
    flags = pl.coalesce("low_flags", "high_flags")
    return bool(alone.select((_has(flags, SYN | ACK) & (_has(flags, FIN))).any()).item())


def connections(conversations: pl.DataFrame, view: View) -> pl.DataFrame:
    """Turn conversations into rows of the table `connections`."""
    began = conversations.select(_low_began(view).alias("began")).to_series()
    mine = ("ip", "port", "flags", "sent", "packets", "bytes", "payload_length", "icmp_type", "icmp_code")
    turned = conversations.with_columns(began).with_columns(
        pl.when("began").then(f"{one}_{name}").otherwise(f"{other}_{name}").alias(f"{end}_{name}")
        for end, one, other in (("source", "low", "high"), ("destination", "high", "low"))
        for name in mine
    )
    turned = turned.with_columns(_outcome(view).alias("outcome")).sort("line", "time_us")
    passed = (pl.col("outcome") == UNKNOWN) & pl.col("allowed")
    return turned.select(
        "line",
        "time_us",
        "time",
        *(f"{end}_{what}" for end in ("source", "destination") for what in ("ip", "port")),
        "protocol",
        pl.when(passed).then(pl.lit(ACCEPTED)).otherwise("outcome").alias("outcome"),
        pl.when(passed).then(statement=True).alias("forwarded"),
        "action",
        _flags_text(view).alias("tcp_flags"),
        pl.col("source_icmp_type").alias("icmp_type"),
        pl.col("source_icmp_code").alias("icmp_code"),
        pl.col("source_packets").alias("packets_sent"),
        pl.col("destination_packets").alias("packets_received"),
        pl.col("source_bytes").alias("bytes_sent"),
        pl.col("destination_bytes").alias("bytes_received"),
        *_lengths(view),
        pl.lit(1, dtype=pl.Int64).alias("event_count"),
        "sensor",
        pl.lit(view.vendor).alias("vendor"),
        pl.lit(view.product).alias("product"),
        "rule",
    )


def _has(flags: pl.Expr, bits: int) -> pl.Expr:
    """Say whether all of some flags are set; no where flags are not told."""
    return ((flags & bits) == bits).fill_null(value=False)


def _lacks(flags: pl.Expr, bits: int) -> pl.Expr:
    """Say whether none of some flags is set; no where flags are not told."""
    return ((flags & bits) == 0).fill_null(value=False)


def _low_began(view: View) -> pl.Expr:
    """Say whether the end that sorts first began a conversation.

    The format's own word counts most, then a SYN without ACK, an ICMP request, the earlier record, and, where both
    are of one time, the port that is more of a service. Where the beginning was not seen, or nobody tells whether it
    was, the ports come first.
    """
    low, high = pl.col("low_flags"), pl.col("high_flags")
    asks = [_has(flags, SYN) & _lacks(flags, ACK) for flags in (low, high)]
    requests = [
        pl.col(f"{side}_icmp_type").is_in(list(REPLIES.values())).fill_null(value=False)
        for side in ("low", "high")
    ]
    low_serves = _service("low") < _service("high")
    seen = pl.col("low_sent") & pl.col("high_sent")
    earlier, alike = (
        pl.col("low_time_us") < pl.col("high_time_us"),
        (pl.col("low_time_us") == pl.col("high_time_us")).fill_null(value=True),
    )
    midstream = _lacks(low, SYN) & _lacks(high, SYN)
    unflagged = (pl.col("protocol") == "tcp") & low.is_null() & high.is_null()
    ports_differ = _service("low") != _service("high")
    kinds_differ = _service("low") // _KIND != _service("high") // _KIND
    return (
        pl.when(pl.col("low_began").is_not_null())
        .then("low_began")
        .when(~seen)
        .then(pl.col("low_sent") != _server_alone(view))
        .when(asks[0] != asks[1])
        .then(asks[0])
        .when(requests[0] != requests[1])
        .then(requests[0])
        .when(((midstream | alike) & ports_differ) | (unflagged & kinds_differ))
        .then(~low_serves)
        .when(~alike)
        .then(earlier)
        .otherwise(pl.col("low_line") <= pl.col("high_line"))
    )


def _service(side: str) -> pl.Expr:
    """Rank a port: the lower, the more of a service; ports of one kind by their number."""
    port = pl.col(f"{side}_port")
    kind = pl.when(port < _WELL_KNOWN).then(0).when(port < _EPHEMERAL).then(1).otherwise(2)
    return (kind * _KIND + port).fill_null(0)


def _server_alone(view: View) -> pl.Expr:
    """Say whether only one end's packets are on record, and that end answered a SYN."""
    flags = pl.when("low_sent").then("low_flags").otherwise("high_flags")
    packets = pl.when("low_sent").then("low_packets").otherwise("high_packets")
    # A single SYN-ACK is backscatter, or an answer to what nobody saw: it stays as it is.
    answered = _has(flags, SYN | ACK) & (packets > 1).fill_null(value=True)
    if not view.all_flags:
        return answered
    serves = (
        pl.when("low_sent")
        .then(_service("low") < _service("high"))
        .otherwise(_service("high") < _service("low"))
    )
    return answered & serves


def _outcome(view: View) -> pl.Expr:
    """Say what became of conversations."""
    protocol, answered = pl.col("protocol"), pl.col("destination_sent")
    icmp = protocol.is_in(["icmp", "icmp6"])
    asked = pl.col("source_icmp_type").is_in(list(REPLIES.values())).fill_null(value=True)
    reply = (pl.col("source_port") < _WELL_KNOWN) & (pl.col("destination_port") >= _EPHEMERAL)
    silence = pl.lit(UNKNOWN if view.sampled else UNANSWERED)
    # What a filter says when a flow begins is not yet about an answer.
    untold = pl.col("allowed") & ~(pl.col("source_packets") > 0).fill_null(value=False)
    return (
        pl.when(pl.col("said") == _DENIED)
        .then(pl.lit(DENIED))
        .when((pl.col("said") == _REFUSED) & ~answered)
        .then(pl.lit(REFUSED))
        .when(protocol == "tcp")
        .then(_tcp_outcome(view))
        .when(icmp & ~asked)
        .then(pl.lit(UNKNOWN))
        .when(answered)
        .then(pl.lit(ACCEPTED))
        .when(untold)
        .then(pl.lit(UNKNOWN))
        .when((protocol == "udp") & ~reply.fill_null(value=False))
        .then(silence)
        .when(icmp)
        .then(silence)
        .otherwise(pl.lit(UNKNOWN))
    )


def _tcp_outcome(view: View) -> pl.Expr:
    """Say what became of TCP conversations: by flags, where they are told, else by the lengths of packets."""
    mine, theirs = pl.col("source_flags"), pl.col("destination_flags")
    answered, packets = pl.col("destination_sent"), pl.col("source_packets")
    asks = _has(mine, SYN) & _lacks(mine, ACK)
    # A sender that neither resets nor acknowledges has sent nothing but its SYN.
    only_syn = _lacks(mine, FIN | RST | ACK) if view.all_flags else _syn_sized(view) & _lacks(mine, FIN | RST)
    silence = pl.lit(UNKNOWN if view.sampled else UNANSWERED)
    single = (packets == 1).fill_null(value=False)
    return (
        pl.when(_has(theirs, SYN | ACK))
        .then(pl.lit(ACCEPTED))
        .when(_has(mine, SYN | ACK) & ~(single & ~answered))
        .then(pl.lit(ACCEPTED))
        .when(asks & _has(theirs, RST))
        .then(pl.lit(REFUSED))
        .when(asks & (_has(mine, FIN) | _has(mine, RST)) & (packets > 1).fill_null(value=False))
        .then(pl.lit(ACCEPTED))
        .when(asks & only_syn & ~answered)
        .then(silence)
        .when(mine.is_not_null())
        .then(pl.lit(UNKNOWN))
        .when(answered & _reset_sized(view))
        .then(pl.lit(REFUSED))
        .when(answered)
        .then(pl.lit(ACCEPTED))
        .when(_syn_sized(view))
        .then(silence)
        .otherwise(pl.lit(UNKNOWN))
    )


def _extra(view: View) -> pl.Expr:
    """Give the bytes by which packets are longer than IPv4's."""
    six = pl.col("source_ip").str.contains(":", literal=True)
    return pl.when(six).then(_SIX + view.overhead).otherwise(view.overhead)


def _syn_sized(view: View) -> pl.Expr:
    """Say whether what was sent can be nothing but SYNs."""
    mean = pl.col("source_bytes") / pl.col("source_packets")
    return ((mean <= _SYN_BYTES + _extra(view)) & (pl.col("source_packets") <= _SYN_TRIES)).fill_null(
        value=False
    )


def _reset_sized(view: View) -> pl.Expr:
    """Say whether what was sent and what came back can be nothing but SYNs and resets."""
    mean = pl.col("destination_bytes") / pl.col("destination_packets")
    asked = pl.col("source_bytes") / pl.col("source_packets") >= _SHORT_SYN_BYTES + _extra(view)
    padding = _PADDING if view.overhead else 0
    short = mean <= _RST_BYTES + _extra(view) + padding
    return (asked & short & _syn_sized(view)).fill_null(value=False)


def _flags_text(view: View) -> pl.Expr:
    """Write the flags of the first packet: a SYN begins, whatever came after; else those that were seen."""
    flags = pl.col("source_flags")
    written = (
        pl.concat_list(pl.when(_has(flags, bit)).then(pl.lit(name)) for name, bit in FLAG_NAMES.items())
        .list.drop_nulls()
        .list.join(",")
    )
    single = (pl.col("source_packets") == 1).fill_null(value=False) & ~pl.col("destination_sent")
    # Where ACK is not told, a segment without any flag that is told has it (RFC 9293, section 3.5).
    nothing = pl.lit(None, dtype=pl.String) if view.all_flags else pl.lit("ACK")
    return (
        pl.when((pl.col("protocol") != "tcp") | flags.is_null())
        .then(None)
        .when(_has(flags, SYN) & ~single)
        .then(pl.lit("SYN"))
        .when(written == "")
        .then(nothing)
        .otherwise(written)
    )


def _lengths(view: View) -> list[pl.Expr]:
    """Give the lengths of the first packet and its payload, where all packets must be like it."""
    told = pl.col("source_payload_length")
    if view.overhead:
        return [told.alias("payload_length")]
    single, protocol = pl.col("source_packets") == 1, pl.col("protocol")
    mean = pl.col("source_bytes") // pl.col("source_packets")
    alike = protocol.is_in(["icmp", "icmp6"]) | (single & (protocol == "udp"))
    payload = pl.when(alike & (mean >= _UDP_HEADERS + _extra(view))).then(mean - _UDP_HEADERS - _extra(view))
    return [
        pl.when(single).then("source_bytes").alias("packet_length"),
        pl.coalesce(told, payload).alias("payload_length"),
    ]
