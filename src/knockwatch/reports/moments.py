"""Times of cases as formats for programs have them; what is no time is none there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(text: str | None) -> int | None:
    """Read an RFC 3339 time as microseconds since 1970, UTC where it names no zone; None for what is none."""
    try:
        when = datetime.fromisoformat(text or "")
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
        return (when - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return None


def milliseconds(text: str | None) -> int | None:
    """Read an RFC 3339 time as milliseconds since 1970; None for what is none."""
    found = microseconds(text)
    return None if found is None else found // 1000


def timestamp(text: str | None) -> str | None:
    """Write a time in UTC with a ``Z`` and six digits of the second; None for what is none."""
    found = microseconds(text)
    if found is None:
        return None
    return (_EPOCH + timedelta(microseconds=found)).isoformat(timespec="microseconds").replace("+00:00", "Z")
