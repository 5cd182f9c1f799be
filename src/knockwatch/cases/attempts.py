"""Findings to attempts: one use of a signal once, however many findings and files tell of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from knockwatch.cases import Attempt
from knockwatch.clock import SECOND_US, rfc3339
from knockwatch.detections import Finding

MINUTE_US = 60 * SECOND_US
LOOKBACK = 64
"""Attempts of one source that are compared with the next: a flood must not cost its square."""


@dataclass
class Knock:
    """One use of a signal, while its findings are gathered.

    Parameters
    ----------
    source
        Who; several addresses of one distributed signal are joined.
    start_us, end_us
        When, in microseconds UTC.
    complete
        Whether the signal was complete; None where nothing tells.
    opened
        Whether a daemon said that it opened the door for it.
    sent
        What was sent, in order.
    files
        Numbers of the files that tell of it.
    """

    source: str
    start_us: int
    end_us: int
    complete: bool | None = None
    opened: bool = False
    sent: tuple[str, ...] = ()
    files: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, finding: Finding, source: str | None = None) -> Knock:
        """Make the attempt that one finding tells of."""
        return cls(
            source or ", ".join(finding.sources),
            finding.start_us,
            finding.end_us,
            True if finding.conclusive else finding.complete,
            finding.conclusive,
            finding.sequence,
            {pointer.file for pointer in finding.pointers},
        )

    @classmethod
    def each(cls, finding: Finding) -> list[Knock]:
        """Make the attempts that one finding tells of: one for each use it lists, else one."""
        return [
            cls(
                use.source,
                use.start_us,
                use.end_us,
                use.complete,
                opened=use.entry_us is not None,
                sent=use.steps,
                files={pointer.file for pointer in use.pointers},
            )
            for use in finding.uses
        ] or [cls.of(finding)]

    def attempt(self) -> Attempt:
        """Write it as a case has it."""
        return Attempt(self.source, rfc3339(self.start_us), rfc3339(self.end_us), self.complete, self.sent)


def gather(told: Iterable[Knock]) -> list[Knock]:
    """Make one attempt of all that is told of it.

    Two tellings are one attempt where different files tell the same to the resolution of the coarser one (knockd's
    own log has whole minutes).

    Returns
    -------
    list
        Attempts by time, then source.
    """
    by_source: dict[str, list[Knock]] = {}
    for knock in sorted(told, key=lambda knock: (knock.start_us, knock.end_us, knock.opened, knock.sent)):
        before = by_source.setdefault(knock.source, [])
        for known in reversed(before[-LOOKBACK:]):
            if _same(known, knock):
                _merge(known, knock)
                break
        else:
            before.append(knock)
    return sorted(
        (knock for knocks in by_source.values() for knock in knocks),
        key=lambda knock: (knock.start_us, knock.end_us, knock.source, knock.sent),
    )


def resolution(time_us: int) -> int:
    """Tell how finely a time was written: a minute, a second or a microsecond."""
    return next((unit for unit in (MINUTE_US, SECOND_US) if time_us % unit == 0), 1)


def _same(one: Knock, other: Knock) -> bool:
    """Tell whether two files say the same of one attempt."""
    return (
        one.files.isdisjoint(other.files)
        and (one.complete, one.opened) == (other.complete, other.opened)
        and _coincide(one.start_us, other.start_us)
        and _coincide(one.end_us, other.end_us)
    )


def _coincide(one: int, other: int) -> bool:
    """Tell whether two times are the same as far as the coarser one can say."""
    unit = max(resolution(one), resolution(other))
    return one // unit == other // unit


def _merge(known: Knock, knock: Knock) -> None:
    """Add what another telling knows; the finer clock gives the times."""
    if resolution(knock.start_us) < resolution(known.start_us):
        known.start_us, known.end_us = knock.start_us, knock.end_us
    known.sent = known.sent or knock.sent
    known.files |= knock.files
