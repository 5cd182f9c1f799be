"""Sessions and what came before them: the precursors of every accepted session of one destination.

It works on contacts of one destination and knows nothing of secrets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from knockwatch.clock import SECOND_US
from knockwatch.config import Thresholds

Place = tuple[int, int]
"""File number and line."""


_TOLD = (
    "source_ip",
    "step",
    "time_us",
    "accepted_us",
    "closed",
    "exact",
    "payload_length",
    "skew_us",
    "signed",
    "payload_head",
)
"""The columns of `contacts` that a `Contact` takes, after its places."""


@dataclass(frozen=True)
class Contact:
    """One row of `contacts`: what a source once did at one service."""

    places: tuple[Place, ...]
    source: str
    step: str
    time_us: int
    accepted_us: int | None
    closed: bool
    exact: bool
    payload_length: int | None
    skew_us: int
    signed: bool = False
    payload_head: str | None = None

    @property
    def session(self) -> bool:
        """Whether it is an ordinary session: answered, and no ping."""
        return self.accepted_us is not None and self.step != "icmp"


@dataclass(frozen=True)
class Use:
    """One use of a service, or one try: what a source sent, and when it got in, if it did.

    Parameters
    ----------
    source
        Who sent the steps.
    steps, contacts
        What was sent, in order; the door's own port is no step.
    entrant, entry
        Who entered, and the session; None where nobody did.
    refused
        Whether the service refused this source, at `refused_us`, in the same span of time.
    """

    source: str
    steps: tuple[str, ...]
    contacts: tuple[Contact, ...]
    entrant: str
    entry: Contact | None
    refused: Contact | None = None

    @property
    def start_us(self) -> int:
        """When the first step was sent; without steps, the entry or the refusal."""
        return (self.contacts or tuple(c for c in (self.refused, self.entry) if c))[0].time_us

    @property
    def end_us(self) -> int:
        """When the last step was sent."""
        return self.contacts[-1].time_us if self.contacts else self.start_us

    def order_known(self, steps: Sequence[str] | None = None) -> bool:
        """Say whether the clock tells the order of (these of) its steps."""
        looked_at = [c for c in self.contacts if steps is None or c.step in steps]
        return all(
            (a.exact and b.exact and a.time_us != b.time_us)
            or a.time_us // SECOND_US != b.time_us // SECOND_US
            for a, b in pairwise(looked_at)
        )


def by_pair(contacts: pl.DataFrame) -> dict[tuple[str, str], list[Contact]]:
    """Group contacts by their destination and source, each in order of time."""
    grouped: dict[tuple[str, str], list[Contact]] = {}
    for destination, pointers, *told in contacts.select("destination_ip", "pointers", *_TOLD).iter_rows():
        places = tuple((place["file"], place["line"]) for place in pointers)
        contact = Contact(places, *told)
        grouped.setdefault((destination, contact.source), []).append(contact)
    return grouped


def by_source(contacts: pl.DataFrame) -> dict[str, list[Contact]]:
    """Group the contacts of one destination by their source, each in order of time."""
    return {source: made for (_, source), made in by_pair(contacts).items()}


def entries(contacts: Sequence[Contact], service: str, thresholds: Thresholds) -> Iterator[Use]:
    """Find the sessions of one source at one service, each with what the source sent before.

    A session that follows another of the same source, with nothing sent in between, rides on the same opening and
    is not given again.
    """
    gap = int(thresholds.door_gap_seconds * SECOND_US)
    span = int(thresholds.door_span_seconds * SECOND_US)
    entered = False
    pending: list[Contact] = []
    refused: Contact | None = None
    for contact in contacts:
        if contact.step == service:
            if contact.closed:
                refused = contact
            if not contact.session:
                continue
            sent = _within(pending, contact, gap, span)
            if sent or not entered:
                yield Use(
                    contact.source,
                    tuple(c.step for c in sent),
                    tuple(sent),
                    contact.source,
                    contact,
                    refused,
                )
            entered, pending, refused = True, [], None
        elif not contact.session:
            pending.append(contact)


def tries(contacts: Sequence[Contact], service: str, thresholds: Thresholds) -> Iterator[Use]:
    """Find what one source sent, or tried at a service, without getting in afterwards."""
    gap = int(thresholds.door_gap_seconds * SECOND_US)
    run: list[Contact] = []
    for contact in contacts:
        if run and contact.time_us - run[-1].time_us > gap:
            yield from _try(run, service)
            run = []
        if contact.step == service and contact.session:
            # It got in: what came before is an entry's, not a failure's.
            run = []
        elif not contact.session:
            run.append(contact)
    yield from _try(run, service)


def _try(run: Sequence[Contact], service: str) -> Iterator[Use]:
    """Turn a run of contacts without entry into tries: each refusal at the service ends one."""
    sent: list[Contact] = []
    for contact in run:
        if contact.step != service:
            sent.append(contact)
            continue
        yield Use(contact.source, tuple(c.step for c in sent), tuple(sent), contact.source, None, contact)
        sent = []
    if sent:
        yield Use(sent[0].source, tuple(c.step for c in sent), tuple(sent), sent[0].source, None)


def _within(pending: Sequence[Contact], session: Contact, gap: int, span: int) -> list[Contact]:
    """Walk back from a session over what was sent before, up to the longest pause and the longest span."""
    assert session.accepted_us is not None
    sent: list[Contact] = []
    later = session.accepted_us
    for contact in reversed(pending):
        if later - contact.time_us > gap or session.accepted_us - contact.time_us > span:
            break
        sent.append(contact)
        later = contact.time_us
    return _without_repeated_pings(list(reversed(sent)))


def _without_repeated_pings(sent: list[Contact]) -> list[Contact]:
    """Keep the first of several pings in a row: a ping program sends many, and they are one step."""
    return [
        contact
        for index, contact in enumerate(sent)
        if contact.step != "icmp" or index == 0 or sent[index - 1].step != "icmp"
    ]
