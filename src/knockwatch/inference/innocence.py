"""What speaks for innocence: signs that what came before entries was no secret. It knows uses, not verdicts."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise
from statistics import median

from knockwatch.config import Thresholds
from knockwatch.inference.sessions import Contact, Use

PING_BYTES = frozenset({0, 8, 24, 32, 40, 48, 56, 64})
"""Payloads of ordinary pings: Linux and BSD 56 (48 and 40 with larger stamps), Windows 32, monitors less."""
UNASKED = frozenset(
    {"icmp", "tcp/135", "tcp/139", "tcp/445", "tcp/515", "tcp/631", "tcp/7680", "tcp/9100"}
) | {f"udp/{port}" for port in (53, 123, 137, 138, 161, 1900, 3702, 5353, 5355)}
"""What machines send by themselves to whatever host they meet: names, file shares, printers, updates, discovery."""
TOKEN_DIGITS = 8
"""Hexadecimal digits of the shortest payload that two may not have in common by chance."""
SHARES = frozenset({"tcp/139", "tcp/445"})
WEB_SHARES = frozenset({"tcp/80", "tcp/443"})
"""Windows tries a share over the web as well, where file sharing is closed (WebDAV redirector)."""


def odd_ping(contact: Contact) -> bool:
    """Tell whether a ping's size is known, and none of ordinary ping programs', or it matches a signature."""
    return contact.signed or (contact.payload_length is not None and contact.payload_length not in PING_BYTES)


def unasked(steps: Iterable[str]) -> bool:
    """Tell whether all steps are what machines send by themselves."""
    sent = set(steps)
    if sent & SHARES:
        sent -= WEB_SHARES
    return sent <= UNASKED


def token(uses: Sequence[Use], step: str) -> bool:
    """Tell whether several uses of a single packet carry the same payload, which nobody sends by himself.

    Of a TCP port that gave no answer the payload was in the SYN, where hardly anyone has one; a datagram counts unless
    it is what the port's own protocol sends.
    """
    sent = [contact for use in uses for contact in use.contacts if contact.step == step]
    heads = {contact.payload_head or "" for contact in sent}
    if step == "icmp" or len(uses) < 2 or len(heads) != 1:
        return False
    (head,) = heads
    return len(head) >= TOKEN_DIGITS and not any(re.search(one, head) for one in _asked().get(step, ()))


@cache
def _asked() -> dict[str, list[str]]:
    """Load what payloads begin with that machines send by themselves, by their step."""
    text = (files("knockwatch.content") / "signals" / "unasked_payloads.csv").read_text("utf-8")
    found: dict[str, list[str]] = defaultdict(list)
    for row in csv.DictReader(text.splitlines()):
        found[row["step"]].append(row["payload_head"])
    return found


def mistyped(steps: Iterable[str], service: str) -> bool:
    """Tell whether all steps are what comes of mistyping a service's port: digits more, fewer or other."""
    protocol, _, port = service.partition("/")
    tried = [step.partition("/") for step in steps]
    return all(kind == protocol and _like(number, port) for kind, _, number in tried)


def _like(one: str, other: str) -> bool:
    """Tell whether one number holds the other, or differs in one digit."""
    if one in other or other in one:
        return True
    return len(one) == len(other) and sum(a != b for a, b in zip(one, other, strict=True)) == 1


def regular(uses: Sequence[Use], thresholds: Thresholds) -> bool:
    """Tell whether every user comes as a machine does: many times, and nearly always after the same pause."""
    times: dict[str, list[int]] = defaultdict(list)
    for use in uses:
        times[use.source].append(use.start_us)
    return bool(times) and all(_periodic(sorted(starts), thresholds) for starts in times.values())


def _periodic(starts: Sequence[int], thresholds: Thresholds) -> bool:
    """Tell whether times lie evenly, or leave out a few beats."""
    pauses = [later - earlier for earlier, later in pairwise(starts)]
    if len(starts) < thresholds.monitor_cycles_min:
        return False
    beat = median(pauses)
    even = sum(abs(pause - beat) <= thresholds.monitor_jitter_share * beat for pause in pauses)
    return even >= thresholds.monitor_even_share * len(pauses)
