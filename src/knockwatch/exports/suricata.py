"""Suricata: rules for what only packets show, made of our signatures of single packets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from knockwatch.config import Config
from knockwatch.detections._signatures import Signature, signatures
from knockwatch.exports import Exported
from knockwatch.exports._byte_patterns import byte_pattern, unsaid
from knockwatch.exports._context import with_context
from knockwatch.exports._queries import Query, header, told

if TYPE_CHECKING:
    from knockwatch.detections import Rule

_PROOF = (
    "syntax read by the Python package suricataparser, not by Suricata; the patterns are compared with ours "
    "by the tests"
)
_LOST = (
    "the entropy and the lengths modulo 64 of SPA packets (so text of that size counts too), differences of "
    "sequence numbers, payloads of pings, SPA inside HTTP, and runs of packets; what opens afterwards. "
    "Rules of low trust are commented out"
)
_FIRST_ID = 9_000_000
_IDS = 1_000_000
_PROTOCOLS = {"tcp": "tcp-pkt", "udp": "udp", "icmp": "icmp"}
_UNSAID = frozenset({"seq_ack_difference", "usual_ping_size", "known_ping"})
_KEYWORDS = {
    "ip_id": "id",
    "tcp_window": "tcp.window",
    "tcp_seq": "seq",
    "icmp_type": "itype",
    "icmp_code": "icode",
}


class Suricata:
    """Suricata."""

    name = "suricata"
    title = "Suricata: rules for SPA and magic packets"

    def write(self, folder: Path, rules: Mapping[str, Rule], config: Config) -> Sequence[Exported]:
        """Write one file of rules."""
        del rules, config
        lines = [line for one in signatures().values() for line in suricata_rules(one)]
        text = "\n".join(lines) + "\n"
        query = Query(
            "knockwatch",
            ".rules",
            "rules",
            "template",
            ("packet-signal",),
            ("signal",),
            with_context(_LOST, ("signal",)),
            _PROOF,
            text,
        )
        path = folder / "knockwatch.rules"
        path.write_text(header(query, ("#", "")) + text, "utf-8")
        return list(told(query, path))


def suricata_rules(signature: Signature) -> Iterator[str]:
    """Write a signature, one rule for each protocol; none where Suricata cannot say it or what is left says nothing."""
    if signature.run:
        return
    match = dict(signature.match)
    if "payload_length" in match and match.pop("payload_in_syn", False):
        match["tcp_flags"] = {"has": ["SYN"], "lacks": ["ACK"]}
    protocols = [name for name in match.pop("protocol") if name in _PROTOCOLS]
    ports = [_ports(match.pop(name, None)) for name in ("source_port", "destination_port")]
    options = [option for name, told in match.items() for option in _options(name, told)]
    if not options or None in ports or unsaid(match, _UNSAID):
        return
    off = "# " if signature.trust == "low" else ""
    for protocol in protocols:
        identifier = _FIRST_ID + crc32(f"{signature.id}/{protocol}".encode()) % _IDS
        source, destination = ports if protocol != "icmp" else ("any", "any")
        meta = f"metadata:trust {signature.trust}, attack {' '.join(signature.attack)}"
        body = "; ".join([f'msg:"knockwatch {signature.name}"', *options, meta, f"sid:{identifier}", "rev:1"])
        yield f"{off}alert {_PROTOCOLS[protocol]} any {source} -> any {destination} ({_safe(body)};)"


def _safe(body: str) -> str:
    """Leave out what ends an option inside a message."""
    message, rest = body.split('"; ', 1)
    return message.replace(";", ",") + '"; ' + rest


def _ports(told: Any) -> str | None:
    """Write ports."""
    if told is None:
        return "any"
    if isinstance(told, list):
        return str(told[0]) if len(told) == 1 else f"[{','.join(map(str, told))}]"
    return f"{told['from']}:" if set(told) == {"from"} else None


def _options(name: str, told: Any) -> Iterator[str]:
    """Write one condition; nothing for what `_LOST` names."""
    match name:
        case "payload_length":
            yield f"dsize:{_range(told)}"
        case "payload_alphabet" if told == ["base64"]:
            yield 'pcre:"/^[A-Za-z0-9+\\/=]+$/"'
        case "payload_in_syn":
            yield from ("flags:S,CE", "dsize:>0")
        case "payload_head":
            for pattern in told["matches"]:
                yield f'pcre:"/{byte_pattern(pattern)}/s"'
        case "tcp_flags":
            first = told["has"][0][0]
            yield f"flags:{first},CE" if "lacks" in told else f"flags:{first}+"
        case "tcp_ack":
            yield from _acknowledgement(told)
        case _ if name in _KEYWORDS and isinstance(told, list):
            value = f"{told[0]}" if len(told) == 1 or name == "icmp_type" else ""
            yield f"{_KEYWORDS[name]}:{value}"
        case "icmp_code":
            yield f"icode:>{told['from'] - 1}"


def _acknowledgement(told: Any) -> Iterator[str]:
    """Write a condition on the acknowledgement number: Suricata compares it with one number alone."""
    if isinstance(told, list):
        yield f"ack:{told[0]}"
    elif "from" in told:
        yield 'tcp.hdr; content:!"|00 00 00 00|"; offset:8; depth:4'
    else:
        bytes_ = told["is"][0].to_bytes(2, "big").hex(" ")
        yield f'tcp.hdr; content:"|{bytes_}|"; offset:10; depth:2'


def _range(told: Any) -> str:
    """Write a length; both ends of Suricata's range lie outside."""
    if isinstance(told, list):
        return str(told[0])
    if "to" in told:
        return f"{told['from'] - 1}<>{told['to'] + 1}"
    return f">{told['from'] - 1}"


TARGET = Suricata()
