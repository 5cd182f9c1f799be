"""The words for the parts of a case that people read: what, who, where, when, and which legs.

Everything returned is safe for a terminal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TextIO

from knockwatch.cases import LEGS, Case
from knockwatch.reports.escape import visible

SIGNALS = {
    "spa": "a single packet (SPA)",
    "icmp": "an ICMP knock",
    "magic-packet": "a magic packet",
    "unknown": "a signal of unknown shape",
    "sequence": "a sequence",
}
STEPS_SHOWN = 8
"""Steps of a sequence that fit a line; knockd allows 32."""


@dataclass(frozen=True)
class Glyphs:
    """The signs beyond ASCII, or what stands in for them where the output cannot show them."""

    arrow: str = "→"
    dash: str = "–"
    dot: str = "·"
    present: str = "●"
    absent: str = "○"
    more: str = "…"

    @classmethod
    def for_stream(cls, stream: TextIO) -> Glyphs:
        """Choose the signs that a stream can show; one without an encoding keeps text as it is."""
        encoding = getattr(stream, "encoding", None) or "utf-8"
        try:
            "→–·●○…".encode(encoding)
        except (UnicodeEncodeError, LookupError):
            return cls("->", "-", "-", "[x]", "[ ]", "...")
        return cls()


def plural(count: int, word: str, words: str | None = None) -> str:
    """Count things: ``1 line``, ``12,345 lines``, ``no lines``."""
    if count == 1:
        return f"1 {word}"
    return f"{count:,} {words or word + 's'}" if count else f"no {words or word + 's'}"


def only_tries(case: Case) -> bool:
    """Tell whether a case is of tries at a known door, without anything like the signal that opens it."""
    return case.kind == "signal" and bool(case.door) and not case.sequence


def title(case: Case, glyphs: Glyphs) -> tuple[str, str]:
    """Say what a case is about: its kind, and the door, the signal, or both."""
    if only_tries(case):
        return "tries", f"at {visible(case.door or '')} without its signal"
    return case.kind, what(case, glyphs)


def what(case: Case, glyphs: Glyphs) -> str:
    """Name the door, the signal, or both: ``tcp/22 behind tcp/7000 → tcp/8000``."""
    signal = sequence(case, glyphs) or (SIGNALS[case.signal] if case.signal else "")
    if case.door and signal:
        return f"{visible(case.door)} behind {signal}"
    if signal and not case.door and not case.sequence:
        # "daemon a sequence" is no English.
        signal = {"daemon": "unknown port behind ", "client": "for "}.get(case.kind, "") + signal
    return visible(case.door) if case.door else signal


def sequence(case: Case, glyphs: Glyphs) -> str:
    """Write the steps, in order where it is known."""
    steps = [visible(step) for step in case.sequence[:STEPS_SHOWN]]
    if not steps:
        return ""
    if left := len(case.sequence) - len(steps):
        steps.append(f"{glyphs.more} {left} more")
    if case.order_known:
        return f" {glyphs.arrow} ".join(steps)
    return f"{', '.join(steps)} (order unknown)" if len(steps) > 1 else steps[0]


def who(case: Case, most: int = 3) -> str:
    """Name the sources."""
    named = [visible(source) for source in case.sources[:most]]
    if left := len(case.sources) - len(named):
        return f"{', '.join(named)} and {left:,} more"
    return ", ".join(named)


def where(case: Case) -> str:
    """Name the host and its address, whichever are known."""
    host, address = visible(case.host or ""), visible(case.destination or "")
    if host and address and host != address:
        return f"{host} ({address})"
    return host or address


def route(case: Case, glyphs: Glyphs) -> str:
    """Write who acted on whom: ``198.51.100.7 → srv1 (192.0.2.1)``; without a source, ``on srv1``."""
    sources, target = who(case), where(case)
    if sources and target:
        return f"{sources} {glyphs.arrow} {target}"
    return sources or (f"on {target}" if target else "")


def one_line(case: Case, glyphs: Glyphs) -> str:
    """Say what a case is about and who acted: ``door tcp/22 behind …: 198.51.100.7 → srv1 (192.0.2.1)``."""
    about = " ".join(filter(None, title(case, glyphs)))
    return ": ".join(filter(None, (about, route(case, glyphs))))


def when(case: Case, glyphs: Glyphs) -> str:
    """Write the time or the span, to the second, the second date only where it differs."""
    first, last = moment(case.first_seen), moment(case.last_seen)
    if not first or not last or first == last:
        one = first or last
        return f"{one} UTC" if one else "at an unknown time"
    return f"{span(first, last, glyphs)} UTC"


def span(first: str, last: str, glyphs: Glyphs) -> str:
    """Join two moments of `moment`, leaving out the second date where it is the same."""
    end = last[11:] if first[:10] == last[:10] else last
    return f"{first} {glyphs.dash} {end}"


def moment(text: str | None) -> str:
    """Shorten an RFC 3339 time in UTC to the second; what is none is shown as it stands."""
    if not text:
        return ""
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return visible(text)


def legs(case: Case, glyphs: Glyphs) -> str:
    """Mark which of the three legs there is evidence for."""
    return "  ".join(f"{glyphs.present if leg in case.legs else glyphs.absent} {leg}" for leg in LEGS)
