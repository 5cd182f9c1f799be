"""Zeek: signatures made of our signatures of single packets, and a script that finds doors by what went before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knockwatch.config import Config
from knockwatch.detections._signatures import Signature, signatures
from knockwatch.exports import Exported
from knockwatch.exports._byte_patterns import byte_pattern, unsaid
from knockwatch.exports._context import with_context
from knockwatch.exports._queries import UNPROVEN, Query, header, told
from knockwatch.exports._site_values import filled

if TYPE_CHECKING:
    from knockwatch.detections import Rule

_SCRIPT_PROOF = "parsed by Zeek's own grammar (the Python package zeekscript), not by Zeek, and not executed"
_SCRIPT_LOST = (
    "authorised doors of the context count; the opening; the order of packets that Zeek sees at once; a source that "
    "signals for another one"
)
_SIGNATURE_LOST = (
    "the entropy of SPA packets, their greatest length and lengths modulo 64, SPA inside HTTP, differences of sequence "
    "numbers, payloads of pings, runs, and payloads inside a SYN. Signatures of low trust are left out"
)
_UNSAID = frozenset({"seq_ack_difference", "usual_ping_size", "known_ping", "payload_in_syn"})
_ANY = r"[\x00-\xff]"
"""Any byte: a dot of Zeek's is none that ends a line."""
_FLAGS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32}
_HEADERS = {
    "ip_id": "ip[4:2]",
    "tcp_seq": "tcp[4:4]",
    "tcp_ack": "tcp[8:4]",
    "tcp_window": "tcp[14:2]",
    "icmp_type": "icmp[0:1]",
    "icmp_code": "icmp[1:1]",
}


class Zeek:
    """Zeek."""

    name = "zeek"
    title = "Zeek: a script for doors, and signatures for SPA and magic packets"

    def write(self, folder: Path, rules: Mapping[str, Rule], config: Config) -> Sequence[Exported]:
        """Write the script and the signatures that it loads."""
        del rules
        script = (files("knockwatch.content") / "siem" / "knockwatch.zeek.j2").read_text("utf-8")
        written = [text for one in signatures().values() for text in zeek_signatures(one)]
        queries = (
            Query(
                "knockwatch",
                ".zeek",
                "script",
                "template",
                ("door",),
                ("signal", "entry"),
                with_context(_SCRIPT_LOST, ("signal", "entry"), script),
                _SCRIPT_PROOF,
                filled(script, config),
            ),
            Query(
                "knockwatch",
                ".sig",
                "signatures",
                "template",
                ("packet-signal",),
                ("signal",),
                with_context(_SIGNATURE_LOST, ("signal",)),
                UNPROVEN,
                "\n".join(written),
            ),
        )
        exported: list[Exported] = []
        for query in queries:
            path = folder / f"{query.name}{query.suffix}"
            path.write_text(header(query, ("#", "")) + query.text, "utf-8")
            exported += told(query, path)
        return exported


def zeek_signatures(signature: Signature) -> Iterator[str]:
    """Write a signature, one for each protocol; none where Zeek cannot say it or what is left says little."""
    match = dict(signature.match)
    protocols = [name for name in match.pop("protocol") if name in {"tcp", "udp", "icmp"}]
    if signature.run or signature.trust == "low" or unsaid(match, _UNSAID):
        return
    if "payload_alphabet" in match:
        match["payload_alphabet"] = match.pop("payload_length")["from"]
    conditions = [line for name, told in match.items() for line in _conditions(name, told)]
    if not conditions:
        return
    for protocol in protocols:
        lines = [f"ip-proto == {protocol}", *conditions, f'event "knockwatch {signature.name}"']
        body = "".join(f"  {line}\n" for line in lines)
        yield f"signature knockwatch-{signature.id}-{protocol} {{\n{body}}}\n"


def _conditions(name: str, told: Any) -> Iterator[str]:  # noqa: C901 - one case each
    """Write one condition; nothing for what `_SIGNATURE_LOST` names."""
    match name:
        case "source_port":
            yield f"src-port == {_list(told)}"
        case "destination_port":
            yield f"dst-port == {_list(told)}"
        case "payload_length":
            yield from _lengths(told)
        case "payload_alphabet":
            yield f"payload /^[A-Za-z0-9+\\/=]{{{told}}}/"
        case "payload_head":
            for pattern in told["matches"]:
                yield f"payload /{byte_pattern(pattern, _ANY)}/"
        case "tcp_flags":
            wanted = sum(_FLAGS[flag] for flag in told["has"])
            asked = wanted + sum(_FLAGS[flag] for flag in told.get("lacks", ()))
            yield f"header tcp[13:1] & {asked:#x} == {wanted:#x}"
        case "icmp_code" if isinstance(told, dict):
            yield f"header icmp[1:1] >= {told['from']}"
        case "tcp_ack" if isinstance(told, dict):
            return
        case _ if name in _HEADERS:
            yield f"header {_HEADERS[name]} == {_list(told)}"


def _lengths(told: Any) -> Iterator[str]:
    """Write a length as the least and the most bytes that a pattern asks for: signatures know no length."""
    least, most = (told[0], told[0]) if isinstance(told, list) else (told["from"], told.get("to"))
    if most == least:
        yield f"payload /^{_ANY}{{{least}}}$/"
    else:
        yield f"payload /^{_ANY}{{{least}}}/"


def _list(told: Sequence[int]) -> str:
    """Write values."""
    return ",".join(map(str, told))


TARGET = Zeek()
