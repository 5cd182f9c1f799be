"""The values of a case as templates use them: validated where a command takes them, else text still to be escaped."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

from knockwatch.guidance.choice import hunts, tags
from knockwatch.guidance.quoting import Own
from knockwatch.reports.escape import Markdown, code_span, plain_words
from knockwatch.reports.words import Glyphs, only_tries, when

if TYPE_CHECKING:
    from knockwatch.cases import Case

ADDRESSES_FILLED = 20
"""Sources that commands name; more are in the case's JSON."""
SHOWN = 5
AROUND = timedelta(minutes=10)
"""Time before and after a case that commands look at: a knock and its entry lie within seconds, clocks do not."""
_ID = re.compile(r"[0-9a-f]{1,64}")
_HOST = re.compile(r"(?!-)[A-Za-z0-9._-]{1,253}")
_SERVICE = re.compile(r"(tcp|udp|sctp)/(\d{1,5})")
_STEP = re.compile(r"icmp6?|(?:tcp|udp|sctp)/\d{1,5}")
_NO_TEXT = re.compile(r"(?i)(?:\.(?:gz|bz2|xz|zst|parquet|pcap|pcapng|evtx|arrow)|, file \d+)$")


def values(case: Case) -> dict[str, Any]:
    """Give what templates fill in.

    Returns
    -------
    dict
        Every name that a template uses. `Markdown` values are validated and stand in commands as they are; plain
        text is escaped or quoted where it is written; what the case does not know is an empty list, an empty text
        or False, which templates ask for first.
    """
    addresses = _sources(case)
    port = _SERVICE.fullmatch(case.door or "")
    at = _address(case.destination)
    host = Markdown(case.host) if case.host and _HOST.fullmatch(case.host) else ""
    known = tags(case)
    return {
        "tag": known,
        "id": _short(case.id),
        "kind": case.kind,
        "status": case.status,
        "suppressed_by": case.suppressed_by or "",
        "first_sentence": plain_words(case.explanation[0]) if case.explanation else Markdown(""),
        "tries": only_tries(case),
        "host": host,
        "destination": _text(at),
        "destination_6": at is not None and at.version == 6,
        "target": _target(case),
        "sources": [_text(address) for address in addresses[:ADDRESSES_FILLED]],
        "sources_4": [_text(one) for one in addresses[:ADDRESSES_FILLED] if one.version == 4],
        "sources_6": [_text(one) for one in addresses[:ADDRESSES_FILLED] if one.version == 6],
        "more_sources": max(0, len(addresses) - ADDRESSES_FILLED),
        "entrants": _entrants(case),
        "users": list(dict.fromkeys(entry.user for entry in case.entries if entry.user))[:SHOWN],
        "door": Markdown(case.door) if port and int(port[2]) <= 65535 else "",
        "protocol": Markdown(port[1]) if port else "",
        "port": Markdown(port[2]) if port else "",
        "steps": Markdown(", ".join(case.sequence)) if _all_steps(case.sequence) else "",
        "step_filter": _filter(case.sequence),
        "order_known": case.order_known,
        "lateral": case.lateral,
        "signal": case.signal or "unknown",
        "legs": set(case.legs),
        "tables": {quote.table for quote in case.evidence},
        "entered": any(entry.complete is not False for entry in case.entries),
        "hunts": [Own(name) for name in hunts(case)],
        "quotes": _quotes(case),
        "missing": [plain_words(text) for text in case.missing],
        "innocent": [plain_words(text) for text in case.innocent_explanations],
        "when": plain_words(when(case, Glyphs())),
        "since": _moment(case.first_seen, -AROUND),
        "day": Markdown(_moment(case.first_seen, -AROUND)[:10]),
        "until": _moment(case.last_seen, AROUND),
    }


def _short(identity: str) -> Markdown:
    """Give the beginning of an id, as names of rules take it; of what is none of ours, its hash."""
    if not _ID.fullmatch(identity):
        identity = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
    return Markdown(identity[:8])


def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    """Read an address; None for what is none, and for one with a zone, which a shell could obey."""
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    return None if isinstance(address, IPv6Address) and address.scope_id else address


def _sources(case: Case) -> list[IPv4Address | IPv6Address]:
    """List the sources that a command may block: not what stands for no single other host, nor the target itself."""
    told = [address for source in case.sources if (address := _address(source))]
    return [
        address
        for address in dict.fromkeys(told)
        if not (address.is_loopback or address.is_unspecified or address.is_multicast)
        and str(address) not in {case.destination, "255.255.255.255"}
    ]


def _text(address: IPv4Address | IPv6Address | None) -> Markdown:
    """Write an address as commands take it; empty where there is none."""
    return Markdown(address or "")


def _target(case: Case) -> Markdown:
    """Name what was acted upon, as a reader calls it."""
    names = list(dict.fromkeys(filter(None, (case.host, case.destination))))
    if not names:
        return Markdown("the host concerned")
    return Markdown(code_span(names[0]) + (f" ({code_span(names[1])})" if len(names) > 1 else ""))


def _entrants(case: Case) -> list[str]:
    """List who got in, most recent last."""
    return list(dict.fromkeys(entry.source for entry in case.entries if entry.complete is not False))[:SHOWN]


def _all_steps(sequence: Iterable[str]) -> bool:
    """Tell whether a sequence is of steps that can stand in a page as they are."""
    steps = list(sequence)
    return bool(steps) and all(_STEP.fullmatch(step) for step in steps)


def _filter(sequence: Iterable[str]) -> Markdown:
    """Write the steps of a signal as a capture filter (pcap-filter(7)); empty where they are not known."""
    steps = list(dict.fromkeys(sequence))
    if not _all_steps(steps):
        return Markdown("")
    parts = []
    for step in steps:
        protocol, _, port = step.partition("/")
        parts.append(f"({protocol} dst port {port})" if port else protocol)
    return Markdown(" or ".join(parts))


def _quotes(case: Case) -> list[dict[str, Any]]:
    """Choose lines of evidence that a command can show in their surroundings, one of each file."""
    chosen = {
        quote.file: {"file": quote.file, "first": max(1, quote.line - 5), "last": quote.line + 5}
        for quote in reversed(case.evidence)
        if quote.line > 0 and not _NO_TEXT.search(quote.file) and quote.file not in {"", "-"}
    }
    return list(reversed(chosen.values()))[:SHOWN]


def _moment(text: str | None, shift: timedelta) -> Markdown:
    """Write a time in UTC as journalctl and ausearch-like tools take it; empty where it is unknown."""
    try:
        moment = datetime.fromisoformat(text or "")
        moment = (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)) + shift
        return Markdown(moment.strftime("%Y-%m-%d %H:%M:%S UTC"))
    except (ValueError, OverflowError):
        return Markdown("")
