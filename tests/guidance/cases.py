"""Every kind of case that guidance is given for, made by hand: whole, bare, and hostile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

from knockwatch.cases import Attempt, Case, Entry, Quote, Status
from knockwatch.detections import Kind
from tests.reports.made import door

HOSTILE = (
    "`id` ``` | <script>alert(1)</script> <!-- [x](http://evil.example) ![i](http://evil.example/i) @all #1 "
    "www.evil.example *b* _i_ ~~s~~ $(id) ; rm -rf / ' \" ‘ \\ %0a {{ 7*7 }} {% x %} "
    "\x1b[2J\x07 \u202e \u200b \x00 \udcff\n# heading\n- item\n```\nend\r\n"
)
SIGNALS = ("sequence", "spa", "icmp", "magic-packet", "unknown", None)


def bare(kind: Kind, status: Status) -> Case:
    """A case of which nothing more is known."""
    return Case(id="0123456789abcdef", kind=kind, status=status)


def hostile(kind: Kind, status: Status) -> Case:
    """A case in whose every text an attacker wrote."""
    return Case(
        id=HOSTILE,
        kind=kind,
        status=status,
        suppressed_by=HOSTILE,
        signal="unknown",
        sources=[HOSTILE, "198.51.100.7", "fe80::1%eth0;id", "127.0.0.1"],
        destination=HOSTILE,
        host=HOSTILE,
        sequence=[HOSTILE, "tcp/70000;id"],
        door=f"tcp/22{HOSTILE}",
        attempts=[Attempt(HOSTILE, HOSTILE, HOSTILE, complete=True, sent=(HOSTILE,))],
        entries=[Entry(HOSTILE, HOSTILE, None, complete=True, user=HOSTILE)],
        first_seen=HOSTILE,
        last_seen=HOSTILE,
        legs=["signal", "opening", "entry"],
        rules=[HOSTILE],
        attack=[HOSTILE],
        score_parts=[{"part": HOSTILE, "points": HOSTILE}],
        innocent_explanations=[HOSTILE],
        missing=[HOSTILE],
        evidence=[Quote("signal", "messages", f"logs/{HOSTILE}", 7, HOSTILE, HOSTILE)],
        explanation=[HOSTILE, HOSTILE],
    )


def every() -> Iterator[Any]:
    """Every kind and status with every signal: whole, of IPv6, relayed, inside, of other legs, bare and hostile."""
    for kind in get_args(Kind):
        for status in get_args(Status):
            whole = door(kind=kind, status=status)
            yield f"{kind}-{status}-bare", bare(kind, status)
            yield f"{kind}-{status}-hostile", hostile(kind, status)
            for signal in SIGNALS:
                yield f"{kind}-{status}-{signal}", replace(whole, signal=signal)  # type: ignore[arg-type]
            yield f"{kind}-{status}-unseen", replace(whole, attempts=[], entries=[], legs=[], first_seen=None)
            yield (
                f"{kind}-{status}-untold",
                replace(whole, sequence=[], door=None, sources=[], destination=None),
            )
            six = replace(whole, sources=["2001:db8::7"], destination="2001:db8::10", door="udp/1194")
            yield f"{kind}-{status}-six", replace(six, lateral=True, order_known=False)
            entry = Entry("198.51.100.99", None, None, complete=None)
            yield f"{kind}-{status}-relayed", replace(whole, entries=[entry], door="tcp/31234")
            many = [f"198.51.100.{last}" for last in range(200)]
            yield f"{kind}-{status}-many", replace(whole, sources=many, sequence=["icmp", "icmp6", "tcp/1"])
            yield (
                f"{kind}-{status}-tries",
                replace(whole, sequence=[], legs=["signal"], suppressed_by="a line"),
            )
